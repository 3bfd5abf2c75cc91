"""Scans with resets: the kernels against the exact oracle, segment by segment."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from scans import (
    LOOK_BACK,
    OPERATORS,
    RESET_BYTES,
    THREE_PASSES,
    Geometry,
    Refused,
    reset_dtypes,
    scan,
    table,
)
from test_kernels import CASES as KERNELS
from test_kernels import (
    Less,
    draw_geometry,
    draw_input,
    draw_short_lines,
    draw_view,
    numpy_dtype,
)

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
import oracle
import values

OPS = list(OPERATORS)
# The backends convert other dtypes to one of these, and back.
CASES = [
    (op, dtype)
    for op, dtype in KERNELS
    if reset_dtypes()[OPERATORS[op], dtype] == dtype
]


def check_segments(op, x, y, reset, axis=-1, reverse=False, inclusive=True):
    """Raises AssertionError unless each segment of y is its own scan."""
    oracle.check(op, x, y, axis=axis, reverse=reverse, inclusive=inclusive,
                 reset=reset != 0)  # fmt: skip


def draw_resets(r, shape):
    """From none at all to one at each element."""
    rng = np.random.default_rng(r.getrandbits(32))
    if r.random() < 0.3:
        # Long segments in some lines, short ones in others.
        return rng.random(shape) < 10 ** rng.uniform(-4, 0, (*shape[:-1], 1))
    return rng.random(shape) < r.choice([0, 1e-3, 0.01, 0.1, 0.5, 1])


def check_random_scans(engine, op, name, seed, count, most, passes=None):
    dtype = numpy_dtype(name)
    for i in range(count):
        r = random.Random(f"resets {seed} {i}")
        engine.set_seed(seed * 1000 + i)
        x = draw_view(r, draw_input(r, op, dtype, most))
        reset = draw_resets(r, x.shape)
        options = {
            "axis": r.randrange(x.ndim),
            "reverse": r.random() < 0.5,
            "inclusive": r.random() < 0.5,
        }
        geometry = draw_geometry(r, engine.tuning)
        y, _ = scan(engine, op, x, geometry=geometry, passes=passes, reset=reset,
                    **options)  # fmt: skip
        try:
            check_segments(op, x, y, reset, **options)
        except AssertionError as error:
            raise AssertionError(f"case {i}, {vars(geometry)}: {error}") from None


@pytest.mark.parametrize(("op", "name"), CASES)
def test_random_segments_keep_the_contract(engine, op, name):
    check_random_scans(engine, op, name, 0, 10, 5000)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("seed", range(2, 4))
def test_random_segments_in_small_tiles_keep_the_contract(small_engine, op, name, seed):
    check_random_scans(small_engine, op, name, seed, 15, 1500)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("seed", range(5, 7))
def test_segments_keep_the_contract_with_look_back(small_engine, op, name, seed):
    check_random_scans(small_engine, op, name, seed, 8, 5000, LOOK_BACK)


PASSES = pytest.mark.parametrize("passes", [THREE_PASSES, LOOK_BACK])


@PASSES
@pytest.mark.parametrize(("op", "name"), CASES)
def test_segments_of_several_short_lines_of_a_thread(small_engine, op, name, passes):
    for i in range(8):
        r = random.Random(f"short {op} {name} {i}")
        small_engine.set_seed(i)
        x, geometry = draw_short_lines(r, small_engine, op, numpy_dtype(name))
        reset = draw_resets(r, x.shape)
        options = {"reverse": r.random() < 0.5, "inclusive": r.random() < 0.5}
        y, _ = scan(small_engine, op, x, 1, geometry=geometry, passes=passes,
                    reset=reset, **options)  # fmt: skip
        check_segments(op, x, y, reset, axis=1, **options)


@PASSES
@pytest.mark.parametrize("name", ["uint32", "float16", "float32", "complex64"])
@pytest.mark.parametrize("op", ["cumprod", "cumsum"])
def test_a_scan_without_a_reset_has_the_bits_of_one_that_knows_none(
    small_engine, passes, op, name
):
    kinds = {"uint32": "any_bits", "complex64": "turning"}
    x = values.make(kinds.get(name, "near_one"), numpy_dtype(name), (3000,), 0)
    none = np.zeros(x.shape, bool)
    plain, _ = scan(small_engine, op, x, passes=passes, geometry=Geometry(tiles=2))
    y, _ = scan(small_engine, op, x, passes=passes, geometry=Geometry(tiles=2),
                reset=none)  # fmt: skip
    assert y.tobytes() == plain.tobytes()


@PASSES
@pytest.mark.parametrize("name", ["float16", "float32", "complex64"])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("special", [1e38, 1e-38, 0, np.inf, np.nan])
def test_what_leaves_the_range_before_a_reset_is_forgotten(
    small_engine, passes, name, inclusive, special
):
    """Around the end of a tile, which is that of a chunk."""
    dtype = numpy_dtype(name)
    tile = small_engine.tuning.threads * small_engine.tuning.items(dtype.itemsize)
    rng = np.random.default_rng(1)
    for place in range(tile - 4, tile + 3):
        for distance in (1, 2, 3, 9, tile):
            x = rng.choice([1, -1, 1.5, 1 / 1.5], 3 * tile).astype(dtype)
            with np.errstate(all="ignore"):
                x[place : place + 2] = np.array(special, np.float64).astype(dtype)
            reset = np.zeros(x.shape, bool)
            reset[place + distance] = True
            for op in ("cumprod", "cumsum"):
                y, _ = scan(small_engine, op, x, inclusive=inclusive, passes=passes,
                            geometry=Geometry(tiles=1), reset=reset)  # fmt: skip
                check_segments(op, x, y, reset, inclusive=inclusive)


@PASSES
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("op", OPS)
def test_an_exclusive_scan_has_the_identity_at_a_reset(
    small_engine, passes, reverse, op
):
    x = np.full((3, 700), 3, np.float32)
    reset = np.random.default_rng(2).random(x.shape) < 0.02
    y, _ = scan(small_engine, op, x, 1, reverse, inclusive=False, passes=passes,
                geometry=Geometry(tiles=1), reset=reset)  # fmt: skip
    identity = {"cumprod": 1, "cumsum": 0, "cummin": np.inf}.get(op, -np.inf)
    assert (y[reset] == identity).all()


@pytest.mark.parametrize("name", ["float32", "float16", "complex64"])
@pytest.mark.parametrize("op", OPS)
def test_bits_do_not_depend_on_the_order_of_threads(engine, op, name):
    if (op, name) not in CASES:
        pytest.skip("computed as float32")
    kind = "turning" if name == "complex64" else "near_one"
    x = values.make(kind, numpy_dtype(name), (30011,), 3)
    reset = np.random.default_rng(3).random(x.shape) < 1e-3
    results = set()
    for seed in range(4):
        engine.set_seed(seed)
        y, _ = scan(engine, op, x, geometry=Geometry(tiles=2), reset=reset)
        results.add(y.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("shape", "axis"), [((100003,), 0), ((5000, 16), 0)])
def test_traffic(engine, shape, axis):
    """A pass reads one more byte for each element."""
    x = np.ones(shape, np.float32)
    reset = np.zeros(shape, bool)
    _, moved = scan(engine, "cumprod", x, axis, reset=reset)
    assert (moved <= (1.27, 1.02)).all()
    _, moved = scan(engine, "cumprod", x, axis, reset=reset, geometry=Geometry(tiles=4))
    assert (moved <= (2.55, 1.1)).all()


@PASSES
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("name", ["float32", "float16", "uint64", "complex64"])
def test_any_byte_but_0_is_a_reset_wherever_lines_begin(
    small_engine, passes, name, inclusive
):
    """Flags come in vectors of 16 where lines allow it, else in fours or one by one."""
    rng = np.random.default_rng(4)
    for shape, axis in [((5, 203), 1), ((7, 64), 1), ((97, 48), 0), ((61, 100), 0),
                        ((50, 37), 0), ((3, 40, 6), 1)]:  # fmt: skip
        x = rng.choice([1, 2, 3], shape).astype(numpy_dtype(name))
        reset = rng.integers(1, 256, shape, np.uint8) * (rng.random(shape) < 0.1)
        y, _ = scan(small_engine, "cumsum", x, axis, inclusive=inclusive,
                    passes=passes, reset=reset)  # fmt: skip
        check_segments("cumsum", x, y, reset, axis, inclusive=inclusive)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_a_reset_forgets_how_large_elements_were(small_engine, name):
    """A sum of small elements is not scaled like the large ones before a reset, and
    large ones before it still count for the results there."""
    dtype = numpy_dtype(name)
    items = small_engine.tuning.items(dtype.itemsize)
    tile = small_engine.tuning.threads * items
    small, large = (6e-8, 6e4) if name == "float16" else (1e-38, 3e38)
    for place in range(1, 4):
        x = np.full(2 * tile, small).astype(dtype)
        x[:items] = 0
        x[:place] = 1
        x[tile : tile + 3] = np.array([large, large, -large]).astype(dtype)
        reset = np.zeros(x.shape, bool)
        reset[[place, tile, tile + place]] = True
        y, _ = scan(small_engine, "cumsum", x, passes=LOOK_BACK, reset=reset)
        check_segments("cumsum", x, y, reset)


def test_flags_beyond_their_buffer_are_not_read(engine):
    x = np.ones(5000, np.float32)
    with pytest.raises(Refused, match="outside buffer 5"):
        scan(Less(engine, 5), "cumprod", x, reset=x == 1)


def test_each_scan_on_the_gpu_has_one_with_resets():
    assert {*reset_dtypes()} == {*table()}
    for (op, _), computed in reset_dtypes().items():
        assert reset_dtypes()[op, computed] == computed
    assert RESET_BYTES % 16 == 0
