"""Devices and streams: asynchronous, in order, concurrent, in threads and after a
fork."""

import os
import threading
import time

import numpy as np
import pytest
import upsweep

pytestmark = pytest.mark.own_isa

CPU = upsweep.Device(upsweep.cpu, 0)
# Work that takes long without taking much memory.
SLOW = upsweep.broadcast_to(upsweep.array(0.5), (2**22,))


def slow_work(stream, times=10):
    return [upsweep.logcumsumexp(SLOW, stream=stream) for _ in range(times)]


def seconds(f, *arguments):
    start = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - start


def test_names_and_equality():
    assert repr(upsweep.cpu) == "DeviceType.cpu"
    assert repr(upsweep.gpu) == "DeviceType.gpu"
    assert repr(CPU) == "Device(cpu, 0)"
    assert upsweep.Device(upsweep.cpu) == CPU != upsweep.Device(upsweep.gpu)
    assert repr(upsweep.default_stream(CPU)) == "Stream(Device(cpu, 0), 0)"
    stream = upsweep.new_stream(upsweep.cpu)
    assert stream.device == CPU
    assert stream != upsweep.default_stream(upsweep.cpu)
    assert stream != upsweep.new_stream(CPU)
    assert len({stream, stream, CPU, upsweep.Device(upsweep.cpu)}) == 2


def test_what_is_known_of_the_cpu():
    assert upsweep.is_available(upsweep.cpu)
    assert upsweep.device_count(upsweep.cpu) == 1
    info = upsweep.device_info(upsweep.cpu)
    assert info["isa"]
    assert info["device_name"]
    assert info["architecture"]
    assert info["threads"] >= 1
    assert info["memory_size"] > 2**20


def test_a_call_returns_before_its_work_is_done():
    stream = upsweep.new_stream(upsweep.cpu)
    called = seconds(slow_work, stream)
    waited = seconds(upsweep.synchronize, stream)
    assert called < waited / 3


def test_two_streams_overlap():
    busy, free = upsweep.new_stream(upsweep.cpu), upsweep.new_stream(upsweep.cpu)
    slow_work(free, 1)
    upsweep.synchronize(free)
    waiting = slow_work(busy, 20)
    # Far more than runs inline: this is queued, yet does not wait behind the other.
    result = upsweep.cumsum(
        upsweep.broadcast_to(upsweep.array(1), (2**20,)), stream=free
    )
    passed = seconds(result[-1].item)
    left = seconds(upsweep.synchronize, busy)
    assert result[-1].item() == 2**20
    assert passed < left
    del waiting


def test_work_on_one_stream_runs_in_order():
    stream = upsweep.new_stream(upsweep.cpu)
    results = slow_work(stream, 3)
    first = upsweep.cumsum(upsweep.array([1, 1]), stream=stream)
    left = seconds(first.tolist)
    assert seconds(upsweep.eval, results) < left


def test_work_waits_for_its_inputs_across_streams():
    streams = [upsweep.new_stream(upsweep.cpu) for _ in range(3)]
    n = 2**18
    a = upsweep.ones((n,), upsweep.uint32, stream=streams[0])
    for i in range(12):
        a = upsweep.cumsum(a, reverse=bool(i % 2), stream=streams[i % 3])
    expected = np.ones(n, np.uint32)
    for i in range(12):
        flip = slice(None, None, -1 if i % 2 else 1)
        expected = np.cumsum(expected[flip], dtype=np.uint32)[flip]
    assert np.array_equal(np.asarray(a), expected)


def test_the_stream_context_and_the_defaults():
    stream = upsweep.new_stream(upsweep.cpu)
    original = upsweep.default_stream(upsweep.cpu)
    with upsweep.stream(stream):
        assert upsweep.default_stream(upsweep.cpu) == stream
        assert upsweep.cumprod(upsweep.array([2, 3])).tolist() == [2, 6]
        with upsweep.stream(upsweep.cpu):
            assert upsweep.default_device() == CPU
        seen = []
        worker = threading.Thread(
            target=lambda: seen.append(upsweep.default_stream(CPU))
        )
        worker.start()
        worker.join()
        assert seen == [original]
    assert upsweep.default_stream(upsweep.cpu) == original
    with pytest.raises(KeyError), upsweep.stream(stream):
        raise KeyError
    assert upsweep.default_stream(upsweep.cpu) == original
    upsweep.set_default_stream(stream)
    assert upsweep.default_stream(upsweep.cpu) == stream
    upsweep.set_default_stream(original)
    device = upsweep.default_device()
    try:
        upsweep.set_default_device(upsweep.cpu)
        assert upsweep.default_device() == CPU
    finally:
        upsweep.set_default_device(device)
    assert upsweep.default_device() == device


@pytest.mark.parametrize("where", [None, upsweep.cpu, CPU, upsweep.default_stream(CPU)])
def test_every_way_to_name_a_stream(where):
    assert upsweep.cumprod(upsweep.array([2, 3]), stream=where).tolist() == [2, 6]
    upsweep.synchronize(where)


def test_eval_waits_and_async_eval_does_not():
    stream = upsweep.new_stream(upsweep.cpu)
    results = slow_work(stream)
    assert seconds(upsweep.async_eval, results) < seconds(upsweep.eval, *results)
    assert seconds(upsweep.eval, {"a": results, "b": (results[0], 1)}) < 0.1


