"""What the CUDA backend says when the driver is missing, old, or fails, and that the
CPU still works; several devices, and memory shared both ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import numpy as np, upsweep
cpu, gpu = upsweep.cpu, upsweep.gpu
def failure(f, kind=Exception):
    try:
        f()
    except kind as error:
        return str(error)
    raise AssertionError("it did not fail")
"""
END = """
assert upsweep.cumprod([2, 3], stream=cpu).tolist() == [2, 6]
print("done")
"""
NO_GPU = "[set_default_device] Cannot set gpu device without gpu backend"


def run(folder, program, **settings):
    """Runs a program with the driver in a folder, which fails as the settings say."""
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder),
        "UPSWEEP_SOFTWARE_CUDA": " ".join(f"{k}={v}" for k, v in settings.items()),
    }
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END], env=environment, timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "done\n"


def no_gpu(text):
    return f"""
assert not upsweep.is_available(gpu)
text = failure(lambda: upsweep.set_default_device(gpu), ValueError)
assert text == {NO_GPU + text!r}, text
"""


def test_no_driver(tmp_path):
    program = no_gpu(": no NVIDIA driver (libcuda.so.1) was found.")
    program += """
for scan in (upsweep.cumprod, upsweep.cumsum, upsweep.logcumsumexp):
    text = failure(lambda: scan([1.0], stream=gpu), ValueError)
    assert text == (f"[{scan.__name__}] Cannot use gpu device without gpu backend: "
                    "no NVIDIA driver (libcuda.so.1) was found."), text
import subprocess, sys
shown = subprocess.run(
    [sys.executable, "-m", "upsweep"], capture_output=True, text=True, check=False)
assert "no gpu: no NVIDIA driver (libcuda.so.1) was found\\n" in shown.stdout, shown
"""
    run(tmp_path, program)


def test_a_driver_that_cannot_be_loaded(tmp_path):
    (tmp_path / "libcuda.so.1").write_bytes(b"this is no library")
    program = """
text = failure(lambda: upsweep.set_default_device(gpu), ValueError)
assert "gpu backend: the NVIDIA driver was not loaded: " in text, text
"""
    run(tmp_path, program)


def test_no_device(driver):
    why = ": the NVIDIA driver says: no CUDA-capable device is detected."
    run(driver, no_gpu(why), devices=0)


def test_a_driver_without_what_is_needed(tmp_path):
    libraries = [*Path("/lib").rglob("libm.so.6"), *Path("/lib64").glob("libm.so.6")]
    (tmp_path / "libcuda.so.1").symlink_to(libraries[0])
    run(tmp_path, no_gpu(": the NVIDIA driver is too old, it has no cuInit."))


def test_a_driver_too_old_for_the_kernels(driver):
    why = ": the NVIDIA driver is too old, it knows CUDA 11.4 and the kernels need "
    run(driver, no_gpu(why + "13.0."), version=11040)


def test_a_driver_that_does_not_start(driver):
    run(driver, no_gpu(": the NVIDIA driver says: unknown error."), cuInit=999)


def test_a_device_that_does_not_exist(driver):
    program = """
text = failure(lambda: upsweep.new_stream(upsweep.Device(gpu, 1)), ValueError)
assert text == "[new_stream] There is no gpu device 1; this machine has 1.", text
"""
    run(driver, program)


def test_no_kernel_image_for_the_chip(driver):
    program = """
before = upsweep.get_active_memory()
text = failure(lambda: upsweep.cumprod([1.0, 2.0], stream=gpu), RuntimeError)
assert text == ("[cumprod] Unable to load kernel wholelines_prod_float32: no kernel "
                "image is available for execution on the device."), text
assert upsweep.get_active_memory() == before
"""
    run(driver, program, cuModuleLoadData=209)


def test_out_of_memory_on_the_device(driver):
    program = """
x = upsweep.array(np.ones(100000, np.float32))
text = failure(lambda: upsweep.cumsum(x, stream=gpu), MemoryError)
assert "Unable to allocate 400000 bytes" in text, text
small = upsweep.cumsum(x[:1000], stream=gpu)
failure(lambda: small.tolist(), MemoryError)  # its input is all of x
y = upsweep.cumsum(np.ones(1000, np.float32), stream=gpu)
assert y[-1].item() == 1000
failure(lambda: upsweep.synchronize(gpu), MemoryError)
upsweep.synchronize(gpu)
z = upsweep.asarray(np.arange(100000, dtype=np.float32))
few = z[::100].astype(upsweep.int32, stream=gpu)  # does not take all of z there
assert few.tolist() == [*range(0, 100000, 100)]
"""
    run(driver, program, memory=300000)


