"""The software Metal device, and failures of the backend on it. The installed upsweep
must be built with UPSWEEP_METAL_EMULATOR."""

import ctypes
import gc
import mmap
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import upsweep

DEVICE = ctypes.CDLL(next(Path(upsweep.__path__[0], "lib").glob("libupsweep*")))
DEVICE.upsweep_emulator_read.restype = ctypes.c_uint64
DEVICE.upsweep_emulator_written.restype = ctypes.c_uint64
DEVICE.upsweep_emulator_live.restype = ctypes.c_long


@pytest.fixture
def fault(monkeypatch):
    """Asks for a failure, until the test's end or fault(None)."""

    def ask(name):
        if name is None:
            monkeypatch.delenv("UPSWEEP_EMULATOR_FAULT")
        else:
            monkeypatch.setenv("UPSWEEP_EMULATOR_FAULT", name)

    return ask


def usable():
    a = upsweep.array([1.0, 2.0, 3.0])
    assert upsweep.cumprod(a, stream=upsweep.gpu).tolist() == [1, 2, 6]
    upsweep.synchronize(upsweep.gpu)
    return True


def run(program, **environment):
    """A program's standard output, and its errors, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "import upsweep, numpy as np\n" + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("variable", ["FAULT=no_device", "FAULT=discrete", "MACOS=13"])
def test_a_gpu_that_is_absent(variable):
    name, value = variable.split("=")
    program = """
assert not upsweep.is_available(upsweep.gpu)
assert upsweep.device_count(upsweep.gpu) == 0
for call in (
    lambda: upsweep.set_default_device(upsweep.gpu),
    lambda: upsweep.new_stream(upsweep.gpu),
    lambda: upsweep.cumprod([1.0, 2.0], stream=upsweep.gpu),
):
    try:
        call()
    except ValueError as error:
        print(error)