@pytest.mark.parametrize("f", [upsweep.eval, upsweep.async_eval])
def test_containers_that_hold_each_other(f):
    a, b = [], {}
    a += [a, b, (a, b)]
    b.update(a=a, b=b)
    f(a, b)
    deep = []
    for _ in range(300_000):
        deep = [deep]
    f(deep)
    shared = [upsweep.array(1)]
    for _ in range(200):  # 2^200 ways to the array
        shared = [shared, shared]
    f(shared)


def test_eval_finds_arrays_wherever_they_are():
    stream = upsweep.new_stream(upsweep.cpu)
    *_, last = slow_work(stream, 4)
    tree = [(1, None), "text"]
    tree.append({"tree": tree, "deep": [[(last,)]]})
    upsweep.eval(tree)
    assert seconds(upsweep.synchronize, stream) < 0.1


def test_an_error_does_not_poison_the_stream():
    stream = upsweep.new_stream(upsweep.cpu)
    under_way = slow_work(stream, 2)
    before = upsweep.set_memory_limit(upsweep.get_active_memory() + 2**20)
    try:
        with pytest.raises(MemoryError):
            upsweep.eval(upsweep.cumsum(SLOW, stream=stream))
    finally:
        upsweep.set_memory_limit(before)
    result = upsweep.cumsum(upsweep.array([1, 2, 3]), stream=stream)
    assert result.tolist() == [1, 3, 6]
    upsweep.synchronize(stream)
    assert len(under_way) == 2


def test_waiting_lets_other_threads_run():
    stream = upsweep.new_stream(upsweep.cpu)
    results = slow_work(stream)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    before = len(ticks)
    upsweep.eval(results)
    during = len(ticks) - before
    done.set()
    ticker.join()
    assert during >= 3


def test_a_producer_that_waits_lets_other_threads_run():
    stream = upsweep.new_stream(upsweep.cpu)
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    original = upsweep.set_memory_limit(upsweep.get_active_memory() + 2**27)
    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        start = time.perf_counter()
        for _ in range(20):
            upsweep.logcumsumexp(SLOW, stream=stream)
        passed = time.perf_counter() - start
    finally:
        done.set()
        ticker.join()
        upsweep.set_memory_limit(original)
    assert seconds(upsweep.synchronize, stream) < passed
    assert len(ticks) > passed / 0.1


def test_many_threads_may_call_at_once():
    # Several tiles, flattened and along the columns.
    x = np.random.default_rng(0).uniform(0.999, 1.001, (16, 4096)).astype(np.float32)
    a = upsweep.asarray(x)
    expected = [np.asarray(upsweep.cumprod(a, axis)).tobytes() for axis in (None, 0, 1)]
    failures = []

    def work(number):
        # CPUs and GPUs round differently.
        device = upsweep.default_device()
        stream = upsweep.new_stream(device) if number % 2 else None
        for i in range(40):
            axis = (None, 0, 1)[(i + number) % 3]
            found = np.asarray(upsweep.cumprod(a if i % 2 else x, axis, stream=stream))
            if found.tobytes() != expected[(i + number) % 3]:
                failures.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Other libraries warn about their threads, which do not matter here.
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_child_scans_while_the_parent_works():
    # On the CPU whatever the default device: a forked child cannot use CUDA.
    stream = upsweep.new_stream(upsweep.cpu)
    shared = upsweep.ones((2**20,), upsweep.uint32, stream=upsweep.cpu)
    upsweep.eval(shared)
    pending = slow_work(stream)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for where in (upsweep.cpu, stream, upsweep.new_stream(upsweep.cpu)):
                total = upsweep.cumsum(shared, stream=where)
                wide = upsweep.cumsum(shared.reshape(1024, 1024), 0, stream=where)
                upsweep.synchronize(where)
                if total[-1].item() != 2**20 or wide[-1, 7].item() != 1024:
                    break
            else:
                code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    status = None
    while status is None and time.monotonic() < deadline:
        found, status_word = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(status_word) if found else None
        time.sleep(0.01)
    if status is None:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert status == 0
    upsweep.eval(pending)
    assert upsweep.cumsum(shared, stream=upsweep.cpu)[-1].item() == 2**20


@pytest.mark.skipif(upsweep.is_available(upsweep.gpu), reason="there is a gpu")
def test_without_a_gpu_it_says_so():
    no_gpu = r"gpu .*without gpu backend\.$"
    assert upsweep.device_count(upsweep.gpu) == 0
    with pytest.raises(
        ValueError,
        match=r"^\[set_default_device\] Cannot set gpu device without gpu backend\.$",
    ):
        upsweep.set_default_device(upsweep.gpu)
    with pytest.raises(
        ValueError,
        match=r"^\[new_stream\] Cannot make gpu stream without gpu backend\.$",
    ):
        upsweep.new_stream(upsweep.gpu)
    for call in (
        lambda: upsweep.cumprod(upsweep.array([1]), stream=upsweep.gpu),
        lambda: upsweep.default_stream(upsweep.gpu),
        lambda: upsweep.device_info(upsweep.gpu),
        lambda: upsweep.synchronize(upsweep.gpu),
        lambda: upsweep.stream(upsweep.gpu),
    ):
        with pytest.raises(ValueError, match=no_gpu):
            call()
