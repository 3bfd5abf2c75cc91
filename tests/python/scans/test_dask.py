"""upsweep.dask against the oracle: any chunks, all options, under all schedulers; how
often chunks are read and how many live at once; workers that die; errors."""

import doctest
import os
import signal
import threading
import time
import warnings
import weakref

import ml_dtypes
import numpy as np
import oracle
import pytest
import upsweep
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    DTYPES,
    FLOATS,
    SCANS,
    cpu_only,
    dtype_name,
    examples,
    numpy_dtype,
    result_dtype,
    run_python,
    with_canonical_nan,
)
from test_scan_options import OPTIONS, cases
from values import make

dask = pytest.importorskip("dask", reason="Dask is not installed")
# Chunks of NumPy arrays run on the CPU, whatever the default device.
pytestmark = [cpu_only, pytest.mark.own_isa]

import dask.array as da  # noqa: E402
import upsweep.dask as ud  # noqa: E402


@st.composite
def chunks_of(draw, shape):
    """Chunks of any and unequal sizes, some of them empty."""
    chunks = []
    for n in shape:
        cuts = draw(st.lists(st.integers(0, n), max_size=4))
        edges = [0, *sorted(cuts), n]
        chunks.append(tuple(np.diff(edges).tolist()))
    return tuple(chunks)


def computed(result, **kwargs):
    kwargs.setdefault("scheduler", "synchronous")
    y = result.compute(**kwargs)
    assert y.shape == result.shape
    assert y.dtype == result.dtype
    return y


def as_dask(draw, x):
    """A NumPy array as a Dask array, or as it is."""
    if not isinstance(x, np.ndarray) or not draw(st.booleans()):
        return x
    return da.from_array(x, chunks=draw(chunks_of(x.shape)))


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(12))
@given(data=st.data())
def test_chunks_change_nothing(op, name, data):
    """Every option, alone and together."""
    available = [option for option in OPTIONS if option != "include_initial"]
    wanted = data.draw(st.lists(st.sampled_from(available), unique=True))
    _, x, options = data.draw(cases(op, name, wanted))
    if op == "logaddexp" and "complex64" in (name, options.get("dtype")):
        return
    del options["include_initial"]
    before = options.pop("before", None)
    given_options = dict(options)
    if "initial" in options:
        given_options["initial"] = as_dask(data.draw, options["initial"])
    if "reset" in options and options["reset"].dtype == bool:
        given_options["reset"] = as_dask(data.draw, options["reset"])
    options["initial"] = before
    for each in (options, given_options):
        if "dtype" in each:
            each["dtype"] = numpy_dtype(each["dtype"])
    result = ud.scan(
        da.from_array(x, chunks=data.draw(chunks_of(x.shape))), op, **given_options
    )
    y = with_canonical_nan(computed(result))
    computing = dtype_name(np.empty(0, options.get("dtype", x.dtype)))
    assert y.dtype == numpy_dtype(result_dtype(SCANS[op], computing))
    oracle.check(SCANS[op], x, y, **options)


# Of a step, relative to S. Between chunks the state of complex64 is rounded to it.
CHUNKED_UNIT = {"float64": -51, "complex64": -21}


