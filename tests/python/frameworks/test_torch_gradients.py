"""Gradients of upsweep.torch against exact ones: of any order, at zeros, where products
leave the range, at equal elements."""

import itertools
from fractions import Fraction

import ml_dtypes
import mpmath
import numpy as np
import oracle.gradient
import pytest
from support import FLOATS, numpy_dtype
from values import make

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [
    pytest.mark.own_isa,
    # PyTorch's own, from its forward mode.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

import torch.autograd.forward_ad as fwad  # noqa: E402
import upsweep.torch as ut  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))
NAMES = [*FLOATS, "complex64"]


def tensor(x):
    if x.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(x.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(x.copy())


def numpy(t):
    t = t.detach().resolve_conj()
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return t.numpy()


# Products: the contract of cumprod_vjp.

BIG = {"float16": 2.0**12, "float64": 2.0**900}
LINES = {
    "no zero": lambda b: [2, -3, 0.5, 1, -1, 7],
    "one zero": lambda b: [2, -3, 0, 1, -1, 7],
    "two zeros": lambda b: [2, 0, 0.5, 0, -1, 7],
    "many zeros": lambda b: [0, 0, 0, 2, 0, 0],
    "zeros at the ends": lambda b: [0, 3, 0.5, 1, -1, -0.0],
    "see-saw": lambda b: [1 / b, b, b, 1 / b] * 3,
    "out and back": lambda b: [b, b, 0.5, 1 / b, 1 / b, 3],
    "out and back with a zero": lambda b: [b, b, 0, 1 / b, 1 / b, 3],
    "under and back": lambda b: [1 / b, 1 / b, 2, b, b, 3],
    "infinite": lambda b: [2, np.inf, 3, 0, 1, 2],
    "NaN": lambda b: [2, 3, np.nan, 0, 1, 2],
}


def check_both_modes(x, c, axis, reverse, inclusive, reset=None):
    flags = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
    mask = None if reset is None else torch.from_numpy(reset.copy())

    def product(t):
        return ut.scan(t, "prod", axis, **{**flags, "reset": mask})

    leaf = tensor(x).requires_grad_()
    (gradient,) = torch.autograd.grad(product(leaf), leaf, tensor(c))
    oracle.gradient.check("vjp", x.conj(), c, numpy(gradient), axis=axis, **flags)
    with fwad.dual_level():
        y = product(fwad.make_dual(tensor(x), tensor(c)))
        tangent = fwad.unpack_dual(y).tangent
    oracle.gradient.check("jvp", x, c, numpy(tangent), axis=axis, **flags)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", LINES)
def test_gradients_of_products_keep_the_contract(line, name):
    x = np.array(LINES[line](BIG.get(name, 2.0**100)), numpy_dtype(name))
    if name == "complex64" and line in ("no zero", "one zero", "see-saw"):
        x = x * np.array([1, 1j, 1 + 1j], np.complex64).repeat(len(x) // 3)
    rng = np.random.default_rng(0)
    c = rng.integers(-3, 4, x.shape).astype(x.dtype)
    for reverse, inclusive in FLAGS:
        check_both_modes(x, c, 0, reverse, inclusive)
        check_both_modes(x, c, 0, reverse, inclusive, np.arange(len(x)) == 1)
        # Two segments: neither affects the other.
        twice = np.concatenate([x, x]), np.concatenate([c, c])
        starts = np.arange(2 * len(x)) == len(x) - reverse
        check_both_modes(*twice, 0, reverse, inclusive, starts)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", ["subnormals", "see_saw", "exits", "log_normal"])
def test_gradients_of_long_products_keep_the_contract(kind, name):
    x = make(kind, numpy_dtype(name), (2, 60, 2))
    c = make("near_one", numpy_dtype(name), x.shape, seed=1)
    check_both_modes(x, c, 1, False, True)
    check_both_modes(x.transpose(1, 0, 2), c.transpose(1, 0, 2), 0, True, False)


# All others, and second derivatives: the loop of the definition over exact numbers.


class Dual:
    """A number and its derivatives, one for each variable; exact, and of any order, as
    they may be Duals themselves."""

    def __init__(self, value, parts):
        self.value, self.parts = value, parts

    def parts_of(self, other):
        if isinstance(other, Dual):
            return other.value, other.parts
        return other, [0] * len(self.parts)

    def __add__(self, other):
        value, parts = self.parts_of(other)
        pairs = zip(self.parts, parts, strict=True)
        return Dual(self.value + value, [a + b for a, b in pairs])

    def __mul__(self, other):
        value, parts = self.parts_of(other)
        pairs = zip(self.parts, parts, strict=True)
        return Dual(self.value * value, [a * value + self.value * b for a, b in pairs])

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other):
        return self.value < self.parts_of(other)[0]


def variables(values):
    """Numbers, each a variable of its own."""
    ones = [[int(i == j) for j in range(len(values))] for i in range(len(values))]
    return [Dual(value, parts) for value, parts in zip(values, ones, strict=True)]


STEPS = {
    "prod": lambda s, x: s * x,
    "sum": lambda s, x: s + x,
    "max": lambda s, x: x if s < x else s,
    "min": lambda s, x: x if x < s else s,
}
IDENTITIES = {"prod": 1, "sum": 0, "max": None, "min": None}


def results(op, xs, bs, start, reset, reverse, inclusive):
    """What each element's result is, by the definition; None is the identity of max
    and min. bs are the terms of a recurrence, or None."""
    order = range(len(xs))[::-1] if reverse else range(len(xs))
    identity = 0 if op == "recurrence" else IDENTITIES[op]
    state, ys = identity if start is None else start, [None] * len(xs)
    for i in order:
        if reset[i]:
            state = identity
        before = state
        if op == "recurrence":
            state = xs[i] * state + bs[i]
        else:
            state = xs[i] if state is None else STEPS[op](state, xs[i])
        ys[i] = state if inclusive else before
    return ys


def derivatives(y, n):
    return y.parts if isinstance(y, Dual) else [0] * n


def rounded(values, dtype):
    return torch.tensor([float(v) for v in values], dtype=torch.float64).to(dtype)


CASES = list(
    itertools.product(
        ["prod", "sum", "max", "min", "recurrence"],
        [False, True],
        [True, False],
        [False, True],
        [False, True],
    )
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_the_definition(case):
    """Small integers, so that a rounded sum is the only right result."""
    op, reverse, inclusive, with_start, with_reset = case
    n = 7
    rng = np.random.default_rng(sum(case[1:]))
    xs = [Fraction(int(v)) for v in rng.integers(-2, 4, n)]
    xs[2], xs[5] = Fraction(0), xs[4]
    bs = [Fraction(int(v)) for v in rng.integers(-2, 3, n)]
    cs = [Fraction(int(v)) for v in rng.integers(1, 4, n)]
    ws = [Fraction(int(v)) for v in rng.integers(-2, 3, 2 * n + 1)]
    reset = [with_reset and i in (1, 4) for i in range(n)]
    # The variables: x, b and the start.
    inner = variables([*xs, *bs, Fraction(2)])
    exact = variables(inner)
    ys = results(
        op,
        exact[:n],
        exact[n : 2 * n],
        exact[-1] if with_start else None,
        reset,
        reverse,
        inclusive,
    )
    jacobian = [derivatives(y, 2 * n + 1) for y in ys]
    gradient = [
        sum(c * row[i] for c, row in zip(cs, jacobian, strict=True))
        for i in range(2 * n + 1)
    ]
    value = [g.value if isinstance(g, Dual) else g for g in gradient]
    # The gradient of the product of gradient and ws.
    total = sum(w * g for w, g in zip(ws, gradient, strict=True))
    second = derivatives(total, 2 * n + 1)

    for dtype in (torch.float32, torch.float64):
        leaf = rounded([*xs, *bs, 2], dtype).requires_grad_()
        x, b, start = leaf[:n], leaf[n : 2 * n], leaf[-1]
        options = {
            "reverse": reverse,
            "inclusive": inclusive,
            "initial": start if with_start else None,
            "reset": torch.tensor(reset) if with_reset else None,
        }
        if op == "recurrence":
            y = ut.linear_recurrence(x, b, **options)
        else:
            y = ut.scan(x, op, 0, **options)
        (g,) = torch.autograd.grad(y, leaf, rounded(cs, dtype), create_graph=True)
        assert g.tolist() == rounded(value, dtype).tolist()
        if not g.requires_grad:
            assert not any(second)
            continue
        (h,) = torch.autograd.grad(g, leaf, rounded(ws, dtype))
        assert h.tolist() == rounded(second, dtype).tolist()


@pytest.mark.parametrize("line", ["no zero", "one zero", "two zeros", "many zeros"])
def test_second_derivatives_in_16_bits_are_rounded_once(line):
    xs = [Fraction(v) for v in LINES[line](0)]
    n = len(xs)
    ys = results("prod", variables(variables(xs)), None, None, [False] * n, False, True)
    gradient = [sum(derivatives(y, n)[i] for y in ys) for i in range(n)]
    second = derivatives(sum(gradient), n)
    for dtype in (torch.float16, torch.bfloat16):
        x = rounded(xs, dtype).requires_grad_()
        (g,) = torch.autograd.grad(ut.cumprod(x, 0).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x)
        assert h.tolist() == rounded(second, dtype).tolist()


# In each, what one factor of a derivative is made of leaves the range of the dtype.
LEAVING = {
    "float32": ([1, 1e-30, 1], [1e-30, 0, 0], [0, 0, 1e30]),
    "float16": ([1, 1e-4, 1], [1e-4, 0, 0], [0, 0, 6e4]),
    "float16 above": ([1, 2, 1e-4, 1], [6e4, 0, 0, 0], [0, 0, 1e-3, 0]),
    "bfloat16": ([1, 1e-30, 1], [1e-30, 0, 0], [0, 0, 1e30]),
}


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("line", LEAVING)
def test_derivatives_of_recurrences_are_rounded_once(line, reverse, inclusive):
    dtype = getattr(torch, line.split()[0])
    step = -1 if reverse else 1
    a, b, c = (torch.tensor(v[::step], dtype=dtype) for v in LEAVING[line])
    start = torch.tensor(0.0, dtype=dtype)
    # The numbers in the tensors.
    xs, bs, cs = ([Fraction(v) for v in t.tolist()] for t in (a, b, c))
    n = len(xs)
    exact = variables([*xs, *bs, Fraction(0)])
    flags = {"reverse": reverse, "inclusive": inclusive}
    ys = results("recurrence", exact[:n], exact[n:-1], exact[-1], [False] * n, **flags)
    jacobian = [derivatives(y, 2 * n + 1) for y in ys]
    vjp = [
        sum(w * row[i] for w, row in zip(cs, jacobian, strict=True))
        for i in range(2 * n + 1)
    ]
    leaves = [t.clone().requires_grad_() for t in (a, b, start)]
    y = ut.linear_recurrence(*leaves[:2], initial=leaves[2], **flags)
    found = torch.cat([g.reshape(-1) for g in torch.autograd.grad(y, leaves, c)])
    assert found.tolist() == rounded(vjp, dtype).tolist()
    # Along c in a.
    jvp = [sum(w * d for w, d in zip(cs, row[:n], strict=True)) for row in jacobian]
    with fwad.dual_level():
        y = ut.linear_recurrence(fwad.make_dual(a, c), b, initial=start, **flags)
        tangent = fwad.unpack_dual(y).tangent
    assert tangent.tolist() == rounded(jvp, dtype).tolist()


def test_a_product_after_an_initial_value_of_zero():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    start = torch.tensor(0.0, requires_grad=True)
    ut.scan(x, "prod", 0, initial=start).sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert start.grad.item() == 8


def test_complex_gradients_are_conjugated_as_pytorch_does():
    """Of Gaussian integers, where PyTorch's loop in complex128 is exact."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(-2, 3, (4, 6, 2))
    x, b, c, w = (
        torch.view_as_complex(torch.tensor(p, dtype=torch.float64)) for p in pairs
    )
    x[3] = 0

    def loop(op, x, b):
        h, ys = 1 if op == "prod" else 0, []
        for i in range(len(x)):
            h = x[i] * h + (b[i] if op == "recurrence" else 0)
            if op == "sum":
                h = x[: i + 1].sum()
            ys.append(h)
        return torch.stack(ys)

    def ours(op, x, b):
        if op == "recurrence":
            return ut.linear_recurrence(x, b)
        return ut.scan(x, op, 0)

    for op in ("prod", "sum", "recurrence"):
        found = []
        for function, dtype in ((loop, torch.complex128), (ours, torch.complex64)):
            leaf = torch.stack((x, b)).to(dtype).requires_grad_()
            y = function(op, *leaf)
            (g,) = torch.autograd.grad(y, leaf, c.to(dtype), create_graph=True)
            values = g.tolist()
            if op != "sum":
                (h,) = torch.autograd.grad(g[0], leaf, w.to(dtype))
                values += h.tolist()
            found.append(values)
        assert found[0] == found[1]


@pytest.mark.parametrize("op", ["max", "min"])
def test_the_first_of_equal_elements_and_the_first_nan_get_the_gradient(op):
    sign = 1 if op == "max" else -1
    nan = float("nan")
    for values, right in [
        ([1.0, 3, 3, 2, 3], [1, 4, 0, 0, 0]),
        ([-torch.inf, -torch.inf, 1, 1], [2, 0, 2, 0]),
        ([1, nan, 2, nan, 5], [1, 4, 0, 0, 0]),
        ([nan, nan], [2, 0]),
    ]:
        x = (sign * torch.tensor(values)).requires_grad_()
        getattr(ut, f"cum{op}")(x, 0).sum().backward()
        assert x.grad.tolist() == right
        x = (sign * torch.tensor(values[::-1])).requires_grad_()
        getattr(ut, f"cum{op}")(x, 0, reverse=True).sum().backward()
        assert x.grad.tolist() == right[::-1]
    # The first of a segment, although it is no greater than the identity.
    x = (sign * torch.tensor([1, -torch.inf, -torch.inf, 2])).requires_grad_()
    ut.scan(x, op, 0, reset=[1]).sum().backward()
    assert x.grad.tolist() == [1, 2, 0, 1]
    # The first NaN, whatever its real part and those that follow.
    z = torch.tensor(
        [1 + 1j, complex(2, nan), 3 + 1j, complex(nan, 1)]
    ).requires_grad_()
    getattr(ut, f"cum{op}")(z, 0).sum().real.backward()
    assert z.grad.tolist() == [1, 3, 0, 0]
    # By the real part, then the imaginary part.
    z = (sign * torch.tensor([1 + 1j, 1 + 2j, 1 - 1j, 2 - 5j])).requires_grad_()
    getattr(ut, f"cum{op}")(z, 0).sum().real.backward()
    assert z.grad.tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("name", FLOATS)
def test_gradients_of_logcumsumexp(name, inclusive, reverse):
    """Beside mpmath: elements of any size, and -inf, whose weight is 0."""
    inf = float("inf")
    values = [-inf, -inf, 3, 800, 790, -inf, 801, -5000, 801]
    cs = [2, 3, -1, 2, 1, -2, 1, 1, -1]
    x = torch.tensor(values, dtype=getattr(torch, name), requires_grad=True)
    c = torch.tensor(cs, dtype=x.dtype)
    y = ut.logcumsumexp(x, 0, reverse=reverse, inclusive=inclusive)
    (gradient,) = torch.autograd.grad(y, x, c)
    xs, n = [mpmath.mpf(v) for v in x.tolist()], len(values)
    order = list(range(n))[::-1] if reverse else list(range(n))
    exact = [mpmath.mpf(0)] * n
    for place, j in enumerate(order):
        counted = order[: place + inclusive]
        total = mpmath.fsum(mpmath.exp(xs[i]) for i in counted)
        for i in counted:
            exact[i] += cs[j] * mpmath.exp(xs[i]) / total if total else 0
    allowed = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6, "float64": 1e-11}
    for found, right in zip(gradient.tolist(), exact, strict=True):
        assert abs(found - right) <= allowed[name] * max(1, abs(right))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("name", FLOATS)
def test_gradients_of_logcumsumexp_beside_infinity(name, inclusive, reverse):
    """An infinite element has NaN, from inf - inf, and spoils no other."""
    inf, dtype = float("inf"), getattr(torch, name)
    for values, start in [
        ([1, inf, 2, 2], None),
        ([inf, 800, inf, -inf, 3], None),
        ([-inf, 1, inf, 2, 3, -inf, 3], 4),
        ([1, inf, 1, -inf, -inf, 2, 0], 3),
    ]:
        n = len(values)
        # What each result counts, in scan order, and the shares by mpmath.
        exact = [mpmath.mpf(0)] * n
        for k in range(n):
            first = start if start is not None and k >= start else 0
            counted = range(first, k + inclusive)
            total = mpmath.fsum(mpmath.exp(values[i]) for i in counted)
            for i in counted:
                if values[i] == inf:
                    exact[i] = mpmath.nan
                elif total and total != inf:
                    exact[i] += mpmath.exp(values[i]) / total
        way = slice(None, None, -1) if reverse else slice(None)
        order = list(range(n))[way]
        x = torch.tensor([values[i] for i in order], dtype=dtype, requires_grad=True)
        reset = torch.tensor([i == start for i in order])
        flags = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
        y = ut.scan(x, "logaddexp", 0, **flags)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        right = torch.tensor([float(exact[i]) for i in order], dtype=torch.float64)
        torch.testing.assert_close(
            gradient.double(), right, rtol=1e-2, atol=0, equal_nan=True
        )
        with fwad.dual_level():
            y = ut.scan(fwad.make_dual(x, torch.ones_like(x)), "logaddexp", 0, **flags)
            tangent = fwad.unpack_dual(y).tangent
        tangent = tangent[y.isfinite()]
        torch.testing.assert_close(tangent, torch.ones_like(tangent))


@pytest.mark.parametrize("inclusive", [True, False])
def test_derivatives_of_logcumsumexp_in_float32_are_those_in_float64(inclusive):
    """Which go another way."""
    generator = torch.Generator().manual_seed(0)
    x = 5 * torch.randn(3, 40, generator=generator)
    c = torch.randn(3, 40, generator=generator)
    reset = x > 9
    x[0, :2] = -torch.inf

    def derivatives(x, c):
        def function(x):
            y = ut.scan(x, "logaddexp", 1, inclusive=inclusive, reset=reset)
            return y.masked_fill(y.isinf(), 0)

        leaf = x.clone().requires_grad_()
        y = function(leaf)
        (g,) = torch.autograd.grad(y, leaf, c, create_graph=True)
        (h,) = torch.autograd.grad(g, leaf, c)
        with fwad.dual_level():
            tangent = fwad.unpack_dual(function(fwad.make_dual(x, c))).tangent
        return g, h, tangent

    exact = derivatives(x.double(), c.double())
    for found, right in zip(derivatives(x, c), exact, strict=True):
        torch.testing.assert_close(found.double(), right, rtol=1e-5, atol=1e-5)


def test_second_derivatives_take_linear_time():
    """Quadratic ones of so many elements would take minutes."""
    x = torch.rand(1 << 18, dtype=torch.float64) + 0.5
    x[1000] = 0
    x.requires_grad_()
    (g,) = torch.autograd.grad(ut.cumprod(x, 0).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.isfinite().any()
