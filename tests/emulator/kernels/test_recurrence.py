"""The kernels of linear recurrences against the exact oracle, over dtypes, views that
are broadcast, geometries, resets and seeds."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from scans import (
    LOOK_BACK,
    THREE_PASSES,
    Geometry,
    Refused,
    recurrence,
    recurrence_kernels,
)
from test_kernels import Less, draw_geometry, draw_shape, numpy_dtype
from test_resets import draw_resets

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
import values
from oracle.recurrence import GPU_UNIT, check

NAMES = [*GPU_UNIT]


def test_the_bound_is_stated_for_each_kernel():
    assert {*recurrence_kernels()} == {*GPU_UNIT}


def checked(engine, a, b, **options):
    """The result for arrays of one shape, checked against the contract."""
    y, _ = recurrence(engine, a, b, **options)
    of_kernel = ("geometry", "passes")
    check(a, b, y, unit=GPU_UNIT[y.dtype.name],
          **{k: v for k, v in options.items() if k not in of_kernel})  # fmt: skip
    return y


def draw_values(r, dtype, shape):
    seed = r.getrandbits(32)
    rng = np.random.default_rng(seed)
    kind = r.choice([*sorted(values.kinds(dtype)), "uniform", "uniform", "rare"])
    if kind == "uniform":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if kind == "rare":
        return ((rng.random(shape) < 0.1) * rng.normal(size=shape)).astype(dtype)
    return values.make(kind, dtype, shape, seed)


def draw_operand(r, dtype, shape):
    """An array that is broadcast along some axes, in some layout."""
    mine = tuple(1 if r.random() < 0.2 else n for n in shape)
    order = r.sample(range(len(shape)), len(shape))
    x = draw_values(r, dtype, tuple(mine[i] for i in order))
    x = x.transpose(np.argsort(order))
    for axis in range(x.ndim):
        if r.random() < 0.3:
            x = np.flip(x, axis)
    if r.random() < 0.2:
        x = np.repeat(x, 2, -1)[..., ::2]
    return np.broadcast_to(x, shape)


def check_random_recurrences(engine, name, seed, count, most, passes=None):
    for i in range(count):
        r = random.Random(f"recurrence {seed} {i}")
        engine.set_seed(seed * 1000 + i)
        shape = draw_shape(r, most)
        axis, geometry = r.randrange(len(shape)), draw_geometry(r, engine.tuning)
        try:
            check_drawn(engine, r, numpy_dtype(name), shape, axis, geometry, passes)
        except AssertionError as error:
            raise AssertionError(f"case {i}, {vars(geometry)}: {error}") from None


def check_drawn(engine, r, dtype, shape, axis, geometry, passes):
    a, b = (draw_operand(r, dtype, shape) for _ in range(2))
    options = {
        "axis": axis,
        "reverse": r.random() < 0.5,
        "inclusive": r.random() < 0.5,
        "reset": draw_resets(r, shape) if r.random() < 0.5 else None,
        "initial": None,
    }
    if r.random() < 0.5:
        lines = tuple(np.delete(shape, axis))
        options["initial"] = draw_values(r, dtype, r.choice([(), lines]))
    checked(engine, a, b, geometry=geometry, passes=passes, **options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_random_recurrences_keep_the_contract(engine, name, seed):
    check_random_recurrences(engine, name, seed, 12, 6000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3, 7))
def test_random_recurrences_in_small_tiles_keep_the_contract(small_engine, name, seed):
    check_random_recurrences(small_engine, name, seed, 20, 1500)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(7, 11))
def test_recurrences_keep_the_contract_with_look_back(small_engine, name, seed):
    check_random_recurrences(small_engine, name, seed, 10, 5000, LOOK_BACK)


PASSES = pytest.mark.parametrize("passes", [THREE_PASSES, LOOK_BACK])


@PASSES
@pytest.mark.parametrize("name", NAMES)
def test_recurrences_of_several_short_lines_of_a_thread(small_engine, passes, name):
    dtype = numpy_dtype(name)
    for i in range(40):
        r = random.Random(f"short {name} {i}")
        small_engine.set_seed(i)
        n = r.randint(1, small_engine.tuning.pair_items(dtype.itemsize))
        shape = (r.randint(1, 300), n, r.choice([1, 2, 3, 17, 40, 64]))
        geometry = Geometry(line_threads=1, column_threads=r.choice([None, 1, 8]),
                            lines=(r.randint(1, 16), r.randint(1, 16)))  # fmt: skip
        check_drawn(small_engine, r, dtype, shape, 1, geometry, passes)


@PASSES
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inclusive", [True, False])
def test_infinity_and_nan_follow_the_loop(small_engine, passes, name, inclusive):
    """In a, in b and in both, around the end of a chunk, with and without a reset
    before it or after it."""
    dtype = numpy_dtype(name)
    tile = small_engine.tuning.threads * small_engine.tuning.pair_items(dtype.itemsize)
    rng = np.random.default_rng(1)
    specials = [np.inf, -np.inf, np.nan]
    for place in (0, 1, tile - 2, tile - 1, tile, tile + 5):
        for distance in (None, -1, 0, 1, 3, tile):
            a = rng.choice([1, -1, 0.5, 2], 3 * tile).astype(dtype)
            b = rng.choice([0, 0, 0, 1, -1], 3 * tile).astype(dtype)
            a[rng.random(a.size) < 0.01] = 0
            for x in (a, b):
                if rng.random() < 0.7:
                    x[place] = rng.choice(specials)
                    x[place + rng.integers(0, tile)] = rng.choice(specials)
            reset = None
            if distance is not None and place + distance >= 0:
                reset = np.zeros(a.shape, bool)
                reset[place + distance] = True
            checked(small_engine, a, b, inclusive=inclusive, passes=passes, reset=reset,
                    geometry=Geometry(tiles=1))  # fmt: skip


@PASSES
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("period", [1, 3, 50, 700])
def test_numbers_that_leave_every_range_come_back(small_engine, passes, name, period):
    """See-saws of the largest factors and of the smallest."""
    dtype = numpy_dtype(name)
    big = 2.0**15 if name == "float16" else 2.0**126
    for first in (0, 1):
        up = (np.arange(2800) // period + first) % 2 == 0
        a = np.where(up, big, 1 / big).astype(dtype)
        b = np.zeros(2800, dtype)
        b[[0, 1, 1234]] = 1.5, -1, 3
        for terms in (b, np.ones_like(b), np.where(up, 0, b + 1).astype(dtype)):
            checked(small_engine, a, terms, passes=passes, geometry=Geometry(tiles=1))


@PASSES
@pytest.mark.parametrize("name", NAMES)
def test_the_error_is_small_next_to_the_magnitudes(small_engine, passes, name):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(2)
    for scale in (1, 2.0**-14, 2.0**14):
        b = (rng.normal(size=3000) * scale).astype(dtype)
        b[1::2] = -b[::2]
        checked(small_engine, np.ones_like(b), b, passes=passes,
                geometry=Geometry(tiles=1))  # fmt: skip
        checked(small_engine, -np.ones_like(b), b, passes=passes,
                geometry=Geometry(tiles=1))  # fmt: skip


@PASSES
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [2.0**-1, 2.0**-9, 2.0**-13, 0])
def test_what_decays_comes_back(small_engine, passes, name, factor):
    """Down to nothing, past the least number of every format, and up again."""
    dtype = numpy_dtype(name)
    b = np.zeros(3000, dtype)
    b[[0, 900, 901, 1500]] = 1, 2.0**-14, 2, -3
    a = np.full(b.shape, factor, dtype)
    checked(small_engine, a, b, passes=passes, geometry=Geometry(tiles=1))
    a[1000:] = np.float32(1 / factor if factor else 1)
    b[2000:] = 0
    checked(small_engine, a, b, passes=passes, geometry=Geometry(tiles=1))


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_subnormal_terms_and_results(small_engine, name):
    """Results are rounded once where half an ulp is all that is allowed."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(3)
    for scale in (-126, -130, -140):
        b = np.ldexp(rng.normal(size=500), scale).astype(dtype)
        for a in (rng.uniform(-1, 1, 500), np.zeros(500), np.full(500, 0.75)):
            checked(small_engine, a.astype(dtype), b)