@pytest.mark.parametrize("name", [*FLOATS, "complex64"])
@settings(max_examples=examples(40))
@given(data=st.data())
def test_recurrences_of_chunks(name, data):
    """Within the range of float64, by the contract, with a few more roundings."""
    dtype = numpy_dtype(name)
    shape = tuple(data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=3)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    # Of complex64, h must not leave the range between chunks.
    most = 0 if name == "complex64" else np.log(float(ml_dtypes.finfo(dtype).max))

    def operand():
        mine = [1 if data.draw(st.integers(0, 3)) == 0 else n for n in shape]
        x = rng.normal(0, 1, mine) + (
            1j * rng.normal(0, 1, mine) if name == "complex64" else 0
        )
        # Far out of the range, and back.
        x *= np.exp(rng.normal(0, data.draw(st.sampled_from([0, most / 4])), mine))
        x[rng.random(mine) < 0.1] = data.draw(
            st.sampled_from([0, 1, 1e-7, np.inf, np.nan])
        )
        with np.errstate(over="ignore"):
            return x.astype(dtype)

    a, b = np.broadcast_to(operand(), shape), operand()
    if data.draw(st.booleans()):
        a, b = b, a
    options = {
        "axis": axis,
        "reverse": data.draw(st.booleans()),
        "inclusive": data.draw(st.booleans()),
    }
    if data.draw(st.booleans()):
        lines = np.delete(shape, axis)
        options["initial"] = np.asarray(rng.normal(0, 3, lines)).astype(dtype)
    if data.draw(st.booleans()):
        options["reset"] = rng.random(shape) < 0.1
    given_options = {
        key: as_dask(data.draw, value) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    chunked = da.from_array(a, chunks=data.draw(chunks_of(a.shape)))
    y = computed(ud.linear_recurrence(chunked, as_dask(data.draw, b), **given_options))
    unit = CHUNKED_UNIT.get(name, -50)
    oracle.recurrence.check(a, b, y, unit=unit, **options)


FAR = [
    ([1, 1e-200, 1e-200, 1e200, 1e200, 1], [1e300, 0, 0, 0, 0, 0]),
    ([1, 1e-160, 1.03e-160, 1e100, 1], [1e300, 0, 0, 0, 0]),
    ([1e200, 1e200, 0, 1], [1e200, 0, 5, 1]),
    ([1e200] * 5 + [1e-200] * 6, [1.0] * 11),
    ([-1e160] * 9 + [1e-170] * 9, [1e300, -1e300] * 9),
]


@pytest.mark.parametrize(("a", "b"), FAR)
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences_that_leave_the_range_between_chunks(a, b, reverse):
    a, b = np.array(a), np.array(b)
    rng = np.random.default_rng(0)
    for chunks in (1, 2, 3, (1, len(a) - 2, 1)):
        x = da.from_array(a, chunks=chunks if isinstance(chunks, int) else (chunks,))
        for inclusive in (True, False):
            for reset in (None, rng.random(a.size) < 0.2):
                options = {"reverse": reverse, "inclusive": inclusive, "initial": 3.0}
                options["reset"] = reset
                h = computed(ud.linear_recurrence(x, b, **options))
                oracle.recurrence.check(a, b, h, unit=-51, axis=0, **options)


def test_recurrences_convert_to_the_dtype_first():
    ones = da.ones(4, chunks=1, dtype=np.float32)
    large = np.full(4, 16777217)
    h = ud.linear_recurrence(ones.astype(int), large).compute()
    assert h.tolist() == [16777216 * i for i in range(1, 5)]
    h = ud.linear_recurrence(ones[:1], ones[:1], initial=np.array(16777217.0))
    assert h.compute().tolist() == [16777216.0]


def test_recurrences_of_numbers_and_integers():
    ones = da.ones(10, chunks=3, dtype=np.float32)
    halves = ud.linear_recurrence(0.5, ones).compute()
    assert (halves == 2 - 0.5 ** np.arange(10)).all()
    counts = ud.linear_recurrence(da.ones(10, dtype=int, chunks=4), 1)
    assert counts.dtype == np.float32
    assert counts.compute().tolist() == list(range(1, 11))


# Where plain products of chunks are wrong.
KINDS = ["see_saw", "near_one", "log_normal", "exits", "specials", "subnormals"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 331, 4096, 9973])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_products_at_odd_sizes_of_chunks(kind, size, name):
    n = 200 if size == 1 else 40_000
    x = make(kind, numpy_dtype(name), (n,))
    for reverse in (False, True):
        y = computed(ud.cumprod(da.from_array(x, chunks=size), reverse=reverse))
        oracle.check("cumprod", x, with_canonical_nan(y), reverse=reverse)


