"""What is specific to a GPU: memory that it shares with the CPU, work on both in one
order, and dtypes that it lacks."""

import gc
import itertools
import os

import numpy as np
import pytest
import upsweep
from support import LEFT_BEHIND, OPS, checked_scan, run_python
from values import make

pytestmark = pytest.mark.skipif(
    not upsweep.is_available(upsweep.gpu), reason="there is no gpu"
)
GPU = upsweep.Device(upsweep.gpu, 0)
FLOAT32 = np.dtype("float32")


def has_own_memory():
    """Whether results are in memory that the CPU cannot address."""
    return upsweep.zeros((1,), stream=GPU).__dlpack_device__()[0] != 1


def test_what_is_known_of_the_gpu():
    count = upsweep.device_count(upsweep.gpu)
    info = upsweep.device_info(upsweep.gpu)
    assert info["device_name"]
    assert info["architecture"]
    assert info["memory_size"] > 2**20
    assert has_own_memory() or info["max_buffer_length"] > 2**20
    assert not upsweep.is_available(upsweep.Device(upsweep.gpu, count))
    with pytest.raises(ValueError, match=f"There is no gpu device {count}"):
        upsweep.new_stream(upsweep.Device(upsweep.gpu, count))


@pytest.mark.parametrize("op", OPS)
def test_float64_names_the_way_out(op):
    text = rf"^\[{op}\] float64 .* GPU; .* stream of the CPU, as in stream=upsweep\.cpu"
    x = np.linspace(0.5, 1.5, 1000)
    for shape in [(1000,), (0,)]:
        with pytest.raises(ValueError, match=text):
            getattr(upsweep, op)(np.resize(x, shape), stream=upsweep.gpu)
    y = np.asarray(getattr(upsweep, op)(x, stream=upsweep.cpu))
    assert y.dtype == np.float64
    # All but scans work.
    wide = upsweep.zeros((3,), upsweep.float64, stream=upsweep.gpu)
    assert wide.astype(upsweep.float32, stream=upsweep.gpu).tolist() == [0, 0, 0]
    assert upsweep.cumprod(upsweep.array([2, 3]), stream=upsweep.gpu).tolist() == [2, 6]


def test_streams_are_independent_and_ordered():
    streams = [upsweep.new_stream(upsweep.gpu) for _ in range(3)]
    streams += [upsweep.new_stream(upsweep.cpu), upsweep.default_stream(upsweep.gpu)]
    n = 2**12
    a = upsweep.ones((n,), upsweep.uint32, stream=streams[0])
    expected = np.ones(n, np.uint32)
    for i, stream in enumerate(itertools.islice(itertools.cycle(streams), 23)):
        backwards = bool(i % 2)
        a = upsweep.cumsum(a, reverse=backwards, stream=stream)
        if i % 3 == 0:  # conversions in between
            a = a.astype(upsweep.int32, stream=stream)
            a = a.astype(upsweep.uint32, stream=streams[i % 5])
        flip = slice(None, None, -1 if backwards else 1)
        expected = np.cumsum(expected[flip], dtype=np.uint32)[flip]
    assert np.array_equal(np.asarray(a), expected)
    for stream in streams:
        upsweep.synchronize(stream)


def test_more_work_than_metal_takes_at_once():
    expected = np.ones(9, np.uint32)
    a = upsweep.array(expected)
    for _ in range(900):
        a = upsweep.cumsum(a, stream=upsweep.gpu)
        expected = np.cumsum(expected, dtype=np.uint32)
    assert np.array_equal(a, expected)
    results = []
    for i in range(200):
        # Memory that is released while it is in use.
        x = upsweep.asarray(np.full(1000 + i, i, np.uint32))
        results.append(upsweep.cumsum(x, stream=upsweep.gpu))
        del x
    assert [r[-1].item() for r in results] == [i * (1000 + i) for i in range(200)]


def test_devices_read_each_others_results():
    x = make("near_one", FLOAT32, (300, 40))
    here, there = upsweep.cpu, upsweep.gpu
    for _ in range(2):
        first = upsweep.cumprod(upsweep.array(x), 0, stream=here)
        second = upsweep.cumsum(first, 1, stream=there)
        assert upsweep.array_equal(
            second, upsweep.cumsum(np.asarray(first), 1, stream=there), stream=here
        )
        here, there = there, here


def test_a_long_pending_input_of_the_cpu():
    slow = upsweep.broadcast_to(upsweep.array(0.5), (2**19,))
    pending = upsweep.logcumsumexp(slow, stream=upsweep.new_stream(upsweep.cpu))
    total = upsweep.cummax(pending[-1000:], stream=upsweep.gpu)
    assert total[-1].item() == pending[-1].item()