@pytest.mark.parametrize("function", ["cumsum", "cumprod_vjp"])
def test_out_of_memory_between_kernels(driver, function):
    """At the call, before anything is launched."""
    program = f"""
import os
x = upsweep.array(np.ones(100000, np.float32))
arguments = (x, x) if {function!r} == "cumprod_vjp" else (x,)
before = upsweep.get_active_memory()
text = failure(lambda: upsweep.{function}(*arguments, stream=gpu), MemoryError)
assert text == ("[{function}] allocating memory between kernels: out of "
                "memory."), text
assert upsweep.get_active_memory() == before
del os.environ["UPSWEEP_SOFTWARE_CUDA"]
assert upsweep.{function}(*arguments, stream=gpu)[-1].item() in (1, 100000)
"""
    settings = {"cuMemAllocAsync": 2, "cuLaunchKernel": 719}
    run(driver, program, **settings)


@pytest.mark.parametrize("function", ["cuLaunchKernel", "cuMemcpyHtoDAsync_v2"])
def test_a_launch_that_fails(driver, function):
    program = """
text = failure(lambda: upsweep.cumsum([1, 2], stream=gpu).tolist(), RuntimeError)
assert text.endswith("unspecified launch failure."), text
"""
    run(driver, program, **{function: 719})


def test_a_kernel_that_fails_raises_where_its_result_is_read(driver):
    program = """
x = upsweep.cumsum(upsweep.ones((100,), stream=gpu), stream=gpu)
text = failure(lambda: x.tolist(), RuntimeError)
assert text == "[cuda] running kernels: unspecified launch failure.", text
failure(lambda: upsweep.synchronize(gpu), RuntimeError)
upsweep.synchronize(gpu)
"""
    run(driver, program, cuEventQuery=600, cuEventSynchronize=719)


def test_conversions_and_copies_stay_on_the_device(driver):
    program = """
import os
x = np.random.default_rng(0).integers(0, 5, (300, 70), np.uint16)
axes = np.ones((2,) * 15, np.int32)
a, b = upsweep.cumsum(x, 1, stream=gpu), upsweep.cumsum(axes, 0, stream=gpu)
upsweep.synchronize(gpu)
os.environ["UPSWEEP_SOFTWARE_CUDA"] = "cuMemcpyDtoHAsync_v2=1 cuMemcpyHtoDAsync_v2=1"
truth = a.astype(upsweep.bool_, stream=gpu)
count = upsweep.cumsum(truth.T, 1, stream=gpu)
logs = upsweep.logcumsumexp(a[::-2], 0, stream=gpu)
wide = upsweep.flatten(a.astype(upsweep.float64, stream=gpu)[:, ::-1], stream=gpu)
swapped = b.transpose(*range(0, 15, 2), *range(1, 15, 2))
product = upsweep.cumprod(swapped, 7, stream=gpu)
upsweep.synchronize(gpu)
del os.environ["UPSWEEP_SOFTWARE_CUDA"]
y = np.cumsum(x, 1, dtype=np.uint16)
assert np.array_equal(truth, y != 0)
assert np.array_equal(count, np.cumsum((y != 0).T, 1))
again = upsweep.logcumsumexp(y[::-2].astype(np.float32), 0, stream=gpu)
assert np.asarray(logs).tobytes() == np.asarray(again).tobytes()
assert np.array_equal(wide, y[:, ::-1].flatten())
z = np.cumsum(axes, 0).transpose(*range(0, 15, 2), *range(1, 15, 2))
assert np.array_equal(product, np.cumprod(z, 7))
"""
    run(driver, program)