class Source:
    """Makes chunks, and counts how often and how many live at once."""

    def __init__(self, size, delay=0.0):
        self.size, self.delay = size, delay
        self.lock = threading.Lock()
        self.made, self.living, self.most = 0, 0, 0

    def chunk(self, block_info=None):
        ((begin, end),) = block_info[None]["array-location"]
        x = np.random.default_rng(begin).uniform(0.9, 1.1, end - begin)
        with self.lock:
            self.made += 1
            self.living += 1
            self.most = max(self.most, self.living)
        weakref.finalize(x, self.leave)
        time.sleep(self.delay)
        return x

    def leave(self):
        with self.lock:
            self.living -= 1

    def array(self, chunks):
        return da.map_blocks(
            self.chunk, chunks=((self.size,) * chunks,), dtype=np.float64,
            meta=np.empty(0),
        )  # fmt: skip


@pytest.mark.parametrize("workers", [1, 4])
def test_a_chunk_is_read_once_and_few_live_at_once(workers):
    chunks, size = 200, 5000
    source = Source(size)
    last = ud.cumprod(source.array(chunks)).map_blocks(
        lambda y: y[-1:], chunks=((1,) * chunks,), dtype=np.float64
    )
    last.compute(scheduler="threads", num_workers=workers)
    assert source.made == chunks
    # Other programs may stop a worker, and others then run ahead of it.
    assert source.most <= (8 if workers == 1 else chunks // 4)
    assert source.living == 0


def test_schedulers_agree_to_the_bit():
    x = make("log_normal", np.dtype(np.float32), (30_000, 3))
    result = ud.cumprod(da.from_array(x, chunks=(997, 2)), 0)
    expected = computed(result)
    for kwargs in (
        {"scheduler": "threads", "num_workers": 1},
        {"scheduler": "threads", "num_workers": 5},
        {"scheduler": "processes", "num_workers": 2},
    ):
        y = computed(result, **kwargs)
        assert y.tobytes() == expected.tobytes()
    oracle.check("cumprod", x, with_canonical_nan(expected), axis=0)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="distributed is missing")
    with (
        warnings.catch_warnings(),
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
    ):
        warnings.simplefilter("ignore")  # its own, while it starts and stops
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def test_workers_of_a_cluster(cluster):
    x = make("log_normal", np.dtype(np.float32), (30_000, 3))
    result = ud.cumprod(da.from_array(x, chunks=(997, 2)), 0)
    y = result.compute(scheduler=cluster)
    assert y.tobytes() == computed(result).tobytes()


def test_a_worker_that_dies(cluster, tmp_path):
    """Some chunk kills its worker the first time: what it had is made again, and of
    what the other one has not much, and the results are right."""
    chunks, size = 100, 1000
    x = make("near_one", np.dtype(np.float64), (chunks * size,))

    def chunk(part, block_info=None):
        (block,) = block_info[0]["chunk-location"]
        with open(tmp_path / "made", "a") as made:
            made.write(f"{block} {os.getpid()}\n")
        time.sleep(0.01)
        first = tmp_path / "died"
        if block == 80 and not first.exists():
            first.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    source = da.from_array(x, chunks=size).map_blocks(chunk, dtype=x.dtype)
    y = ud.cumprod(source).compute(scheduler=cluster)
    oracle.check("cumprod", x, with_canonical_nan(y))
    dead = (tmp_path / "died").read_text()
    made = [line.split() for line in (tmp_path / "made").read_text().splitlines()]
    assert {int(block) for block, _ in made} == set(range(chunks))
    first = dict(reversed(made))
    again = [block for block in first if sum(each == block for each, _ in made) > 1]
    kept = [block for block in first if first[block] != dead]
    # States that others have spare most of the chunks that others have made.
    assert sum(first[block] != dead for block in again) <= len(kept) / 2


def test_the_same_scan_has_the_same_name():
    x = da.ones((10, 4), chunks=3)
    initial = np.arange(4.0)
    first, second = (ud.scan(x, "sum", 0, initial=initial) for _ in range(2))
    assert first.name == second.name
    assert ud.scan(x, "sum", 0, initial=initial + 1).name != first.name
    assert ud.scan(x, "max", 0, initial=initial).name != first.name


