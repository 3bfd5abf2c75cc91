"""CUDA graphs that capture upsweep's work on a library's stream, and work of several
threads there. The library is that of test_exchange_gpu.py, with a stream of its own."""

import contextlib
import ctypes
import threading

import numpy as np
import pytest
import upsweep
from foreign.capsules import ExportedCapsule
from test_exchange_gpu import Driver, Library, has_own_memory
from upsweep import _core

pytestmark = pytest.mark.skipif(
    not has_own_memory(), reason="no GPU here has a memory of its own"
)
N = 100_000  # elements, in several tiles


class StreamLibrary(Library):
    """Its current stream is not the legacy one, which nothing can capture, and its
    tensors can be given several times."""

    def __init__(self, driver):
        super().__init__(driver)

        def keep(tensor, **fields):
            tensor.fields = fields

        self.type = type("Tensor", (self.type,), {"__init__": keep})
        self.stream = ctypes.c_void_p()
        driver.call("cuStreamCreate", ctypes.byref(self.stream), 1)

    def synchronize(self):
        event = ctypes.c_void_p()
        self.driver.call("cuEventCreate", ctypes.byref(event), 0)
        self.driver.call("cuEventRecord", event, self.stream)
        self.driver.call("cuEventSynchronize", event)

    @contextlib.contextmanager
    def relaxed(self):
        """The driver may do all while it captures."""
        mode = ctypes.c_int(2)
        self.driver.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))
        yield
        self.driver.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))

    def capture(self, function):
        """The graph of a call, and its result."""
        graph, runnable = ctypes.c_void_p(), ctypes.c_void_p()
        self.driver.call("cuStreamBeginCapture_v2", self.stream, 0)
        try:
            result = function()
        finally:
            self.driver.call("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        self.driver.call("cuGraphInstantiateWithFlags", ctypes.byref(runnable), graph,
                         ctypes.c_uint64(1))  # fmt: skip
        return runnable, result

    def launch(self, runnable):
        self.driver.call("cuGraphLaunch", runnable, self.stream)

    def write(self, tensor, values):
        self.driver.write(tensor.address, values)

    def values(self, result, dtype):
        self.synchronize()
        return self.read(result, dtype)

    def _allocate(self, *arguments):
        with self.relaxed():
            return super()._allocate(*arguments)

    def _from_object(self, tensor, out):
        given = ExportedCapsule("dltensor_versioned", name=None, **tensor.fields)
        given.due = 1
        out[0] = given._managed.address
        return 0

    def _current_stream(self, device_type, device, out):
        out[0] = self.stream.value
        return 0


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    driver.call("cuCtxPushCurrent_v2", driver.context)
    yield driver
    driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


@pytest.fixture
def library(driver):
    return StreamLibrary(driver)


def scan(op):
    return lambda x: _core.scan_tensors(x, op, 0, False, True, None, None)


CALLS = {
    "product": scan("prod"),
    "sum": scan("sum"),
    "recurrence": lambda x: _core.recurrence_tensors(x, x, 0, True, False, None, None),
    "vjp": lambda x: _core.cumprod_vjp_tensors(x, x, 0, False, True, None),
    "jvp": lambda x: _core.cumprod_jvp_tensors(x, x, 0, False, True, None),
}


