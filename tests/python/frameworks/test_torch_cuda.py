"""upsweep.torch on an NVIDIA GPU: results, gradients, the order of streams, and that no
call waits for the GPU."""

import itertools
import time

import numpy as np
import oracle
import pytest
import upsweep
from support import SCANS, run_python
from values import make

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [
    pytest.mark.own_isa,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU"
    ),
    pytest.mark.skipif(
        not upsweep.is_available(upsweep.gpu), reason="upsweep finds no GPU"
    ),
    # PyTorch's own.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]

import torch.autograd.forward_ad as fwad  # noqa: E402
import upsweep.torch as ut  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))
LONG = 2_000_000_000  # cycles, about a second


def tensor(x):
    return torch.from_numpy(x.copy()).cuda()


def numpy(t):
    return t.detach().cpu().numpy()


@pytest.mark.parametrize("name", ["float32", "float16", "int32", "complex64"])
@pytest.mark.parametrize("op", SCANS)
def test_results_keep_the_contract(op, name):
    kind = {"int32": "odd_numbers", "complex64": "turning"}.get(name, "near_one")
    for shape, axis in [((5_000,), 0), ((3, 400), 1), ((400, 3), 0)]:
        x = make(kind, np.dtype(name), shape)
        for reverse, inclusive in FLAGS:
            flags = {"reverse": reverse, "inclusive": inclusive}
            y = getattr(ut, SCANS[op])(tensor(x), axis, **flags)
            assert y.device.type == "cuda"
            oracle.check(SCANS[op], x, numpy(y), axis=axis, **flags)


def test_recurrences_keep_the_contract():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 300)).astype(np.float32)
    initial = rng.normal(size=40).astype(np.float32)
    reset = rng.random((40, 300)) < 0.01
    for reverse, inclusive in FLAGS:
        options = {"reverse": reverse, "inclusive": inclusive}
        y = ut.linear_recurrence(
            tensor(a),
            tensor(b),
            initial=tensor(initial),
            reset=tensor(reset),
            **options,
        )
        unit = oracle.recurrence.GPU_UNIT["float32"]
        oracle.recurrence.check(
            a, b, numpy(y), initial=initial, reset=reset, unit=unit, **options
        )


def derivatives(function, x, c):
    """The gradient, the tangent, and the gradient of the gradient."""
    leaf = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(function(leaf), leaf, c, create_graph=True)
    h = torch.autograd.grad(g, leaf, c)[0] if g.requires_grad else torch.zeros_like(x)
    with fwad.dual_level():
        tangent = fwad.unpack_dual(function(fwad.make_dual(x, c))).tangent
    return g.detach(), tangent, h


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ut.cumprod(x, 0),
        lambda x: ut.cumprod(x, 1, reverse=True, inclusive=False),
        lambda x: ut.cumsum(x, 1),
        lambda x: ut.cummax(x, 0),
        lambda x: ut.logcumsumexp(x, 1),
        lambda x: ut.linear_recurrence(x, x, initial=x[:, 0], reset=x > 1.4),
        lambda x: ut.scan(x, "prod", 1, initial=x[:, 0], reset=x > 1.4),
    ],
)
def test_gradients_are_those_of_the_cpu(function):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(30, 40, generator=generator) + 0.5
    x[3, 5] = x[3, 9] = x[20, 5] = 0
    c = torch.rand(30, 40, generator=generator)
    ours = derivatives(function, x.cuda(), c.cuda())
    exact = derivatives(function, x.double(), c.double())
    for found, right in zip(ours, exact, strict=True):
        assert found.device.type == "cuda"
        torch.testing.assert_close(found.cpu().double(), right, rtol=1e-4, atol=1e-4)


def test_compiled_gradients():
    x = torch.rand(1000, device="cuda") + 0.5

    def gradient(f):
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(f(leaf).sum(), leaf)[0]

    def f(x):
        return ut.cumprod(x, 0)

    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    assert torch.equal(gradient(compiled), gradient(f))


def busy_for_long(function):
    """Calls the function while the current stream is busy; returns its result, and
    whether the stream still was when it returned."""
    torch.cuda._sleep(LONG)
    result = function()
    return result, not torch.cuda.current_stream().query()


CALLS = {
    "cumprod": lambda x: ut.cumprod(x, 0),
    "options": lambda x: ut.scan(x, "sum", 0, initial=x[0], reset=x > 2),
    "linear_recurrence": lambda x: ut.linear_recurrence(x, x),
    "cumprod's gradient": lambda x: derivatives(CALLS["cumprod"], x, x),
    "cummax's gradient": lambda x: derivatives(lambda x: ut.cummax(x, 0), x, x),
    "a recurrence's gradient": lambda x: derivatives(CALLS["linear_recurrence"], x, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_do_not_wait(name):
    x = torch.rand(100_000, device="cuda")
    kept = CALLS[name](x)  # loads kernels, and has memory for the next time
    torch.cuda.synchronize()
    del kept
    result, was_busy = busy_for_long(lambda: CALLS[name](x))
    assert was_busy
    torch.cuda.synchronize()
    del result


def test_freed_results_do_not_wait():
    x = torch.rand(100_000, device="cuda")
    y = ut.cumprod(x, 0)
    torch.cuda.synchronize()
    torch.cuda._sleep(LONG)
    z = y + 1
    start = time.perf_counter()
    del y
    waited = time.perf_counter() - start
    assert not torch.cuda.current_stream().query(), f"waited {waited:.2f} s"
    torch.cuda.synchronize()
    del z


def test_scans_follow_the_current_stream_both_ways():
    side = torch.cuda.Stream()
    x = torch.zeros(1_000_000, device="cuda")
    torch.cuda.synchronize()
    for _ in range(3):
        with torch.cuda.stream(side):
            torch.cuda._sleep(LONG // 20)
            x.fill_(1)
            y = ut.cumsum(x, 0)
            # The input may be changed at once, in the order of the stream.
            x.fill_(7)
            last = y[-1] + 0
        side.synchronize()
        assert last.item() == 1_000_000


def test_inputs_may_be_freed_at_once():
    expected = torch.arange(1, 1_000_001, dtype=torch.float32)
    for _ in range(20):
        y = ut.cumsum(torch.ones(1_000_000, device="cuda"), 0)
        torch.full((1_000_000,), 9.0, device="cuda")  # might take the same memory
        assert torch.equal(y.cpu(), expected)


def test_a_first_use_in_a_transform_does_not_slow_later_calls():
    program = """
import torch
import upsweep.torch as ut
from upsweep._torch_primitive import is_plain
x = torch.ones(3, device="cuda")
torch.func.grad(lambda x: ut.cumsum(x, 0).sum())(x)
assert is_plain(x)
"""
    run_python("-c", program)


def test_float64_says_the_way_out():
    x = torch.ones(10, device="cuda", dtype=torch.float64)
    with pytest.raises((TypeError, ValueError), match="float64"):
        ut.cumsum(x, 0)


def test_every_gpu():
    for index in range(torch.cuda.device_count()):
        with torch.cuda.device(torch.cuda.device_count() - 1 - index):
            x = torch.ones(1000, device=f"cuda:{index}", requires_grad=True)
            y = ut.cumsum(x, 0)
            assert y.device == x.device
            y.sum().backward()
            assert x.grad[0].item() == 1000
