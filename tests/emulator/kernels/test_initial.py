"""Scans with initial values: the kernels against the exact oracle, where an initial
value is one element more."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from scans import LOOK_BACK, THREE_PASSES, Geometry, Refused, scan
from test_kernels import (
    CASES,
    Less,
    draw_geometry,
    draw_input,
    draw_short_lines,
    draw_view,
    numpy_dtype,
)

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
import oracle

# Some of which every kernel of a size and kind is one.
FEW = [
    (op, dtype)
    for op, dtype in CASES
    if dtype in ("float32", "float16", "uint64", "uint8", "complex64")
]


def check_from(engine, op, x, initial, axis, reverse, **options):
    """The results are those of lines that are one element longer."""
    y, _ = scan(engine, op, x, axis, reverse, initial=initial, include_initial=True,
                **options)  # fmt: skip
    lines = np.delete(x.shape, axis)
    first = np.broadcast_to(np.asarray(initial, x.dtype), tuple(lines))
    parts = [np.expand_dims(first, axis), x]
    longer = np.concatenate(parts[::-1] if reverse else parts, axis)
    oracle.check(op, longer, y, axis=axis, reverse=reverse)
    for inclusive in (True, False):
        rest, _ = scan(engine, op, x, axis, reverse, inclusive, initial=initial,
                       **options)  # fmt: skip
        begin = int(inclusive != reverse)
        part = np.moveaxis(y, axis, 0)[begin : begin + x.shape[axis]]
        assert np.moveaxis(rest, axis, 0).tobytes() == part.tobytes()


def check_random_scans(engine, op, name, seed, count, most, passes=None):
    dtype = numpy_dtype(name)
    for i in range(count):
        r = random.Random(f"initial {seed} {i}")
        engine.set_seed(seed * 1000 + i)
        x = draw_view(r, draw_input(r, op, dtype, most))
        axis = r.randrange(x.ndim)
        pool = draw_input(r, op, dtype, most).ravel()
        initial = pool[0]
        if r.random() < 0.8:
            initial = np.resize(pool, tuple(np.delete(x.shape, axis)))
        geometry = draw_geometry(r, engine.tuning)
        try:
            check_from(engine, op, x, initial, axis, r.random() < 0.5,
                       geometry=geometry, passes=passes)  # fmt: skip
        except AssertionError as error:
            where = f"case {i}, {x.shape} along {axis}, {vars(geometry)}"
            raise AssertionError(f"{where}: {error}") from None


@pytest.mark.parametrize(("op", "name"), CASES)
def test_lines_go_on_from_initial_elements(engine, op, name):
    check_random_scans(engine, op, name, 0, 2, 3000)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("passes", [THREE_PASSES, LOOK_BACK])
def test_initial_elements_of_lines_in_small_tiles(small_engine, op, name, passes):
    check_random_scans(small_engine, op, name, 1, 3, 1500, passes)


@pytest.mark.parametrize(("op", "name"), CASES)
@pytest.mark.parametrize("passes", [THREE_PASSES, LOOK_BACK])
def test_initial_elements_of_several_short_lines_of_a_thread(
    small_engine, op, name, passes
):
    dtype = numpy_dtype(name)
    for i in range(4):
        r = random.Random(f"short {op} {name} {i}")
        small_engine.set_seed(i)
        x, geometry = draw_short_lines(r, small_engine, op, dtype)
        pool = draw_input(r, op, dtype, 1500).ravel()
        initial = np.resize(pool, (x.shape[0], x.shape[2]))
        check_from(small_engine, op, x, initial, 1, r.random() < 0.5,
                   geometry=geometry, passes=passes)  # fmt: skip


@pytest.mark.parametrize(("op", "name"), FEW)
@pytest.mark.parametrize("passes", [THREE_PASSES, LOOK_BACK])
def test_an_initial_one_for_all_lines(small_engine, op, name, passes):
    x = np.ones((3, 500, 2), numpy_dtype(name))
    for group in (1, 2):
        check_from(small_engine, op, x, 2, 1, False, passes=passes,
                   geometry=Geometry(group=group, look_back_set=group))  # fmt: skip


def test_initial_values_beyond_their_buffer_are_not_read(engine):
    x = np.ones((50, 100), np.float32)
    with pytest.raises(Refused, match="outside buffer 6"):
        scan(Less(engine, 6), "cumprod", x, initial=np.ones(50))