print(upsweep.cumprod([2.0, 3.0]).tolist())
"""
    printed = run(program, **{f"UPSWEEP_EMULATOR_{name}": value})
    why = "Metal offers none that upsweep can use"
    assert printed.splitlines() == [
        f"[set_default_device] Cannot set gpu device without gpu backend: {why}.",
        f"[new_stream] Cannot make gpu stream without gpu backend: {why}.",
        f"[cumprod] Cannot use gpu device without gpu backend: {why}.",
        "[2.0, 6.0]",
    ]


def test_an_allocation_that_fails(fault):
    assert usable()
    before = upsweep.get_active_memory()
    upsweep.clear_cache()
    fault("allocate")
    with pytest.raises(MemoryError, match=r"\[full\] Unable to allocate 4000 bytes"):
        upsweep.zeros((1000,), stream=upsweep.gpu)
    fault("max_buffer=1000")
    with pytest.raises(MemoryError, match="the largest buffer of this GPU has 1000"):
        upsweep.zeros((1000,), stream=upsweep.gpu)
    fault(None)
    assert upsweep.get_active_memory() == before
    assert usable()


def test_an_allocation_over_the_limit():
    assert usable()
    original = upsweep.set_memory_limit(upsweep.get_active_memory() + 2**20)
    try:
        with pytest.raises(MemoryError, match=r"limit .*set_memory_limit"):
            upsweep.zeros((2**19,), stream=upsweep.gpu)
        assert usable()
    finally:
        upsweep.set_memory_limit(original)
    assert upsweep.zeros((2**19,), stream=upsweep.gpu)[-1].item() == 0


def test_memory_that_cannot_be_shared_is_copied(fault):
    x = np.frombuffer(mmap.mmap(-1, 2**18), np.float32)  # whole pages
    x[:] = 1
    for name, copies in [("share", 1), (None, 0)]:
        fault(name)
        a = upsweep.asarray(x)
        gc.collect()
        before = upsweep.get_active_memory()
        result = upsweep.cumsum(a, stream=upsweep.gpu)
        assert result[-1].item() == x.size
        upsweep.synchronize(upsweep.gpu)
        assert upsweep.get_active_memory() - before == (1 + copies) * x.nbytes
        del a, result


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "compile",
            r"\[cumsum\] Unable to build metal library from source, kernels of "
            r"sum_uint16:\nprogram_source:1:1: error: unknown type name",
        ),
        (
            "pipeline",
            r"\[cumsum\] Unable to load kernel wholelines_sum_uint16: Compiler "
            "encountered an error",
        ),
        (
            "threads=32",
            r"\[cumsum\] Unable to load kernel wholelines_sum_uint16: it needs "
            r"\d+ threads in a threadgroup, and this GPU has 32",
        ),
        (
            "simd_width=64",
            r"\[cumsum\] Unable to load kernel wholelines_sum_uint16: it needs "
            r"simdgroups of 32 threads, and those of this GPU have 64\.",
        ),
    ],
)
def test_a_kernel_that_does_not_compile(fault, name, text):
    """Uses kernels that no earlier test has compiled."""
    assert usable()
    for _ in range(2):
        fault(name)
        with pytest.raises(RuntimeError, match=text):
            upsweep.cumsum(np.ones(9, np.uint16), stream=upsweep.gpu)
        fault(None)
        assert usable()


def test_a_kernel_is_compiled_once_the_failure_is_over(fault):
    fault("compile")
    with pytest.raises(RuntimeError, match="Unable to build"):
        upsweep.cummin(np.ones(9, np.uint64), stream=upsweep.gpu)
    fault(None)
    result = upsweep.cummin(np.ones(9, np.uint64), stream=upsweep.gpu)
    assert result.tolist() == [1] * 9


@pytest.mark.parametrize(
    ("name", "kind"), [("command_buffer", RuntimeError), ("out_of_memory", MemoryError)]
)
def test_a_command_buffer_that_fails(fault, name, kind):
    text = r"^\[METAL\] Command buffer execution failed: an injected failure\.$"
    other = upsweep.new_stream(upsweep.gpu)
    a = upsweep.ones((1000,), stream=upsweep.gpu)
    upsweep.synchronize(upsweep.gpu)
    fault(name)
    failed = upsweep.cumsum(a, stream=upsweep.gpu)
    fault(None)
    # All work that depends on it, on this stream and others, GPU and CPU.
    depends = [upsweep.cumprod(failed, stream=s) for s in (upsweep.gpu, other)]
    depends += [upsweep.cumsum(depends[1], stream=s) for s in (upsweep.cpu, other)]
    depends.append(failed.astype(upsweep.int32, stream=upsweep.gpu))
    good = upsweep.cumsum(a, stream=upsweep.gpu)
    for array in (failed, *depends):
        with pytest.raises(kind, match=text):
            array.tolist()
        with pytest.raises(kind, match=text):
            upsweep.eval(array)
    assert good[-1].item() == 1000
    for stream in (upsweep.gpu, other, upsweep.cpu):
        with pytest.raises(kind, match=text):
            upsweep.synchronize(stream)
        upsweep.synchronize(stream)  # raises once
    assert usable()


@pytest.fixture
def failed(fault):
    """The result of a scan whose command buffer has failed."""
    a = upsweep.ones((2**16,), stream=upsweep.gpu)
    upsweep.synchronize(upsweep.gpu)
    fault("command_buffer")
    result = upsweep.cumsum(a, stream=upsweep.gpu)
    fault(None)
    with pytest.raises(RuntimeError, match="injected"):
        upsweep.eval(result)
    with pytest.raises(RuntimeError, match="injected"):
        upsweep.synchronize(upsweep.gpu)
    return result


def test_memory_lasts_until_the_gpu_is_done_although_an_input_failed(fault, failed):
    fault("slow=500")
    late = upsweep.cumsum(failed, stream=upsweep.gpu)
    fault(None)
    with pytest.raises(RuntimeError, match="injected"):
        upsweep.eval(late)
    del late
    gc.collect()
    # Had the memory been released too early, this would be the same.
    other = upsweep.full(failed.shape, 7.0, stream=upsweep.cpu)
    on_gpu = upsweep.full(failed.shape, 7.0, stream=upsweep.gpu)
    time.sleep(1)
    assert np.all(np.asarray(other) == 7)
    assert np.all(np.asarray(on_gpu) == 7)
    with pytest.raises(RuntimeError, match="injected"):
        upsweep.synchronize(upsweep.gpu)


def test_work_is_committed_at_once_after_many_failures(fault, failed):
    """Each command buffer leaves the count, even if an input has failed."""
    for _ in range(300):
        result = upsweep.cumsum(failed[:9], stream=upsweep.gpu)
        with pytest.raises(RuntimeError, match="injected"):
            upsweep.eval(result)
    with pytest.raises(RuntimeError, match="injected"):
        upsweep.synchronize(upsweep.gpu)
    a = upsweep.ones((9,), stream=upsweep.gpu)
    upsweep.synchronize(upsweep.gpu)
    time.sleep(0.5)  # for work that nothing waited for
    fault("slow=1000")
    results = [upsweep.cumsum(a, stream=upsweep.gpu)]
    fault(None)
    results += [upsweep.cumsum(a, stream=upsweep.gpu) for _ in range(9)]
    assert live("MTLCommandBuffer")["MTLCommandBuffer"] >= 10
    assert all(r[-1].item() == 9 for r in results)


def test_an_encoder_that_cannot_be_made(fault):
    assert usable()
    fault("encoder")
    with pytest.raises(RuntimeError, match=r"^\[cumsum\] The stream could not begin"):
        upsweep.cumsum([1.0, 2.0], stream=upsweep.gpu)
    fault(None)
    assert usable()


@pytest.mark.parametrize(
    "selector", ["newSharedEvent", "commit", "computeCommandEncoder", "contents"]
)
def test_an_unsupported_selector_says_its_name(selector):
    program = """
try:
    upsweep.cumsum(np.ones(9, np.float32), stream=upsweep.gpu)
except RuntimeError as error:
    print(error)
