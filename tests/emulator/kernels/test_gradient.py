"""The kernels of the derivatives of products against the exact oracle, over dtypes,
views that are broadcast, geometries and seeds."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from scans import DERIVATIVES, Geometry, derivative, derivative_kernels
from test_kernels import draw_geometry, draw_shape, numpy_dtype
from test_recurrence import draw_operand

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
from oracle.gradient import check
from oracle.recurrence import GPU_UNIT

NAMES = [*GPU_UNIT]
KINDS = pytest.mark.parametrize("kind", DERIVATIVES)
ALL_NAMES = pytest.mark.parametrize("name", NAMES)


def test_the_bound_is_stated_for_each_kernel():
    assert {*derivative_kernels()} == {(k, name) for k in DERIVATIVES for name in NAMES}


def checked(engine, kind, x, c, geometry=None, **options):
    """The result for arrays of one shape, checked against the contract."""
    y, _ = derivative(engine, kind, x, c, geometry=geometry, **options)
    check(kind, x, c, y, unit=GPU_UNIT[y.dtype.name], **{"axis": -1} | options)
    return y


def check_random(engine, kind, name, seed, count, most):
    dtype = numpy_dtype(name)
    for i in range(count):
        r = random.Random(f"derivative {seed} {i}")
        engine.set_seed(seed * 1000 + i)
        shape = draw_shape(r, most)
        x, c = (draw_operand(r, dtype, shape) for _ in range(2))
        geometry = draw_geometry(r, engine.tuning)
        options = {
            "axis": r.randrange(len(shape)),
            "reverse": r.random() < 0.5,
            "inclusive": r.random() < 0.5,
        }
        try:
            checked(engine, kind, x, c, geometry, **options)
        except AssertionError as error:
            where = f"case {i}, {options}, {vars(geometry)}"
            raise AssertionError(f"{where}: {error}") from None


@ALL_NAMES
@KINDS
def test_random_derivatives_keep_the_contract(engine, kind, name):
    check_random(engine, kind, name, 0, 25, 6000)


@ALL_NAMES
@KINDS
@pytest.mark.parametrize("seed", [1, 2])
def test_random_derivatives_in_small_tiles_keep_the_contract(
    small_engine, kind, name, seed
):
    check_random(small_engine, kind, name, seed, 30, 1500)


@ALL_NAMES
@KINDS
@pytest.mark.parametrize("inclusive", [True, False])
def test_infinity_and_nan_follow_the_loop(small_engine, kind, name, inclusive):
    """In the elements, in the terms and in both, around the end of a chunk."""
    dtype = numpy_dtype(name)
    tile = small_engine.tuning.threads * small_engine.tuning.pair_items(dtype.itemsize)
    rng = np.random.default_rng(1)
    specials = [np.inf, -np.inf, np.nan]
    for place in (0, 1, tile - 2, tile - 1, tile, tile + 5):
        for zeros in (0, 0, 0.01):
            x = rng.choice([1, -1, 0.5, 2], 3 * tile).astype(dtype)
            c = rng.choice([0, 0, 0, 1, -1], 3 * tile).astype(dtype)
            x[rng.random(x.size) < zeros] = 0
            for values in (x, c):
                if rng.random() < 0.7:
                    values[place] = rng.choice(specials)
                    values[place + rng.integers(0, tile)] = rng.choice(specials)
            checked(small_engine, kind, x, c, inclusive=inclusive)


@ALL_NAMES
@KINDS
@pytest.mark.parametrize("n", [9, 14, 33, 100])
def test_what_fills_a_block_is_no_element(small_engine, engine, kind, name, n):
    """Threads of a short line have parts of blocks, before other threads' items."""
    for place in (1, n - 2):
        x, c = np.ones((2, n), numpy_dtype(name))
        x[place] = np.inf
        for which in (small_engine, engine):
            checked(which, kind, x, c)
            checked(which, kind, x, c, inclusive=False, reverse=True)


