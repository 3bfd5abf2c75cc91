"""Several GPUs of one machine: arrays that move between them, tensors on any of them,
scans over NCCL; and Dask's chunks on a GPU."""

import sys
import time

import numpy as np
import oracle
import pytest
import upsweep
from processes import WORKER, check_failures, check_results, run_processes
from support import SCANS, with_canonical_nan
from values import make

GPUS = upsweep.device_count(upsweep.gpu)
# Those of Metal and of CUDA are named so.
IS_SOFTWARE = GPUS > 0 and upsweep.device_info(upsweep.Device(upsweep.gpu, 0))[
    "device_name"
].startswith("software")
pytestmark = pytest.mark.own_isa
needs_two = pytest.mark.skipif(GPUS < 2, reason="there are no two GPUs")
needs_one = pytest.mark.skipif(
    GPUS < 1 or IS_SOFTWARE, reason="there is no NVIDIA GPU in hardware"
)


def device(index):
    return upsweep.Device(upsweep.gpu, index)


@needs_two
def test_arrays_move_between_gpus_faster_than_through_main_memory():
    x = np.random.default_rng(0).uniform(0, 2, 1 << 27).astype(np.float32)
    seconds = []
    for _ in range(4):
        a = upsweep.cummax(x, stream=device(0))
        upsweep.synchronize(device(0))
        start = time.perf_counter()
        b = upsweep.cummax(a, stream=device(1))
        upsweep.synchronize(device(1))
        seconds.append(time.perf_counter() - start)
    assert np.array_equal(b[-1000:], np.full(1000, x.max()))
    # 512 MiB; main memory took 106 ms.
    assert min(seconds) < 0.05


@needs_two
def test_tensors_on_any_gpu():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for index in range(GPUS):
        t = torch.full((10_000,), 1.0, device=f"cuda:{index}")
        torch.cuda.set_device(0)
        a = upsweep.cumsum(t, stream=device(index))
        assert a.__dlpack_device__() == (2, index)
        y = torch.from_dlpack(a)
        assert y.device == t.device
        assert y[-1].item() == 10_000
        assert torch.cuda.current_device() == 0


@needs_two
@pytest.mark.parametrize("size", sorted({2, GPUS}))
def test_nccl(tmp_path, size):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    run_processes(
        [sys.executable, WORKER, tmp_path, "nccl", str(rank), str(size)]
        for rank in range(size)
    )
    check_results(tmp_path, size, ("float16", "float32"))
    check_failures(tmp_path, size)


def cupy_and_dask():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    pytest.importorskip("dask.array", reason="Dask is not installed")
    import upsweep.dask

    return cupy, upsweep.dask


def dask_of(cupy, x, chunks):
    import dask.array as da

    return da.from_array(x, chunks=chunks).map_blocks(cupy.asarray)


@needs_one
@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("reverse", [False, True])
def test_chunks_of_cupy(op, reverse):
    cupy, ud = cupy_and_dask()
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(0, 1, (3, 5000))).astype(np.float32)
    reset = rng.random(x.shape) < 0.002
    x[:, ::997] = np.nan
    for options in (
        {},
        {"inclusive": False, "initial": np.float32([1, 2, 3])},
        {"reset": reset, "skipna": True},
    ):
        given = dict(options)
        if "reset" in given:
            given["reset"] = dask_of(cupy, reset, (2, 700))
        y = ud.scan(dask_of(cupy, x, (2, 700)), op, 1, reverse=reverse, **given)
        parts = y.compute(scheduler="synchronous")
        assert isinstance(parts, cupy.ndarray)
        oracle.check(SCANS[op], x, with_canonical_nan(parts.get()), axis=1,
                     reverse=reverse, **options)  # fmt: skip


@needs_one
@pytest.mark.parametrize("kind", ["see_saw", "log_normal", "exits", "specials"])
def test_products_of_cupy_chunks(kind):
    cupy, ud = cupy_and_dask()
    x = make(kind, np.dtype(np.float32), (40_000,))
    y = ud.cumprod(dask_of(cupy, x, 997)).compute(scheduler="threads")
    oracle.check("cumprod", x, with_canonical_nan(y.get()))


