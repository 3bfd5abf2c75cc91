"""The kernels against the exact oracle, over dtypes, views, geometries and seeds;
how much memory they move; indices past 2^32."""

import ctypes
import mmap
import random
import sys

import ml_dtypes
import numpy as np
import oracle
import pytest
import values
from operators import OPERATORS
from params import Params
from scans import (
    DERIVATIVES,
    LOOK_BACK,
    LOOK_BACKS,
    WHOLE_LINES,
    Axis,
    Geometry,
    Refused,
    copy_kernels,
    derivative_kernels,
    frexp_kernels,
    memory,
    recurrence_kernels,
    reset_dtypes,
    scan,
    table,
)

OPS = list(OPERATORS)


def cases():
    """One scan of each kernel and number of parts: products and sums of signed integers
    are those of unsigned ones, and the suite on a software GPU has both."""
    found = {}
    for op, of in OPERATORS.items():
        for kind, dtype in table():
            if kind == of:
                found.setdefault(table()[of, dtype], (op, dtype))
    return list(found.values())


CASES = cases()


def numpy_dtype(name):
    names = {"bool_": bool, "bfloat16": ml_dtypes.bfloat16}
    return np.dtype(names.get(name, name))


def draw_shape(r, most):
    """One of about `most` elements or fewer."""
    left, shape = r.randint(1, most), []
    for _ in range(r.choice([0, 0, 1, 1, 2, 3])):
        shape.append(r.choice([1, 2, 3, 5, 16, 33, r.randint(1, min(left, 300))]))
        left = max(1, left // shape[-1])
    shape.append(left)
    r.shuffle(shape)
    return tuple(shape)


def draw_input(r, op, dtype, most):
    """Values of some kind in an array of some shape."""
    return draw_values(r, op, dtype, draw_shape(r, most))


def draw_values(r, op, dtype, shape):
    if op == "logcumsumexp" and dtype.kind == "c":
        g = np.random.default_rng(r.getrandbits(32))
        return (g.normal(size=shape) + 1j * g.uniform(-0.5, 0.5, shape)).astype(dtype)
    kind = r.choice(sorted(values.kinds(dtype)))
    return values.make(kind, dtype, shape, r.getrandbits(32))


def draw_view(r, x):
    if r.random() < 0.3:
        x = x.transpose(r.sample(range(x.ndim), x.ndim))
    for axis in range(x.ndim):
        if r.random() < 0.25 and x.shape[axis] > 1:
            index = [slice(None)] * x.ndim
            step = r.choice([-1, 1, 2, -2, 3])
            index[axis] = slice(1 if step > 0 else None, None, step)
            x = x[tuple(index)]
    if r.random() < 0.1:
        x = np.broadcast_to(x[None], (r.randint(1, 4), *x.shape))
    return x


def draw_geometry(r, tuning):
    if r.random() < 0.3:
        return Geometry()
    column_threads = 1 << r.randrange(tuning.threads.bit_length())
    rest = tuning.threads // column_threads
    line_threads = 1 << r.randrange(rest.bit_length())
    return Geometry(
        width=r.randint(max(column_threads // 2, 1), column_threads),
        column_threads=column_threads,
        line_threads=line_threads,
        span=r.choice([None, r.randint(1, line_threads * tuning.max_items)]),
        batches=r.choice([None, 1, 2, 3]),
        tiles=r.choice([None, 1, 2, 3, 5]),
        lines=(r.randint(1, 4), r.randint(1, 16)),
        **r.choice(LOOK_BACKS),
    )


def check_random_scans(engine, op, name, seed, count, most, passes=None):
    dtype = numpy_dtype(name)
    for i in range(count):
        r = random.Random(f"{seed} {i}")
        engine.set_seed(seed * 1000 + i)
        x = draw_view(r, draw_input(r, op, dtype, most))
        options = {
            "axis": r.randrange(x.ndim),
            "reverse": r.random() < 0.5,
            "inclusive": r.random() < 0.5,
        }
        geometry = draw_geometry(r, engine.tuning)
        y, _ = scan(engine, op, x, geometry=geometry, passes=passes, **options)
        try:
            oracle.check(op, x, y, **options)
        except AssertionError as error:
            raise AssertionError(f"case {i}, {vars(geometry)}: {error}") from None


@pytest.mark.parametrize(("op", "name"), CASES)
def test_random_scans_keep_the_contract(engine, op, name):
    check_random_scans(engine, op, name, 0, 12, 6000)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("seed", range(2, 4))
def test_random_scans_in_small_tiles_keep_the_contract(small_engine, op, name, seed):
    check_random_scans(small_engine, op, name, seed, 15, 1500)


def draw_short_lines(r, engine, op, dtype):
    """An input in some view whose axis 1 is as short as a thread's items, and a
    geometry whose threads have several such lines."""
    size = 4 if op in ("cumsum", "logcumsumexp") else dtype.itemsize
    n = r.randint(1, engine.tuning.items(min(dtype.itemsize, size)))
    shape = [r.randint(1, 300), n, r.choice([1, 2, 3, 17, 40, 64, 100])]
    x = draw_values(r, op, dtype, shape)
    x = r.choice([x, x[::-1], x.transpose(2, 1, 0)])
    lines = r.randint(1, 16), r.randint(1, 16)
    columns = r.choice([None, 1, 8])
    return x, Geometry(lines=lines, line_threads=1, column_threads=columns)


@pytest.mark.parametrize("passes", [None, LOOK_BACK])
@pytest.mark.parametrize(("op", "name"), CASES)
def test_threads_with_several_short_lines_keep_the_contract(
    small_engine, op, name, passes
):
    for i in range(8):
        r = random.Random(f"{op} {name} {i}")
        small_engine.set_seed(i)
        x, geometry = draw_short_lines(r, small_engine, op, numpy_dtype(name))
        options = {"reverse": r.random() < 0.5, "inclusive": r.random() < 0.5}
        y, _ = scan(small_engine, op, x, 1, geometry=geometry, passes=passes, **options)
        oracle.check(op, x, y, axis=1, **options)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("seed", range(5, 7))
def test_looking_back_keeps_the_contract(small_engine, op, name, seed):
    """With tiles so small that a line has many groups of tiles, and sets of groups."""
    check_random_scans(small_engine, op, name, seed, 8, 5000, LOOK_BACK)


def test_every_kernel_of_the_list_exists(engine):
    kernels = {kernel for kernel, _ in table().values()}
    for (op, _), computed in reset_dtypes().items():
        kernels.add(f"resets_{table()[op, computed][0]}")
    kernels.update(frexp_kernels().values(), recurrence_kernels().values())
    stages = (*engine.tuning.passes, *WHOLE_LINES)
    scans = [f"{each}_{kernel}" for each in stages for kernel in kernels]
    derivatives = [
        f"{each}_{kernel}"
        for (kind, _), kernel in derivative_kernels().items()
        for each in DERIVATIVES[kind]
    ]
    assert engine.kernel_names() == sorted(scans + derivatives + copy_kernels())


@pytest.mark.parametrize("name", ["float32", "float16", "complex64"])
@pytest.mark.parametrize("op", OPS)
def test_bits_do_not_depend_on_the_order_of_threads(engine, op, name):
    kind = "turning" if name == "complex64" else "near_one"
    x = values.make(kind, numpy_dtype(name), (30011,), 3)
    results = set()
    for seed in range(4):
        engine.set_seed(seed)
        results.add(scan(engine, op, x, geometry=Geometry(tiles=2))[0].tobytes())
    assert len(results) == 1


# Bytes read and written for each byte of the input.
SINGLE = (1.02, 1.02)
CHUNKS = (2.05, 1.05)
TRAFFIC = [
    ((100003,), 0, Geometry(), SINGLE),
    ((1 << 17,), 0, Geometry(tiles=1), CHUNKS),
    ((100003,), 0, Geometry(tiles=4), CHUNKS),
    ((5000, 16), 1, Geometry(), SINGLE),
    ((5000, 16), 0, Geometry(), SINGLE),
    ((20000, 16), 0, Geometry(tiles=4), CHUNKS),
    ((3001, 17), 1, Geometry(), SINGLE),
    ((60, 1000), 1, Geometry(), SINGLE),
    ((1000, 60), 0, Geometry(), SINGLE),
    ((3, 700, 33), 1, Geometry(), SINGLE),
]


@pytest.mark.parametrize(("shape", "axis", "geometry", "limits"), TRAFFIC)
@pytest.mark.parametrize("name", ["float32", "float16", "uint8", "complex64"])
@pytest.mark.parametrize("reverse", [False, True])
def test_traffic(engine, shape, axis, geometry, limits, name, reverse):
    x = np.ones(shape, numpy_dtype(name))
    _, moved = scan(engine, "cumprod", x, axis, reverse=reverse, geometry=geometry)
    assert tuple(moved) <= limits
    assert (moved <= limits).all()


def test_an_exit_in_each_of_many_lines_and_chunks(small_engine):
    """The spine scans the chunk in which a line leaves the range, once."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.99, 1.01, (7, 3000)).astype(np.float32)
    for line in range(7):
        at = int(rng.integers(0, 2990))
        x[line, at : at + 3] = 1e-30
    y, moved = scan(small_engine, "cumprod", x, 1, geometry=Geometry(tiles=1))
    oracle.check("cumprod", x, y, axis=1)
    assert moved[0] < 2.2


@pytest.mark.parametrize("name", ["float32", "complex64"])
@pytest.mark.parametrize("edge", [1e38, 1e-44])
def test_a_walk_along_the_edge_of_the_range(small_engine, name, edge):
    """The bounds alone decide no chunk."""
    x = np.ones(4000, numpy_dtype(name))
    x[0] = edge
    x[1::2], x[2::2] = 1.25, 0.8
    x[3500] = edge
    y, _ = scan(small_engine, "cumprod", x, geometry=Geometry(tiles=1))
    oracle.check("cumprod", x, y)


@pytest.mark.parametrize("name", ["float16", "float32", "complex64"])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("special", [1e38, 1e-38, 0, np.inf, np.nan])
def test_exits_around_the_end_of_a_chunk(small_engine, name, inclusive, special):
    """The last elements of a chunk decide about the first ones of the next."""
    dtype = numpy_dtype(name)
    chunk = small_engine.tuning.threads * small_engine.tuning.items(dtype.itemsize)
    rng = np.random.default_rng(1)
    for place in range(chunk - 4, chunk + 3):
        x = rng.choice([1, -1, 1.5, 1 / 1.5], 3 * chunk).astype(dtype)
        if name == "complex64":
            x *= np.exp(1j * rng.uniform(-3, 3, x.size)).astype(dtype)
        with np.errstate(all="ignore"):
            x[place : place + 2] = np.array(special, np.float64).astype(dtype)
        y, _ = scan(small_engine, "cumprod", x, inclusive=inclusive,
                    geometry=Geometry(tiles=1))  # fmt: skip
        oracle.check("cumprod", x, y, inclusive=inclusive)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "complex64"])
@pytest.mark.parametrize("factor", [1.9, 1 / 1.9])
def test_short_excursions_are_not_missed(engine, name, factor):
    """Factors near one, whose exponents say little, go there and back within two
    threads' items; the line is out of range for a few elements or not at all."""
    edge = 2.0**108 if factor > 1 else 2.0**-132
    for n in range(17, 32):
        for first in (64, 71):
            x = np.ones(1000, numpy_dtype(name))
            x[0] = edge
            x[first : first + n] = factor
            x[first + n : first + 2 * n] = 1 / factor
            y, _ = scan(engine, "cumprod", x, geometry=Geometry(line_threads=64))
            oracle.check("cumprod", x, y)


class Sparse:
    """Memory that exists only where it is touched."""

    def __init__(self, size):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
        self.map = mmap.mmap(-1, size, flags=flags)
        self.array = np.frombuffer(self.map, np.uint8)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's MAP_NORESERVE")
@pytest.mark.parametrize("reverse", [False, True])
def test_the_last_chunk_of_a_line_of_more_than_2_32_elements(engine, reverse):
    n, tile = 2**33 + 5000, engine.tuning.threads * engine.tuning.max_items
    x, y = Sparse(n).array, Sparse(n).array
    p = Params()
    tiles = -(-n // tile)
    p.length = Axis(n, -1, -1) if reverse else Axis(n, 1, 1)
    p.in_start = p.out_start = n - 1 if reverse else 0
    p.column = p.batch = Axis(1, 0, 0)
    p.inclusive = p.width = p.batches = p.column_threads = 1
    p.column_panels = p.batch_panels = p.panels = 1
    p.span, p.line_threads, p.tiles = tile, engine.tuning.threads, 4
    p.items_per_thread = engine.tuning.max_items
    p.chunks = -(-tiles // 4)
    chunk, size = p.chunks - 1, 4 * tile
    first = chunk * size
    at = [first + d for d in (0, 100, n - first - 1)]
    index = [n - 1 - i for i in at] if reverse else at
    x[index] = [3, 4, 5]
    carries = Sparse(p.chunks * 32).array
    carries[chunk * 4 : chunk * 4 + 4] = [2, 0, 0, 0]
    totals = Sparse(p.chunks * 32).array
    nothing = [memory(y)[0]] * 3  # no resets, initial values or second input
    bound = [memory(x)[0], memory(y)[0], (ctypes.addressof(p), ctypes.sizeof(p)),
             memory(totals)[0], memory(carries)[0], *nothing]  # fmt: skip
    engine.run("downsweep_max_uint8", bound, p.chunks, [chunk])
    results = y[: n - first][::-1] if reverse else y[first:]
    assert results[0] == results[99] == 3
    assert results[100] == results[-2] == 4
    assert results[-1] == 5
    engine.run("upsweep_max_uint8", bound, p.chunks, [chunk - 1])
    assert totals[(chunk - 1) * 4] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's MAP_NORESERVE")
@pytest.mark.parametrize("axis", [0, 1])
def test_lines_that_lie_far_apart(engine, axis):
    base, far = Sparse(2 * (2**32 + 99) + 300), 2**32 + 99
    x = np.lib.stride_tricks.as_strided(base.array, (3, 300), (far, 1))
    x[:] = np.arange(900, dtype=np.uint8).reshape(3, 300)
    y, _ = scan(engine, "cumsum", x, axis)
    assert (y == np.cumsum(x, axis, dtype=np.uint8)).all()


def test_a_store_outside_the_result_is_refused(engine):
    x = np.ones(5000, np.float32)
    with pytest.raises(Refused, match="outside buffer 1"):
        scan(Less(engine), "cumprod", x)


class Less:
    """An engine that binds a buffer that is too short: the result."""

    def __init__(self, engine, buffer=1):
        self.engine, self.tuning, self.buffer = engine, engine.tuning, buffer

    def run(self, kernel, bindings, groups):
        (data, size) = bindings[self.buffer]
        bindings[self.buffer] = (data, size - 4)
        return self.engine.run(kernel, bindings, groups)