def page_aligned(nbytes, offset=0):
    """A NumPy array of bytes that starts at a page, or `offset` bytes after one."""
    page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 16384
    raw = np.zeros(nbytes + page + offset, np.uint8)
    start = -raw.__array_interface__["data"][0] % page + offset
    return raw[start : start + nbytes]


@pytest.mark.parametrize("offset", [0, 4, 64])
def test_memory_of_the_processors_is_shared_or_copied(offset):
    x = page_aligned(40000, offset).view(np.float32)
    x[:] = make("near_one", FLOAT32, x.shape)
    a = upsweep.asarray(x)
    upsweep.synchronize(upsweep.gpu)
    gc.collect()
    before = upsweep.get_active_memory()
    result = upsweep.cumprod(a, stream=upsweep.gpu)
    again = upsweep.cumprod(a[::-1], stream=upsweep.gpu)
    upsweep.synchronize(upsweep.gpu)
    used = upsweep.get_active_memory() - before
    # Two results; and a copy, made once, of what cannot be shared.
    copies = 3 if offset or has_own_memory() else 2
    assert copies * x.nbytes <= used < (copies + 1) * x.nbytes
    assert np.array_equal(result, upsweep.cumprod(x.copy(), stream=upsweep.gpu))
    assert np.array_equal(again, upsweep.cumprod(x[::-1].copy(), stream=upsweep.gpu))
    del a, result, again
    upsweep.synchronize(upsweep.gpu)
    assert upsweep.get_active_memory() <= before


def test_more_axes_than_kernels_walk():
    x = make("any_bits", np.dtype("uint32"), (2,) * 15)
    view = x.transpose(*range(0, 15, 2), *range(1, 15, 2))[..., ::-1]
    with upsweep.stream(upsweep.gpu):
        for axis in range(15):
            flip = (slice(None),) * axis + (slice(None, None, -1),)
            found = np.asarray(upsweep.cumprod(view, axis))
            assert np.array_equal(found, view.cumprod(axis, np.uint32))
            found = np.asarray(upsweep.cumsum(view, axis, reverse=True))
            assert np.array_equal(found, view[flip].cumsum(axis, np.uint32)[flip])


def test_scans_of_transposed_and_strided_input():
    x = make("near_one", FLOAT32, (40, 50, 6))
    with upsweep.stream(upsweep.gpu):
        for view in (x.T, x.transpose(1, 0, 2), x[::-2, 3:, ::3], x[:, :, :1]):
            a = upsweep.asarray(view)
            for axis in range(3):
                checked_scan("cumprod", a, view, axis=axis)
                checked_scan("cumsum", a, view, axis=axis, reverse=True)


@pytest.mark.parametrize("op", OPS)
def test_runs_repeat_bit_for_bit(op):
    x = make("log_normal", FLOAT32, (60000,))
    runs = [np.asarray(getattr(upsweep, op)(x, stream=upsweep.gpu)) for _ in range(4)]
    assert len({run.tobytes() for run in runs}) == 1


def test_the_gpu_may_be_in_use_when_the_program_ends():
    program = """
import numpy as np, upsweep
x = np.ones(2**18, np.float32)
for _ in range(5):
    upsweep.cumprod(upsweep.asarray(x), stream=upsweep.gpu)
print("done")
"""
    assert run_python("-c", program) == "done\n"


def test_threads_that_still_use_the_gpu_do_not_keep_python_from_ending():
    on_gpu = "import upsweep; upsweep.set_default_device(upsweep.gpu)"
    for _ in range(3):
        assert run_python("-W", "error", "-c", on_gpu + LEFT_BEHIND) == ""


def test_an_unused_gpu_is_not_queried():
    program = """
import upsweep
upsweep.cumprod(upsweep.array([2, 3])).tolist()
"""
    # The first query would fail.
    assert run_python("-c", program, UPSWEEP_EMULATOR_FAULT="selector=alloc") == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_child_has_the_cpu_only():
    upsweep.cumsum(upsweep.array([1]), stream=upsweep.gpu).tolist()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                upsweep.cumsum(upsweep.array([1, 2]), stream=upsweep.gpu)
            except RuntimeError as error:
                upsweep.set_default_device(upsweep.cpu)
                on_cpu = upsweep.cumsum(upsweep.array([1, 2]))
                if "after a fork" in str(error) and on_cpu.tolist() == [1, 3]:
                    code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