@needs_one
@pytest.mark.parametrize("name", ["float32", "complex64"])
def test_recurrences_of_cupy_chunks(name):
    cupy, ud = cupy_and_dask()
    rng = np.random.default_rng(2)
    a, b = rng.uniform(0.5, 1, (2, 3, 5000)).astype(name)
    h = ud.linear_recurrence(dask_of(cupy, a, (2, 700)), dask_of(cupy, b, (2, 700)))
    y = h.compute(scheduler="synchronous")
    assert isinstance(y, cupy.ndarray)
    # Between chunks the state is rounded to the dtype.
    unit = {"float32": -22, "complex64": -21}[name]
    oracle.recurrence.check(a, b, y.get(), axis=-1, unit=unit)


@needs_one
def test_arguments_of_numpy_beside_chunks_of_cupy():
    cupy, ud = cupy_and_dask()
    import dask.array as da

    rng = np.random.default_rng(3)
    x = rng.uniform(0.5, 1.5, (2, 3000)).astype(np.float32)
    chunks = dask_of(cupy, x, (1, 700))
    initial = np.float32([2, 3])
    reset = rng.random(x.shape) < 0.002
    for given in (initial, da.from_array(initial), cupy.asarray(initial)):
        y = ud.scan(chunks, "prod", 1, initial=given, reset=reset).compute().get()
        oracle.check("cumprod", x, y, axis=1, initial=initial, reset=reset)
    flat = dask_of(cupy, x[0], 700)
    y = ud.scan(flat, "sum", reset=[0, 5, 2000]).compute().get()
    oracle.check("cumsum", x[0], y, reset=np.array([0, 5, 2000]))
    for a in (0.5, np.float32(0.5), np.full(3000, 0.5, np.float32)):
        h = ud.linear_recurrence(a, chunks, initial=initial).compute()
        assert isinstance(h, cupy.ndarray)
        half = np.broadcast_to(np.float32(0.5), x.shape)
        oracle.recurrence.check(half, x, h.get(), unit=-22, axis=-1, initial=initial)
    with pytest.raises(ValueError, match="float64 is not supported on the GPU"):
        ud.cumprod(dask_of(cupy, x.astype(np.float64), (1, 700)), 1)
    with pytest.raises(TypeError, match="one library"):
        ud.linear_recurrence(chunks, da.from_array(x))


@needs_one
def test_recurrences_of_cupy_chunks_that_leave_the_range():
    cupy, ud = cupy_and_dask()
    a = np.float32([1] + [1e30] * 20 + [1e-30] * 20 + [0, 2, 2])
    b = np.zeros(a.size, np.float32)
    b[[0, -2]] = 3, 1
    whole = np.asarray(upsweep.linear_recurrence(a, b, stream=upsweep.cpu))
    for size in (1, 7, 11):
        h = ud.linear_recurrence(dask_of(cupy, a, size), dask_of(cupy, b, size))
        np.testing.assert_allclose(h.compute().get(), whole, rtol=1e-5)


@needs_one
@pytest.mark.parametrize("exits_at", [None, 5_000_000])
def test_carries_of_many_tiles(exits_at):
    """Totals of chunks decide all but products that leave the range."""
    x = np.ones(1 << 25, np.float32)
    x[:: 1 << 20] = 1.5
    value = 1.5**32
    if exits_at is not None:
        x[exits_at : exits_at + 3] = [2.0**100, 2.0**100, 2.0**-120]
        value = np.inf
    carry = upsweep.carry(x, "prod", stream=device(0))
    assert carry.is_decided
    assert carry.value().item() == np.float32(value)
    last = upsweep.scan(x[:7], "prod", initial=carry, stream=device(0))
    assert last[-1].item() == np.float32(value * 1.5)
    sums = upsweep.carry(x, "sum", stream=device(0))
    exact = float(x.sum(dtype=np.float64))
    assert sums.value().item() == np.float32(exact)