def test_several_devices(driver):
    program = """
assert upsweep.device_count(gpu) == 2
one, two = upsweep.Device(gpu, 0), upsweep.Device(gpu, 1)
a = upsweep.cumprod(np.full(1000, 1.001, np.float32), stream=one)
b = upsweep.cumsum(a, stream=two)
c = upsweep.cumsum(a, stream=upsweep.new_stream(one))
d = upsweep.cummax(b, stream=two)
assert b.__dlpack_device__() == (2, 1) and c.__dlpack_device__() == (2, 0)
assert b.tolist() == c.tolist() == d.tolist()
with upsweep.stream(two):
    assert upsweep.cumprod(upsweep.ones((3,))).__dlpack_device__() == (2, 1)
for device in (one, two):
    upsweep.synchronize(device)
"""
    run(driver, program, devices=2)


@pytest.mark.parametrize("peers", [0, 1])
# Another library has linked them, or they have too many peers.
@pytest.mark.parametrize("before", [0, 704, 711])
def test_arrays_move_between_devices_without_main_memory(driver, peers, before):
    program = """
import os
one, two = upsweep.Device(gpu, 0), upsweep.Device(gpu, 1)
x = np.random.default_rng(0).integers(0, 100, 100_000, np.uint32)
a = upsweep.cumsum(x, stream=one)
upsweep.synchronize(one)
settings = os.environ["UPSWEEP_SOFTWARE_CUDA"]
main_memory = " cuMemcpyDtoHAsync_v2=1 cuMemcpyHtoDAsync_v2=1"
os.environ["UPSWEEP_SOFTWARE_CUDA"] = settings + main_memory
b = upsweep.cumsum(a, stream=two)
c = upsweep.cumsum(b[::2], stream=one)
upsweep.synchronize(two)
upsweep.synchronize(one)
os.environ["UPSWEEP_SOFTWARE_CUDA"] = settings
y = np.cumsum(np.cumsum(x, dtype=np.uint32), dtype=np.uint32)
assert np.array_equal(b, y)
assert np.array_equal(c, np.cumsum(y[::2], dtype=np.uint32))
made = upsweep.ones((2000,), stream=one)  # by the processors
assert upsweep.cumsum(made, stream=two)[-1].item() == 2000
"""
    run(driver, program, devices=2, peers=peers, cuCtxEnablePeerAccess=before)


@pytest.mark.parametrize("function", ["cuMemcpyPeerAsync", "cuCtxEnablePeerAccess"])
def test_a_move_between_devices_that_fails(driver, function):
    program = """
a = upsweep.cumsum(np.ones(5000, np.float32), stream=upsweep.Device(gpu, 0))
two = upsweep.Device(gpu, 1)
text = failure(lambda: upsweep.cumsum(a, stream=two).tolist(), RuntimeError)
assert text.endswith("unspecified launch failure."), text
assert a[-1].item() == 5000
"""
    run(driver, program, devices=2, **{function: 719})


def test_producers_find_their_device_current(driver):
    program = """
import ctypes
driver = ctypes.CDLL("libcuda.so.1")
current = ctypes.c_int()

class Tensor:
    def __init__(self, a):
        self.a = a
    def __dlpack_device__(self):
        return self.a.__dlpack_device__()
    def __dlpack__(self, **keywords):
        assert driver.cuCtxGetDevice(ctypes.byref(current)) == 0
        if current.value != self.a.__dlpack_device__()[1]:
            raise BufferError("another device is current")
        return self.a.__dlpack__(**keywords)

for index in (0, 1):
    a = upsweep.cumsum(np.ones(5000, np.float32), stream=upsweep.Device(gpu, index))
    b = upsweep.from_dlpack(Tensor(a))
    assert b.__dlpack_device__() == (2, index) and b[-1].item() == 5000
    assert driver.cuCtxGetDevice(ctypes.byref(current)) == 201  # none is left current
"""
    run(driver, program, devices=2)