@PASSES
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_starts_a_line(small_engine, passes, name, reverse):
    """With a result of 0 before it."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(4)
    a, b = (rng.normal(size=(3, 900)).astype(dtype) for _ in range(2))
    for share in (0.003, 0.1, 0.6, 1):
        reset = rng.random(a.shape) < share
        for inclusive in (True, False):
            options = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
            y = checked(small_engine, a, b, passes=passes, geometry=Geometry(tiles=1),
                        **options)  # fmt: skip
            assert inclusive or (y[reset] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_order_of_threads(engine, name):
    rng = np.random.default_rng(5)
    a = rng.uniform(-1.01, 1.01, 30011).astype(numpy_dtype(name))
    b = rng.normal(size=30011).astype(a.dtype)
    reset = rng.random(a.shape) < 1e-4
    results = set()
    for seed in range(4):
        engine.set_seed(seed)
        y, _ = recurrence(engine, a, b, reset=reset, geometry=Geometry(tiles=2))
        results.add(y.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("shape", "axis"), [((100003,), 0), ((5000, 16), 0)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reverse", [False, True])
def test_traffic(engine, shape, axis, name, reverse):
    """A pass reads each element of both arrays once, for each byte of the result."""
    a, b = np.full(shape, 0.5, numpy_dtype(name)), np.ones(shape, numpy_dtype(name))
    _, moved = recurrence(engine, a, b, axis, reverse)
    assert (moved <= (2.05, 1.02)).all()
    _, moved = recurrence(engine, a, b, axis, reverse, geometry=Geometry(tiles=4))
    assert (moved <= (4.15, 1.1)).all()


def test_what_lies_beyond_a_buffer_is_not_read(engine):
    a = np.ones(5000, np.float32)
    for buffer in (0, 1, 5, 7):
        with pytest.raises(Refused, match=f"outside buffer {buffer}"):
            recurrence(Less(engine, buffer), a, a.copy(), reset=a == 1)
