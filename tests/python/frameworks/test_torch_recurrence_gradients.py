"""Gradients of recurrences against exact ones, where upsweep computes both in one
pass."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.own_isa

import upsweep.torch as ut  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))


def rounded(values, dtype):
    return torch.tensor([float(v) for v in values], dtype=torch.float64).to(dtype)


def test_gradients_of_recurrences_are_tensors_of_their_own():
    a = torch.tensor([2.0, 3.0, 5.0], requires_grad=True)
    b = torch.ones(3, requires_grad=True)
    ut.linear_recurrence(a, b, 0).sum().backward()
    weight = torch.ones(3, requires_grad=True)
    loss = (weight * b.grad).sum()
    a.grad.mul_(2)
    loss.backward()
    assert weight.grad.tolist() == b.grad.tolist() == [19, 6, 1]
    assert a.grad.tolist() == [0, 12, 8]
    for each in (a.grad, b.grad):
        assert not each._is_view()
        assert each.untyped_storage().nbytes() == 12


# Both gradients of a recurrence in one pass: lines that are lanes, in columns or along
# memory, and stripes; more than a block, and more than a tile.
SHAPES = [
    ((150, 70), 0),
    ((70, 150), 1),
    ((3, 5000), 1),
    ((40001,), 0),
    ((9, 33, 5), 1),
]


def gradients_of_the_definition(a, b, c, reverse, inclusive):
    """Of lines along axis 0, of numbers that Python computes exactly."""
    order = range(len(a))[::-1] if reverse else range(len(a))
    h, before = a[0] * 0, [None] * len(a)
    for i in order:
        before[i] = h
        h = a[i] * h + b[i]
    g, of_a, of_b = a[0] * 0, [None] * len(a), [None] * len(a)
    for i in reversed(order):
        of_b[i] = g + c[i] if inclusive else g
        of_a[i] = of_b[i] * before[i]
        g = a[i] * of_b[i] + (0 if inclusive else c[i])
    return of_a, of_b


def found_gradients(a, b, c, dim, **flags):
    leaves = [t.clone().requires_grad_() for t in (a, b)]
    y = ut.linear_recurrence(*leaves, dim=dim, **flags)
    return torch.autograd.grad(y, leaves, c)


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize(("shape", "dim"), SHAPES, ids=str)
def test_gradients_of_long_recurrences_are_exact_sums(shape, dim, reverse, inclusive):
    rng = np.random.default_rng(0)
    a, b, c = (rng.integers(-1, 2, shape) for _ in range(3))
    flags = {"reverse": reverse, "inclusive": inclusive}
    lines = (np.moveaxis(x, dim, 0) for x in (a, b, c))
    expected = [
        np.moveaxis(np.stack(x), 0, dim)
        for x in gradients_of_the_definition(*lines, **flags)
    ]
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        tensors = [torch.from_numpy(x).to(dtype) for x in (a, b, c)]
        # The last has another layout.
        tensors[1] = tensors[1].mT.contiguous().mT if len(shape) > 1 else tensors[1]
        for found, exact in zip(
            found_gradients(*tensors, dim, **flags), expected, strict=True
        ):
            assert torch.equal(found, torch.from_numpy(exact).to(dtype))


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("lines", [1, 20])
def test_gradients_of_recurrences_come_back_from_beyond_doubles(
    lines, reverse, inclusive
):
    # Powers of two, to 2^-2400 and back.
    n = 200
    powers = np.zeros(n)
    powers[20:44], powers[100:124] = -100, 100
    a = [Fraction(2) ** int(p) for p in powers]
    b, c = ([Fraction(int(i in places)) for i in range(n)] for places in ([3], [180]))
    if reverse:
        a, b, c = a[::-1], b[::-1], c[::-1]
    flags = {"reverse": reverse, "inclusive": inclusive}
    expected = gradients_of_the_definition(a, b, c, **flags)
    for dim in (0, 1):
        tensors = [
            rounded(x, torch.float32).expand(lines, n).contiguous() for x in (a, b, c)
        ]
        if dim == 0:
            tensors = [x.mT.contiguous() for x in tensors]
        for found, exact in zip(
            found_gradients(*tensors, dim, **flags), expected, strict=True
        ):
            line = rounded([v if v < 2**128 else np.inf for v in exact], torch.float32)
            assert line.any()
            both = line.expand(lines, n)
            assert torch.equal(found, both.mT if dim == 0 else both)