"""
    printed = run(program, UPSWEEP_EMULATOR_FAULT=f"selector={selector}")
    assert re.fullmatch(
        rf"\[cumsum\] -\[MTL\w+ {re.escape(selector)}\]: unrecognized selector\n",
        printed,
    )


def test_safe_math_is_asked_for_in_the_words_of_each_system():
    program = "print(upsweep.cumprod([2.0, 3.0], stream=upsweep.gpu).tolist())"
    # The device insists on safe math, and lacks the selectors of other systems.
    for version, without in [("14", "setMathMode:"), ("15", "setFastMathEnabled:")]:
        fault = f"selector={without}"
        environment = {
            "UPSWEEP_EMULATOR_MACOS": version,
            "UPSWEEP_EMULATOR_FAULT": fault,
        }
        assert run(program, **environment) == "[2.0, 6.0]\n"


def test_results_do_not_depend_on_the_order_of_threads():
    program = """
import hashlib
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for shape, axis in [((50000,), 0), ((900, 40), 0), ((3, 9000), 1), ((500, 7), 1)]:
    x = np.exp(rng.normal(0, 1, shape)).astype(np.float32)
    for a in (x, x.astype(np.float16), x + 1j * x):
        a = a.astype(np.complex64) if a.dtype.kind == "c" else a
        for op in (upsweep.cumprod, upsweep.cumsum, upsweep.logcumsumexp):
            digest.update(np.asarray(op(a, axis, stream=upsweep.gpu)).tobytes())
print(digest.hexdigest())
"""
    assert len({run(program, UPSWEEP_EMULATOR_SEED=seed) for seed in "1234"}) == 1


def live(*classes):
    return {name: DEVICE.upsweep_emulator_live(name.encode()) for name in classes}


def test_nothing_of_metal_leaks():
    classes = ("MTLBuffer", "MTLCommandBuffer", "MTLComputeCommandEncoder", "NSString",
               "NSError", "NSAutoreleasePool", "MTLFunction", "MTLLibrary")  # fmt: skip
    x = np.ones((30, 1000), np.float32)

    def work():
        for axis in (0, 1, None):
            upsweep.cumprod(x, axis, stream=upsweep.gpu)
            upsweep.cumsum(upsweep.array(x), axis, stream=upsweep.gpu).tolist()
        with pytest.raises(ValueError, match="float64"):
            upsweep.cumprod(x.astype(float), stream=upsweep.gpu)
        upsweep.synchronize(upsweep.gpu)
        gc.collect()
        upsweep.clear_cache()

    work()
    before = live(*classes)
    for _ in range(5):
        work()
    assert live(*classes) == before


def traffic(shape, axis):
    """Elements read and written for each element of a float32 scan."""
    x = upsweep.ones(shape, stream=upsweep.gpu)
    upsweep.synchronize(upsweep.gpu)
    before = DEVICE.upsweep_emulator_read(), DEVICE.upsweep_emulator_written()
    upsweep.eval(upsweep.cumprod(x, axis, stream=upsweep.gpu))
    after = DEVICE.upsweep_emulator_read(), DEVICE.upsweep_emulator_written()
    return [(b - a) / x.nbytes for a, b in zip(before, after, strict=True)]


def test_conversions_and_copies_run_on_the_gpu():
    a = upsweep.cumsum(np.ones((300, 70), np.uint16), 1, stream=upsweep.gpu)
    many = upsweep.ones((2,) * 15, stream=upsweep.gpu)
    many = many.transpose(*range(0, 15, 2), *range(1, 15, 2))
    upsweep.synchronize(upsweep.gpu)
    for call, written in (
        (lambda: a.astype(upsweep.complex64, stream=upsweep.gpu), 8 * a.size),
        (lambda: upsweep.flatten(a.T, stream=upsweep.gpu), 2 * a.size),
        (lambda: upsweep.logcumsumexp(a, 1, stream=upsweep.gpu), (4 + 4) * a.size),
        (lambda: upsweep.cummax(many, 3, stream=upsweep.gpu), (4 + 4) * many.size),
    ):
        before = DEVICE.upsweep_emulator_written()
        upsweep.eval(call())
        assert DEVICE.upsweep_emulator_written() - before == written


@pytest.mark.parametrize(
    ("shape", "axis", "most"),
    [
        ((600, 1000), 1, (1.02, 1.02)),  # rows that fit a tile
        ((1000, 100), 1, (1.02, 1.02)),
        ((70000, 5), 1, (1.02, 1.02)),
        ((2, 500, 300), 1, (1.02, 1.02)),  # columns
        ((2**21,), 0, (2.05, 1.05)),  # long axes
        ((2, 2**19), 1, (2.05, 1.05)),
        ((2**16, 16), 0, (2.05, 1.05)),
    ],
)
def test_memory_is_read_and_written_no_more_than_needed(shape, axis, most):
    read, written = traffic(shape, axis)
    assert 1 <= read <= most[0]
    assert 1 <= written <= most[1]