def inputs(n, count=3):
    g = np.random.default_rng(0)
    return [g.uniform(0.99, 1.01, n).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("n", [100, N])
@pytest.mark.parametrize("name", CALLS)
def test_replays_follow_their_input(library, name, n):
    call = CALLS[name]
    xs = inputs(n)
    x = library.tensor(xs[0])
    # Nothing has loaded the kernels before.
    graph, result = library.capture(lambda: call(x))
    for values in xs:
        library.write(x, values)
        library.launch(graph)
        library.launch(graph)
        eager = call(x)  # after it, in memory that is the stream's
        library.launch(graph)
        found = library.values(result, np.float32)
        assert found.tobytes() == library.values(eager, np.float32).tobytes()


@pytest.mark.parametrize(("op", "dtype"), [("sum", np.float32), ("max", np.float16)])
def test_what_a_call_copies_is_memory_of_the_graph(library, op, dtype):
    """Initial values that do not lie together; float16, which kernels convert."""
    shape = (3, N)
    g = np.random.default_rng(0)
    xs = [g.uniform(-1, 1, shape).astype(dtype) for _ in range(3)]
    x = library.tensor(xs[0])
    initial = library.type(**(x.fields | {"shape": (3,), "strides": (N,)}))
    mask = library.tensor((g.random(shape) < 1e-4).view(np.uint8))
    reset = library.type(**(mask.fields | {"dtype": (6, 8, 1)}))

    def call():
        return _core.scan_tensors(x, op, 1, False, True, initial, reset)

    graph, result = library.capture(call)
    for values in xs:
        library.write(x, values)
        library.launch(graph)
        library.launch(graph)
        found, right = (library.values(each, dtype) for each in (result, call()))
        assert found.tobytes() == right.tobytes()


def test_several_graphs(library):
    x = library.tensor(inputs(N)[0])
    graphs = [library.capture(lambda call=call: call(x)) for call in CALLS.values()]
    right = [library.values(call(x), np.float32) for call in CALLS.values()]
    for order in (1, -1):
        for graph, _ in graphs[::order]:
            library.launch(graph)
        for (_, result), values in zip(graphs, right, strict=True):
            assert library.values(result, np.float32).tobytes() == values.tobytes()


def test_one_graph_of_several_calls(library):
    def both():
        first = CALLS["product"](x)
        return CALLS["vjp"](library.again(first, xs[0])), CALLS["recurrence"](x)

    xs = inputs(N)
    x = library.tensor(xs[0])
    graph, results = library.capture(both)
    for values in xs:
        library.write(x, values)
        library.launch(graph)
        found = [library.values(each, np.float32).tobytes() for each in results]
        assert found == [library.values(e, np.float32).tobytes() for e in both()]


def test_captures_live_with_other_work(library):
    """The driver refuses much in all threads while it captures."""
    x = library.tensor(inputs(N)[0])
    before = upsweep.cumsum(np.ones(N, np.float32), stream=upsweep.gpu)
    found = []

    def other():
        again = upsweep.cumsum(before, stream=upsweep.gpu)
        found.append((before[-1].item(), again[-1].item()))

    def call():
        result = CALLS["sum"](x)
        other()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return result

    graph, result = library.capture(call)
    right = pytest.approx(N * (N + 1) / 2, rel=2**-23)
    assert found == [(N, right)] * 2
    library.launch(graph)
    right = library.values(CALLS["sum"](x), np.float32)
    assert library.values(result, np.float32).tobytes() == right.tobytes()


def test_what_the_cpu_computes_is_not_captured(library):
    a = library.tensor(np.complex64([1j, 2]))
    with pytest.raises(RuntimeError, match="A CUDA graph cannot capture this call"):
        library.capture(lambda: CALLS["recurrence"](a))
    CALLS["recurrence"](a)


def test_empty_tensors_are_captured(library):
    x = library.tensor(np.empty((0,), np.float32))
    assert library.capture(lambda: CALLS["sum"](x))[1].shape == [0]


def test_scratch_memory_grows_while_kernels_use_it(library):
    xs = [inputs(n, 1)[0] for n in (20_000, 200_000, 9_000, 500_000, 20_000)]
    other = StreamLibrary(library.driver)
    for call in (CALLS["product"], CALLS["jvp"]):
        results = [call(library.tensor(x)) for x in xs]
        for x, result in zip(xs, results, strict=True):
            found = library.values(result, np.float32).tobytes()
            assert found == other.values(call(other.tensor(x)), np.float32).tobytes()


def test_threads_share_a_stream(library):
    xs = inputs(N, 4)
    tensors = [library.tensor(x) for x in xs]
    right = [
        [library.values(call(x), np.float32).tobytes() for call in CALLS.values()]
        for x in tensors
    ]
    found = [[] for _ in xs]

    def work(i):
        library.driver.call("cuCtxPushCurrent_v2", library.driver.context)
        for _ in range(3):
            found[i].append([call(tensors[i]) for call in CALLS.values()])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, rounds in enumerate(found):
        assert len(rounds) == 3
        for results in rounds:
            values = [library.values(each, np.float32).tobytes() for each in results]
            assert values == right[i]


def test_more_launches_than_epochs(library):
    """Of every 1,024 launches (kEpochs in scratch.cpp) one uses more states than the
    others, and finds them as it left them."""
    small = library.tensor(np.ones(8200, np.float32))
    for values in inputs(400_000):
        result = CALLS["product"](library.tensor(values))
        for _ in range(1023):
            of_small = CALLS["product"](small)
        assert (library.values(of_small, np.float32) == 1).all()
        other = StreamLibrary(library.driver)
        right = other.values(CALLS["product"](other.tensor(values)), np.float32)
        assert library.values(result, np.float32).tobytes() == right.tobytes()
