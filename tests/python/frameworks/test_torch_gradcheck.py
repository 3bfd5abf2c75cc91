"""Gradients of upsweep.torch by PyTorch's own checks: gradcheck and gradgradcheck."""

import functools

import pytest
from support import SCANS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [
    pytest.mark.own_isa,
    # PyTorch's own, from its forward mode.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

import upsweep.torch as ut  # noqa: E402

PLAIN_CHECK = {"check_forward_ad": True, "check_batched_grad": True}
SECOND_CHECK = {"check_fwd_over_rev": True, "check_batched_grad": True}


def scanned(op, options, x, *start):
    if op == "recurrence":
        a, b = x
        y = ut.linear_recurrence(
            a, b, 0, initial=start[0] if start else None, **options
        )
    else:
        y = ut.scan(x, op, 1, initial=start[0] if start else None, **options)
    # Numerical derivatives of the identity are NaN.
    return y.masked_fill(y.isinf(), 0)


def inputs(op, dtype, with_options):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 2, dtype=dtype, generator=generator)
    if op == "prod":
        x[0, 1] = 0
    x.requires_grad_()
    if not with_options:
        return (x,)
    shape = (2,) if op == "recurrence" else (2, 2)
    start = torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True)
    return x, start


@pytest.mark.parametrize("with_options", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("op", [*SCANS, "recurrence"])
def test_gradcheck(op, inclusive, reverse, with_options):
    options = {"reverse": reverse, "inclusive": inclusive}
    if with_options:
        mask = torch.tensor([[False, True], [False, False], [True, False]])
        options["reset"] = mask
    function = functools.partial(scanned, op, options)
    x = inputs(op, torch.float64, with_options)
    torch.autograd.gradcheck(
        function, x, check_batched_forward_grad=True, **PLAIN_CHECK
    )
    torch.autograd.gradgradcheck(function, x, **SECOND_CHECK)


@pytest.mark.parametrize("op", ["prod", "sum", "logaddexp", "recurrence"])
@pytest.mark.filterwarnings("ignore:Input #:UserWarning")
def test_gradcheck_of_complex_numbers(op):
    """Numerical derivatives in single precision are loose; elsewhere they are exact."""
    x = inputs(op, torch.complex64, False)
    function = functools.partial(scanned, op, {})
    loose = {"eps": 1e-2, "atol": 3e-2, "rtol": 3e-2, "nondet_tol": 0.0}
    torch.autograd.gradcheck(function, x, **loose, **PLAIN_CHECK)
    torch.autograd.gradgradcheck(function, x, **loose, **SECOND_CHECK)