def test_nothing_is_computed_before_it_is_needed():
    def fail(x):
        raise AssertionError("computed")

    x = da.ones(10, chunks=2).map_blocks(fail, dtype=float, meta=np.empty(0))
    y = ud.cumsum(x, 0)
    assert y.chunks == x.chunks
    # The first chunk needs no other one.
    parts = [da.ones(5, chunks=5), da.ones(5, chunks=5).map_blocks(
        fail, dtype=float, meta=np.empty(0))]  # fmt: skip
    assert ud.cumsum(da.concatenate(parts), 0)[:5].compute()[-1] == 5


def test_xarray():
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    x = xr.DataArray(np.full((4, 9), 2.0), dims=("lines", "time")).chunk(time=2)
    y = xr.apply_ufunc(
        ud.cumprod, x, kwargs={"axis": -1}, dask="allowed",
        input_core_dims=[["time"]], output_core_dims=[["time"]],
    )  # fmt: skip
    assert y.chunks is not None
    assert (y.values == 2.0 ** np.arange(1, 10)).all()


ERRORS = [
    (lambda: ud.cumprod(np.ones(3)), TypeError, "x must be a Dask array, not ndarray"),
    (lambda: ud.cumprod([1, 2]), TypeError, r"dask\.array\.from_array"),
    (lambda: ud.scan(da.ones(3), "mul"), ValueError, "mul"),
    (lambda: ud.cumsum(da.ones(3), 1), IndexError, "Axis 1"),
    (lambda: ud.cumsum(da.ones(3).astype("M8[s]"), 0), TypeError, "datetime64"),
    (lambda: ud.cumsum(da.ones(3).astype(object), 0), TypeError, "object"),
    (lambda: ud.cumsum(unknown()), ValueError, "compute_chunk_sizes"),
    (lambda: ud.cumsum(masked()), TypeError, "MaskedArray"),
    (lambda: ud.scan(da.ones(3), "sum", dtype="U3"), TypeError, "U3"),
    (lambda: ud.scan(da.ones(3), "sum", initial=[1, 2]), ValueError, "initial"),
    (lambda: ud.scan(da.ones((3, 2)), "sum", 0, initial=da.ones(3)), ValueError,
     r"initial has shape \(3,\); .* \(2,\)"),
    (lambda: ud.scan(da.ones(3), "prod", initial=other_carry()), ValueError,
     "carry of sum"),
    (lambda: ud.scan(da.ones(3), "sum", reset=np.ones(2, bool)), ValueError,
     "reset has shape"),
    (lambda: ud.scan(da.ones(3), "sum", reset=[2, 1]), ValueError, "decrease"),
    (lambda: ud.scan(da.ones(3), "sum", reset=[4]), ValueError, "between 0 and 3"),
    (lambda: ud.scan(da.ones((3, 3)), "sum", 0, reset=[1]), ValueError, "one axis"),
    (lambda: ud.scan(da.ones(3), "sum", reset=da.ones(3)), TypeError, "bool mask"),
    (lambda: ud.linear_recurrence(1.0, np.ones(3)), TypeError, "a or b"),
    (lambda: ud.linear_recurrence(da.ones(3), da.ones(4)), ValueError, "broadcast"),
    (lambda: ud.linear_recurrence(da.ones(3), da.ones(3, dtype="f4")), TypeError,
     "b is float"),
    (lambda: ud.linear_recurrence(da.ones(3), 1.0, reset=[0.5]), TypeError, "reset"),
]  # fmt: skip


def unknown():
    x = da.ones(6, chunks=2)
    return x[x > 0]


def masked():
    return da.ma.masked_equal(da.ones(3), 1)


def other_carry():
    return upsweep.carry(np.ones(3), "sum")


@pytest.mark.parametrize(("call", "error", "match"), ERRORS)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_without_dask_it_says_what_to_install():
    script = (
        "import sys; sys.modules['dask'] = None\nimport upsweep\nimport upsweep.dask"
    )
    with pytest.raises(Exception, match=r"pip install 'upsweep\[dask\]'"):
        run_python("-c", script)


def test_importing_upsweep_does_not_import_dask():
    script = "import sys, upsweep; print(*{'dask', 'numpy'} & set(sys.modules))"
    assert run_python("-c", script).strip() == ""


def test_the_sample_of_the_module():
    assert doctest.testmod(ud) == (0, 4)
