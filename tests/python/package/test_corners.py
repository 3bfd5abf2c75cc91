"""Corners of arrays and streams that once went wrong."""

import threading

import numpy as np
import pytest
import upsweep
from support import LEFT_BEHIND, run_python


def test_integers_beyond_double_make_exact_ranges_and_comparisons():
    big = 2**53
    assert upsweep.arange(big, big + 5).tolist() == list(range(big, big + 5))
    assert upsweep.arange(5, 0, -2).tolist() == [5, 3, 1]
    a, b = upsweep.array([big]), upsweep.array([big + 1])
    assert not bool(upsweep.allclose(a, b, rtol=0, atol=0))


@pytest.mark.parametrize("stop", [float("inf"), float("-inf"), float("nan")])
def test_a_range_has_finite_bounds(stop):
    with pytest.raises(ValueError, match=r"\[arange\]"):
        upsweep.arange(0, stop)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_round_to_float_once(dtype):
    values = np.array([2**60 + 2**36 + 1, 2**24 + 1, 2**62 - 1], dtype)
    rounded = upsweep.asarray(values).astype(upsweep.float32)
    assert rounded.tolist() == values.astype(np.float32).tolist()


def test_an_array_that_was_never_initialised_is_an_error():
    empty = upsweep.array.__new__(upsweep.array)
    for use in (np.asarray, upsweep.eval, upsweep.cumprod, memoryview):
        with pytest.raises((BufferError, TypeError, ValueError)):
            use(empty)


def test_dimensions_are_limited():
    with pytest.raises(ValueError, match="at most 64 dimensions"):
        upsweep.broadcast_to(upsweep.array(1), (1,) * 1000)


def test_devices_and_streams_compare_with_anything():
    assert upsweep.Device(upsweep.cpu) != None  # noqa: E711
    assert upsweep.default_stream(upsweep.cpu) != None  # noqa: E711


def test_a_context_may_be_entered_twice_and_left_elsewhere():
    outer, inner = upsweep.new_stream(upsweep.cpu), upsweep.new_stream(upsweep.cpu)
    before = upsweep.default_stream(upsweep.cpu)
    context = upsweep.stream(outer)
    with context, upsweep.stream(inner):
        with context:
            assert upsweep.default_stream(upsweep.cpu) == outer
        assert upsweep.default_stream(upsweep.cpu) == inner
    assert upsweep.default_stream(upsweep.cpu) == before
    scope = upsweep.stream(outer)
    scope.__enter__()
    thread = threading.Thread(target=scope.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert upsweep.default_stream(upsweep.cpu) == before


def test_comparison_with_what_is_no_array_is_left_to_python():
    class Anything:
        def __eq__(self, other):
            return "asked"

        def __ne__(self, other):
            return "asked too"

    a = upsweep.array([1, 2])
    for other in (object(), None, "12", {1, 2}, {1: 2}, [1, "a"], len):
        assert (a == other) is False
        assert (a != other) is True
        assert (other == a) is False
    assert (a == Anything()) == "asked"
    assert (a != Anything()) == "asked too"
    assert (a == np.array([1, 3], np.complex128)).tolist() == [True, False]
    assert (a == [1, 3]).tolist() == [True, False]
    with pytest.raises(ValueError, match="broadcast"):
        a.__eq__([1, 2, 3])


def test_memory_that_could_not_be_copied_is_released():
    owner = bytearray(2**20 + 8)
    unaligned = memoryview(owner)[1:-7].cast("f")
    before = upsweep.set_memory_limit(upsweep.get_active_memory() + 2**10)
    try:
        with pytest.raises(MemoryError):
            upsweep.asarray(unaligned)
    finally:
        upsweep.set_memory_limit(before)
    assert upsweep.asarray(unaligned).size == 2**18
    unaligned.release()
    owner.append(0)  # would be an error while anything held its memory


# Must end with its own output, whichever thread is waiting.
LATE_HANDLER = """
import atexit, threading
stop, started = threading.Event(), threading.Event()

def work():
    a = upsweep.ones((2**18,))
    while not stop.is_set():
        upsweep.eval(upsweep.cumprod(a), upsweep.cumsum(a))
        started.set()

worker = threading.Thread(target=work, daemon=True)

@atexit.register
def join():
    stop.set()
    worker.join()
    print(upsweep.cumsum([1, 2]).tolist())

import upsweep
worker.start()
started.wait()
"""


def test_a_handler_at_exit_may_wait_for_a_thread_that_scans():
    for _ in range(5):
        assert run_python("-c", LATE_HANDLER) == "[1, 3]\n"


def test_threads_that_still_scan_do_not_keep_python_from_ending():
    for _ in range(5):
        assert run_python("-W", "error", "-c", LEFT_BEHIND) == ""
