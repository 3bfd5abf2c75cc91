"""Memory that kernels on a library's stream need between them, when the stream is
destroyed and when memory runs out. The library is that of test_exchange_graphs.py."""

import ctypes
import threading

import numpy as np
import pytest
import upsweep
from test_exchange_gpu import Driver, has_own_memory
from test_exchange_graphs import CALLS, StreamLibrary, inputs

pytestmark = pytest.mark.skipif(
    not has_own_memory(), reason="no GPU here has a memory of its own"
)
HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@pytest.fixture
def library():
    driver = Driver()
    driver.call("cuCtxPushCurrent_v2", driver.context)
    yield StreamLibrary(driver)
    driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


def replace_stream(library):
    """CUDA may give the same handle again."""
    library.driver.call("cuStreamDestroy_v2", library.stream)
    library.driver.call("cuStreamCreate", ctypes.byref(library.stream), 1)


@pytest.mark.parametrize("name", CALLS)
def test_work_of_a_destroyed_stream_keeps_its_memory(library, name):
    call = CALLS[name]
    small, large = (library.tensor(inputs(n, 1)[0]) for n in (50_000, 800_000))
    expected = [library.values(call(x), np.float32) for x in (small, large)]
    replace_stream(library)
    call(small)
    go = threading.Event()
    wait = HOST_FUNCTION(lambda _: go.wait() and None)
    library.driver.call("cuLaunchHostFunc", library.stream, wait, None)
    before = call(small)
    replace_stream(library)
    after = library.values(call(large), np.float32)
    go.set()
    library.driver.call("cuCtxSynchronize")
    found = library.read(before, np.float32)
    assert found.tobytes() == expected[0].tobytes()
    assert after.tobytes() == expected[1].tobytes()


def test_many_streams(library):
    x = library.tensor(inputs(50_000, 1)[0])
    right = library.values(CALLS["vjp"](x), np.float32).tobytes()
    for _ in range(70):
        result = CALLS["vjp"](x)
        assert library.values(result, np.float32).tobytes() == right
        replace_stream(library)


def test_memory_is_freed_after_the_stream(library):
    x = library.tensor(inputs(50_000, 1)[0])
    result = CALLS["jvp"](x)
    right = library.values(result, np.float32).tobytes()
    library.driver.call("cuStreamDestroy_v2", library.stream)
    upsweep.clear_cache()
    library.driver.call("cuStreamCreate", ctypes.byref(library.stream), 1)
    assert library.values(CALLS["jvp"](x), np.float32).tobytes() == right
