"""Memory: counters, limits, the cache, and nothing lost.

A stream keeps its arrays until it is done with them, a moment after their results can
be read; synchronize waits for that too.
"""

import gc
import os

import numpy as np
import pytest
import upsweep

MIB = 2**20


@pytest.fixture(autouse=True)
def settled():
    """Each test starts without pending work, garbage or a cache."""
    upsweep.synchronize()
    gc.collect()
    upsweep.clear_cache()


@pytest.fixture
def limit():
    """Sets a limit above the memory in use, for one test."""
    original = upsweep.get_memory_limit()
    yield lambda n: upsweep.set_memory_limit(upsweep.get_active_memory() + n)
    upsweep.set_memory_limit(original)


def test_active_and_peak_memory_follow_the_arrays():
    before = upsweep.get_active_memory()
    upsweep.reset_peak_memory()
    a = upsweep.zeros((MIB,), upsweep.uint8)
    upsweep.synchronize()
    assert MIB <= upsweep.get_active_memory() - before < 2 * MIB
    b = upsweep.cumsum(a)
    upsweep.synchronize()
    assert 2 * MIB <= upsweep.get_active_memory() - before < 4 * MIB
    del a, b
    assert upsweep.get_active_memory() == before
    assert upsweep.get_peak_memory() >= before + 2 * MIB
    upsweep.reset_peak_memory()
    assert upsweep.get_peak_memory() == before


def test_adopted_memory_does_not_count():
    before = upsweep.get_active_memory()
    shared = upsweep.asarray(np.ones(MIB))
    assert upsweep.get_active_memory() == before
    del shared


def test_freed_buffers_are_used_again():
    a = upsweep.ones((8 * MIB,), upsweep.uint8)
    upsweep.synchronize()
    first = np.asarray(a).__array_interface__["data"][0]
    del a
    held = upsweep.get_cache_memory()
    assert held >= 8 * MIB
    b = upsweep.ones((8 * MIB,), upsweep.uint8)
    assert np.asarray(b).__array_interface__["data"][0] == first
    assert upsweep.get_cache_memory() <= held - 8 * MIB
    del b
    upsweep.clear_cache()
    assert upsweep.get_cache_memory() == 0


def test_the_cache_limit_holds():
    original = upsweep.set_cache_limit(3 * MIB)
    try:
        for n in (1, 2, 4, 8):
            del_me = upsweep.ones((n * MIB,), upsweep.uint8)
            upsweep.synchronize()
            del del_me
            assert upsweep.get_cache_memory() <= 3 * MIB
        assert upsweep.set_cache_limit(0) == 3 * MIB
        assert upsweep.get_cache_memory() == 0
    finally:
        upsweep.set_cache_limit(original)


def usable():
    return upsweep.cumprod(upsweep.array([1, 2, 3])).tolist() == [1, 2, 6]


def test_a_limit_is_a_memory_error_and_nothing_is_lost(limit):
    a = upsweep.ones((4 * MIB,), upsweep.uint8)
    upsweep.synchronize()
    before = upsweep.get_active_memory()
    limit(2 * MIB)
    for op in (upsweep.cumprod, upsweep.cumsum, upsweep.array):
        with pytest.raises(MemoryError, match="limit"):
            upsweep.eval(op(a))
    with pytest.raises(MemoryError, match="limit"):
        upsweep.eval(upsweep.cumprod(np.ones(MIB, np.float32)))
    assert upsweep.get_active_memory() == before
    assert usable()
    # Devices with memory of their own hold one more copy of each.
    shared = a.__dlpack_device__()[0] == 1
    limit((8 if shared else 20) * MIB)
    assert upsweep.cumprod(a)[-1].item() == 1


def test_the_cache_gives_way_to_the_limit(limit):
    a = upsweep.ones((4 * MIB,), upsweep.uint8)
    upsweep.synchronize()
    del a
    limit(6 * MIB)
    upsweep.eval(upsweep.ones((5 * MIB,), upsweep.uint8))


def test_set_memory_limit_returns_the_previous_limit():
    original = upsweep.set_memory_limit(123 * MIB)
    assert upsweep.get_memory_limit() == 123 * MIB
    assert upsweep.set_memory_limit(original) == 123 * MIB


def test_work_waits_for_the_memory_of_work_before_it(limit):
    wide = upsweep.broadcast_to(upsweep.array(1.0), (2 * MIB,))
    stream = upsweep.new_stream(upsweep.cpu)
    limit(40 * MIB)
    for i in range(60):  # 480 MiB of results
        result = upsweep.cumsum(wide, reverse=bool(i % 2), stream=stream)
    assert result[0].item() == 2 * MIB
    result = wide.astype(upsweep.int32, stream=stream)
    for _ in range(60):
        equal = result == wide
        with upsweep.stream(stream):
            copied = upsweep.full((2 * MIB,), 1)
    assert bool(equal[5])
    assert copied[5].item() == 1


def test_queued_work_holds_a_share_of_memory(limit):
    wide = upsweep.broadcast_to(upsweep.array(1.0), (2 * MIB,))
    stream = upsweep.new_stream(upsweep.cpu)
    limit(800 * MIB)
    before = upsweep.get_active_memory()
    upsweep.reset_peak_memory()
    for _ in range(150):  # 1,200 MiB of results
        upsweep.cumsum(wide, stream=stream)
    upsweep.synchronize(stream)
    # An eighth, the one being queued, and the one being released.
    assert upsweep.get_peak_memory() - before <= (100 + 3 * 8) * MIB


ABSURD = [(2**40,), (2**62,), (2**32, 2**32), (2**63 - 1,), (2**21,) * 5]


@pytest.mark.parametrize("shape", ABSURD)
def test_absurd_shapes_are_memory_errors(shape):
    before = upsweep.get_active_memory()
    for make in (upsweep.zeros, upsweep.ones, lambda s: upsweep.full(s, 2.0)):
        with pytest.raises(MemoryError):
            make(shape)
    upsweep.synchronize()
    assert upsweep.get_active_memory() == before
    assert usable()


def test_scans_of_absurd_views_are_memory_errors():
    wide = upsweep.broadcast_to(upsweep.array(1.0), (2**45,))
    for op in (upsweep.cumprod, upsweep.logcumsumexp):
        with pytest.raises(MemoryError):
            op(wide)
    with pytest.raises(MemoryError):
        wide.astype(upsweep.int8)
    assert usable()


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def churn(rounds):
    x = np.ones((256, 257), np.float32)
    stream = upsweep.new_stream(upsweep.cpu)
    for _ in range(rounds):
        a = upsweep.asarray(x)
        upsweep.cumprod(a, 0, stream=stream).tolist()
        upsweep.cumsum(x[:, ::-1], axis=1)
        np.from_dlpack(upsweep.cummax(a.T, 0, stream=stream))
        upsweep.asarray(memoryview(upsweep.array(x))).astype(upsweep.float64)
        for bad in (lambda: upsweep.cumprod(x, 5), lambda: upsweep.zeros((2**62,))):
            with pytest.raises((IndexError, MemoryError)):
                bad()
    del a
    upsweep.synchronize(stream)
    upsweep.synchronize()


def test_nothing_leaks():
    churn(30)
    gc.collect()
    active = upsweep.get_active_memory()
    upsweep.clear_cache()
    before = resident() if os.path.exists("/proc/self/statm") else 0
    churn(300)
    gc.collect()
    assert upsweep.get_active_memory() == active
    upsweep.clear_cache()
    if before:
        # 300 rounds touch 300 MiB of results; the slack is for the allocator.
        assert resident() - before < 24 * MIB
