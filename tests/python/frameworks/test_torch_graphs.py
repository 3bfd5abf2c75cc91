"""upsweep.torch in CUDA graphs: replays with other input in place give the bits of
calls outside."""

import pytest
import upsweep

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


def gradient(function):
    def call(x):
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(function(leaf), leaf, x)[0]

    return call


def tangent(function):
    def call(x):
        with fwad.dual_level():
            return fwad.unpack_dual(function(fwad.make_dual(x, x))).tangent

    return call


def cumprod(x):
    return ut.cumprod(x, -1)


def recurrence(x):
    return ut.linear_recurrence(x, x, dim=-1)


CALLS = {
    "cumprod": cumprod,
    "cumsum": lambda x: ut.cumsum(x, 0, reverse=True),
    "cummax": lambda x: ut.cummax(x.half(), -1, inclusive=False),
    "options": lambda x: ut.scan(x, "prod", -1, initial=x[..., 0], reset=x > 1.0095),
    "recurrence": recurrence,
    "cumprod's gradient": gradient(cumprod),
    "cumprod's tangent": tangent(cumprod),
    "cumsum's gradient": gradient(lambda x: ut.cumsum(x, -1)),
    "recurrence's gradient": gradient(recurrence),
    "recurrence's tangent": tangent(recurrence),
}
# Of one tile and of many, of one line and of several, side by side too.
SHAPES = [(100,), (1 << 20,), (5, 60_000), (60_000, 5), (3_000, 400)]


def inputs(shape, count=3):
    generator = torch.Generator("cuda").manual_seed(0)
    for _ in range(count):
        yield torch.rand(shape, device="cuda", generator=generator) * 0.02 + 0.99


@pytest.fixture(scope="module", autouse=True)
def threads_for_gradients():
    """PyTorch asks for gradients outside before those in a graph: its threads start."""
    x = torch.ones(3, device="cuda", requires_grad=True)
    torch.autograd.grad((x * x).sum(), x)


def capture(function, x):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function(x)
    return graph, result


def same(found, right):
    torch.testing.assert_close(found, right, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_replays_follow_their_input(name, shape):
    function = CALLS[name]
    x = next(inputs(shape)).clone()
    # The kernels are not loaded yet: the capture must survive loading them.
    graph, result = capture(function, x)
    for values in inputs(shape):
        x.copy_(values)
        graph.replay()
        graph.replay()
        right = function(values)
        same(result, right)


def test_replays_and_calls_take_turns_without_waiting():
    xs = list(inputs((1 << 18,), 8))
    x = xs[0].clone()
    graph, result = capture(lambda x: (cumprod(x), CALLS["cumprod's gradient"](x)), x)
    found, right = [], []
    for values in xs:
        x.copy_(values)
        graph.replay()
        found.append([each.clone() for each in result])
        right.append([cumprod(values), CALLS["cumprod's gradient"](values)])
    for some, others in zip(found, right, strict=True):
        for one, other in zip(some, others, strict=True):
            same(one, other)


def test_graphs_on_several_streams_at_once():
    xs = list(inputs((1 << 22,), 4))
    graphs = [capture(cumprod, x) for x in xs]
    right = [cumprod(x) for x in xs]
    streams = [torch.cuda.Stream() for _ in xs]
    torch.cuda.synchronize()
    for _ in range(10):
        for stream, (graph, _) in zip(streams, graphs, strict=True):
            with torch.cuda.stream(stream):
                graph.replay()
    torch.cuda.synchronize()
    for (_, result), values in zip(graphs, right, strict=True):
        same(result, values)


# It is the capture that has another stream than the steps before.
@pytest.mark.filterwarnings("ignore:The AccumulateGrad node's stream")
def test_a_training_step():
    """Forward, backward and an update, as PyTorch's documentation captures them."""
    generator = torch.Generator("cuda").manual_seed(1)

    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Linear(64, 64, device="cuda")
        return model, torch.optim.SGD(model.parameters(), lr=0.1)

    def step(model, optimizer, x):
        gates = torch.sigmoid(model(x))
        loss = ut.linear_recurrence(gates, x, dim=0).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = torch.rand((5, 20_000, 64), device="cuda", generator=generator)
    x = batches[0].clone()
    model, optimizer = fresh()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            step(model, optimizer, x)
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(model, optimizer, x)
    reference, reference_optimizer = fresh()
    reference.load_state_dict(model.state_dict())
    for batch in batches:
        x.copy_(batch)
        graph.replay()
        reference_optimizer.zero_grad(set_to_none=True)
        expected = step(reference, reference_optimizer, batch)
        torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(model.weight, reference.weight)


@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")
def test_what_waits_for_the_host_is_refused():
    x = torch.ones(10, device="cuda", dtype=torch.complex64)
    graph = torch.cuda.CUDAGraph()
    with (
        pytest.raises(RuntimeError, match="A CUDA graph cannot capture this call"),
        torch.cuda.graph(graph),
    ):
        ut.linear_recurrence(x, x)
    assert recurrence(x)[-1].item() == 10
