"""Scans of upsweep.torch that autograd records in few steps: when derivatives are one
call, when they are operators, and that both are the same."""

import itertools

import numpy as np
import pytest
from support import SCANS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.autograd.forward_ad as fwad  # noqa: E402
import upsweep.torch as ut  # noqa: E402
from torch.autograd.graph import saved_tensors_hooks  # noqa: E402
from upsweep._torch_primitive import Primitive  # noqa: E402

pytestmark = [
    pytest.mark.own_isa,
    # PyTorch's own, from its forward mode.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

FLAGS = list(itertools.product([False, True], [True, False]))
CALLED = ["prod", "sum"]  # those whose derivative is one call


class OperatorError(Exception):
    """An operator was asked."""


@pytest.fixture
def no_operators(monkeypatch):
    def refuse(self, *args):
        raise OperatorError

    monkeypatch.setattr(Primitive, "__call__", refuse)


def short(x, op, dim, **flags):
    return getattr(ut, SCANS[op])(x, dim, **flags)


def numbers(*shape, dtype=None):
    """Small integers, one of them 0."""
    x = torch.tensor([(5 * i) % 7 - 3 for i in range(int(np.prod(shape)))])
    return x.reshape(shape).to(dtype or torch.float32)


def recorded(op, shape=(4,), dtype=None):
    x = numbers(*shape, dtype=dtype).requires_grad_()
    return x, short(x, op, -1)


@pytest.mark.parametrize("op", CALLED)
def test_a_first_derivative_is_one_call(op, no_operators):
    for dtype in (torch.float32, torch.bfloat16, torch.complex64):
        x, y = recorded(op, (2, 3), dtype)
        y.sum().real.backward()
        (g,) = torch.autograd.grad(short(x, op, 0), x, torch.ones_like(x))
        assert x.grad.shape == g.shape == (2, 3)
        assert not g.requires_grad
    # Of what is no leaf, too.
    y = short(x * 2, op, 1)
    assert torch.autograd.grad(y, x, torch.ones_like(y))[0].any()


def forward_over_backward(x, y):
    with fwad.dual_level():
        torch.autograd.grad(y, x, fwad.make_dual(torch.ones_like(y), y.detach()))


def in_a_mode(x, y):
    class Mode(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    with Mode():
        y.sum().backward()


OTHERS = {
    "create_graph": lambda x, y: torch.autograd.grad(y.sum(), x, create_graph=True),
    "batched": lambda x, y: torch.autograd.grad(
        y, x, torch.ones(2, *y.shape), is_grads_batched=True
    ),
    "forward mode": forward_over_backward,
    "negated": lambda x, y: torch.autograd.grad(
        y, x, torch.ones(y.shape, dtype=torch.complex64).conj().imag
    ),
    "a subclass": lambda x, y: torch.autograd.grad(
        y, x, torch.ones(y.shape).as_subclass(type("Plain", (torch.Tensor,), {}))
    ),
    "a dispatch mode": in_a_mode,
}


@pytest.mark.parametrize("op", CALLED)
@pytest.mark.parametrize("way", OTHERS)
def test_other_derivatives_are_operators(op, way, no_operators):
    x, y = recorded(op)
    with pytest.raises(OperatorError):
        OTHERS[way](x, y)


def test_what_hooks_unpack_may_be_any_tensor(no_operators):
    """Only one that is memory of a known kind goes to the call."""
    negated = torch.ones(4, dtype=torch.complex64).conj().imag
    x = numbers(4).requires_grad_()
    for other in (negated, torch.empty(4, device="meta")):
        with saved_tensors_hooks(lambda t: t, lambda t, other=other: other):
            y = ut.cumprod(x, 0)
        with pytest.raises(OperatorError):
            y.sum().backward()
    with saved_tensors_hooks(lambda t: t, lambda t: t.double()):
        y = ut.cumprod(x, 0)
    with pytest.raises(TypeError, match="cotangent is float32, but a is float64"):
        y.sum().backward()
    with saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
        y = ut.cumprod(x, 0)
    assert torch.autograd.grad(y[1], x)[0].tolist() == [2, -3, 0, 0]


@pytest.mark.parametrize("op", CALLED)
def test_hooks_cannot_change_the_kind_of_a_cotangent(op):
    for change in (lambda g: g.double(), lambda g: g[:2], lambda g: g.to("meta")):
        _, y = recorded(op)
        y.register_hook(change)
        with pytest.raises(RuntimeError, match="has changed"):
            y.sum().backward()


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("op", SCANS)
def test_cotangents_of_any_layout(op, flags):
    """Beside those of the operators, of cotangents in order."""
    flags = dict(zip(("reverse", "inclusive"), flags, strict=True))
    shape = (3, 4)
    cotangents = [
        torch.tensor(2.0).expand(shape),
        torch.arange(4.0).expand(shape),
        torch.arange(3.0)[:, None].expand(shape),
        numbers(4, 3).T,
        numbers(6, 8)[::2, 1::2],
        numbers(3, 1, 4).squeeze(1).flip(1),
    ]
    for x, dim in ((numbers(*shape), 1), (numbers(4, 3).T, 0), (numbers(3, 8), -2)):
        x = (x[:, ::2] if x.shape != shape else x).requires_grad_()
        for c in cotangents:
            found = torch.autograd.grad(short(x, op, dim, **flags), x, c)[0]
            y = ut.scan(x, op, dim, **flags)
            right = torch.autograd.grad(y, x, c.contiguous())[0]
            assert found.tolist() == right.tolist()
            assert found.any()


@pytest.mark.parametrize("op", SCANS)
def test_gradients_of_complex_numbers(op):
    x = torch.complex(numbers(4), numbers(5)[1:]).requires_grad_()
    c = torch.complex(numbers(6)[2:], numbers(4))
    for given in (c, c.conj()):
        found = torch.autograd.grad(short(x, op, 0), x, given)[0]
        y = ut.scan(x, op, 0)
        right = torch.autograd.grad(y, x, given.resolve_conj())[0]
        assert found.tolist() == right.tolist()
        assert found.imag.any()


@pytest.mark.parametrize("op", SCANS)
def test_gradients_without_elements(op):
    for shape, dim in (((0,), 0), ((2, 0), 0), ((2, 0), 1), ((0, 3), -1)):
        x = torch.empty(shape, requires_grad=True)
        short(x, op, dim).sum().backward()
        assert x.grad.shape == shape
    x = torch.tensor(2.0, requires_grad=True)
    short(x, op, 0).backward()
    assert x.grad == 1


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("op", SCANS)
def test_second_derivatives(op, flags):
    flags = dict(zip(("reverse", "inclusive"), flags, strict=True))
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 2, dtype=torch.float64, generator=generator)
    if op == "prod":
        x[0, 1] = 0

    def function(x):
        y = short(x * x, op, -2, **flags)
        # Numerical derivatives of the identity are NaN.
        return y.masked_fill(y.isinf(), 0)

    x.requires_grad_()
    torch.autograd.gradcheck(function, x, check_batched_grad=True)
    torch.autograd.gradgradcheck(function, x, check_batched_grad=True)
    y = function(x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.any()


def test_a_graph_without_create_graph_is_an_error_and_not_0():
    x, y = recorded("prod")
    (g,) = torch.autograd.grad(y.sum(), x)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(g.sum(), x)


def test_sums_keep_no_elements():
    x = numbers(4).requires_grad_()
    z = x * 1
    y = ut.cumsum(z, 0)
    with torch.no_grad():
        z.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [4, 3, 2, 1]
    z = numbers(4).requires_grad_() * 1
    y = ut.cumprod(z, 0)
    with torch.no_grad():
        z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# PyTorch's own, while it traces.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.parametrize("op", SCANS)
def test_compiled_autograd_takes_the_derivative(op):
    compiled_autograd = pytest.importorskip("torch._dynamo.compiled_autograd")
    for general in (False, True):
        x = numbers(6).requires_grad_()
        y = (ut.scan(x, op, 0, skipna=True) if general else short(x, op, 0)).sum()
        (right,) = torch.autograd.grad(y, x, retain_graph=True)
        with compiled_autograd._enable(torch.compile(backend="eager")):
            y.backward()
        assert torch.equal(x.grad, right)