def test_memory_is_shared_both_ways(driver):
    program = """
class Tensor:
    def __init__(self, a):
        self.a = a
    def __dlpack_device__(self):
        return self.a.__dlpack_device__()
    def __dlpack__(self, *, stream=None, **rest):
        assert stream > 2  # one of ours
        return self.a.__dlpack__(stream=stream, **rest)

x = np.arange(1, 4000, dtype=np.float32) / 2000
a = upsweep.cumsum(x, stream=gpu)
assert a.__dlpack_device__() == (2, 0)
upsweep.synchronize(gpu)
before = upsweep.get_active_memory()
b = upsweep.from_dlpack(Tensor(a))
assert b.__dlpack_device__() == (2, 0)
assert upsweep.get_active_memory() == before  # no copy
assert upsweep.array_equal(b, a)
for view in (a[3:], a[5::-2][1:], upsweep.cumsum(x.reshape(3, -1), 1, stream=gpu).T):
    c = upsweep.from_dlpack(Tensor(view))
    r = upsweep.cumsum(c, 0, stream=upsweep.new_stream(gpu))
    assert upsweep.array_equal(r, upsweep.cumsum(np.asarray(view), 0, stream=cpu))
assert np.array_equal(np.from_dlpack(a, device="cpu"), np.asarray(a))
made = upsweep.ones((3,), stream=gpu)  # by the processors
assert upsweep.from_dlpack(Tensor(made)).tolist() == [1, 1, 1]
assert "stream" in failure(lambda: a.__dlpack__(stream=0), ValueError)
assert "dl_device" in failure(lambda: a.__dlpack__(dl_device=(2, 1)), BufferError)
shared = {"copy": False}
for each in (a, made):  # the CPU has read both
    each.__dlpack__(dl_device=(2, 0), **shared)
    text = failure(lambda: each.__dlpack__(dl_device=(1, 0), **shared), BufferError)
    assert "copied to the CPU" in text, text
elsewhere = Tensor(a)
elsewhere.__class__ = type("Other", (Tensor,), {"__dlpack_device__": lambda s: (10, 0)})
assert "does not use" in failure(lambda: upsweep.from_dlpack(elsewhere), BufferError)
del a, b, c, r, made, each, elsewhere, view
"""
    run(driver, program)


def test_results_wait_for_each_other_across_streams(driver):
    program = """
x = np.ones(20000, np.uint32)
streams = [upsweep.new_stream(gpu) for _ in range(3)] + [upsweep.new_stream(cpu)]
for _ in range(5):
    a, expected = upsweep.array(x), x
    for i in range(12):
        a = upsweep.cumsum(a, stream=streams[i % 4])
        expected = np.cumsum(expected, dtype=np.uint32)
    assert np.array_equal(a, expected)
"""
    run(driver, program)


SCRATCH = """
import ctypes, os
driver = ctypes.CDLL("libcuda.so.1")
def used():
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 100)
    driver.cuCtxPushCurrent_v2(context)
    assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
    driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    return total.value - free.value
x = upsweep.array(np.ones(10**6, np.float32))
def large():
    upsweep.synchronize(gpu)
    return upsweep.cumprod_vjp(x, x, stream=gpu)[-1].item()
y = upsweep.cumsum(x, stream=gpu)  # takes x there
assert large() == 1
upsweep.clear_cache()
arrays = used()
assert large() == 1
upsweep.synchronize(gpu)
"""


def test_clear_cache_frees_what_kernels_need_between_them(driver):
    program = f"""{SCRATCH}
cached = upsweep.get_cache_memory()
scratch = used() - arrays - cached
upsweep.clear_cache()
assert used() == 2 * 4 * 2**20, used()  # x and y, in buffers of 4 MiB
assert large() == 1
"""
    run(driver, program)


def test_clear_cache_waits_without_the_interpreters_lock(driver):
    """Work of the GPU may call Python."""
    program = f"""{SCRATCH}
context, stream = ctypes.c_void_p(), ctypes.c_void_p()
driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 100)
driver.cuCtxPushCurrent_v2(context)
assert driver.cuStreamCreate(ctypes.byref(stream), 1) == 0
called = []
call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(called.append)
assert driver.cuLaunchHostFunc(stream, call, None) == 0
upsweep.clear_cache()
assert called == [None]
"""
    run(driver, program)


def test_a_device_without_memory_pools(driver):
    program = """
g = np.random.default_rng(0)
for n in (5_000, 50_000, 400_000, 9_000):
    x = g.integers(-1, 2, n).astype(np.float32)
    for f in (upsweep.cumsum, upsweep.cummax):
        assert np.array_equal(f(x, stream=gpu), f(x, stream=cpu))
    ones = np.ones(n, np.float32)
    assert upsweep.array_equal(upsweep.cumprod_vjp(ones, x, stream=gpu),
                               upsweep.cumsum(x, reverse=True, stream=cpu))
"""
    run(driver, program, pools=0)