@ALL_NAMES
@KINDS
@pytest.mark.parametrize("period", [1, 3, 50, 700])
def test_products_that_leave_every_range_come_back(small_engine, kind, name, period):
    """See-saws of the largest factors and of the smallest."""
    dtype = numpy_dtype(name)
    big = 2.0**15 if name == "float16" else 2.0**126
    for first in (0, 1):
        up = (np.arange(2800) // period + first) % 2 == 0
        x = np.where(up, big, 1 / big).astype(dtype)
        c = np.zeros(2800, dtype)
        c[[0, 1, 1234]] = 1.5, -1, 3
        zero = x.copy()
        zero[[700, 2000]] = 0
        for elements in (x, zero):
            for terms in (c, np.ones_like(c)):
                checked(small_engine, kind, elements, terms)
                checked(small_engine, kind, elements, terms, inclusive=False)


@ALL_NAMES
@KINDS
@pytest.mark.parametrize("factor", [2.0**-1, 2.0**-9, 2.0**-13, 0])
def test_what_decays_comes_back(small_engine, kind, name, factor):
    """Down to nothing, past the least number of every format, and up again."""
    dtype = numpy_dtype(name)
    c = np.zeros(3000, dtype)
    c[[0, 900, 901, 1500, 2999]] = 1, 2.0**-14, 2, -3, 1
    x = np.full(c.shape, factor, dtype)
    checked(small_engine, kind, x, c)
    x[1000:] = np.float32(1 / factor if factor else 1)
    checked(small_engine, kind, x, c)
    checked(small_engine, kind, x[::-1], c[::-1])


@ALL_NAMES
@KINDS
def test_terms_of_every_size(small_engine, kind, name):
    """Too small and too large for plain numbers, side by side."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(4)
    least, most = (-24, 15) if name == "float16" else (-140, 120)
    exponents = rng.integers(least, most, 600)
    c = np.ldexp(rng.normal(size=600), exponents).astype(dtype)
    factors = np.ldexp(1.0, np.clip(-exponents, least, most))
    for x in (rng.uniform(-1, 1, 600), np.ones(600), factors):
        checked(small_engine, kind, x.astype(dtype), c)
        checked(small_engine, kind, x.astype(dtype), c[::-1].copy(), inclusive=False)


@KINDS
@pytest.mark.parametrize("last", [2.0**-60, np.inf])
def test_short_formats_are_rounded_once(small_engine, kind, last):
    """Where a sum lies beside the middle of two numbers, on either path."""
    c = np.array([1, 2.0**-8, 2.0**-30, last], numpy_dtype("bfloat16"))
    x = np.ones_like(c)
    turn = slice(None, None, -1 if kind == "vjp" else 1)
    y, _ = derivative(small_engine, kind, x, c[turn].copy())
    assert float(y[turn][2]) == 1.0078125


def check_chunks(engine, kind, lines, chunks, span, **options):
    """Lines of so many chunks; near 1, so that products reach from end to end."""
    n = (chunks - 1) * span + 1
    rng = np.random.default_rng(chunks)
    x = rng.uniform(0.9, 1.1, (lines, n)).astype(np.float32)
    c = rng.normal(size=x.shape).astype(np.float32)
    geometry = Geometry(span=span, line_threads=1, column_threads=min(lines, 2))
    x = np.ascontiguousarray(x.T) if options.get("axis") == 0 else x
    c = c.reshape(x.shape)
    return checked(engine, kind, x, c, geometry, **options)


@KINDS
@pytest.mark.parametrize("change", [-1, 0, 1])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_groups_of_chunks(small_engine, kind, groups, change):
    """As many as a threadgroup of the spine has threads, one more and one less."""
    chunks = groups * small_engine.tuning.threads + change
    for lines in (1, 3):
        check_chunks(small_engine, kind, lines, chunks, 2)
        check_chunks(small_engine, kind, lines, chunks, 2, axis=0, inclusive=False)


@KINDS
@pytest.mark.parametrize("change", [0, 1])
def test_more_groups_than_threads(small_engine, kind, change):
    chunks = small_engine.tuning.threads**2 + change
    check_chunks(small_engine, kind, 1, chunks, 1, inclusive=change == 0)


@KINDS
@pytest.mark.parametrize("special", [0, np.inf, -np.inf, np.nan])
def test_specials_pass_groups_of_chunks(small_engine, kind, special):
    """From a group to the next ones, and back."""
    threads = small_engine.tuning.threads
    rng = np.random.default_rng(2)
    for place in (0, threads - 1, threads, 2 * threads + 5, 3 * threads):
        for array in range(2):
            x, c = rng.choice([1, -1, 0.5, 2], (2, 3 * threads + 1)).astype(np.float32)
            (x, c)[array][place] = special
            geometry = Geometry(span=1, line_threads=1)
            checked(small_engine, kind, x, c, geometry, reverse=place == threads)


@pytest.mark.parametrize("kind", DERIVATIVES)
def test_traffic(engine, kind):
    """Each element is read once for each pass, which does not depend on the data."""
    x = np.ones((2, 300_000), np.float32)
    _, moved = derivative(engine, kind, x, x, 1)
    reads, writes = moved
    assert reads <= {"vjp": 4.2, "jvp": 6.2}[kind]
    assert writes <= 1.1
