"""Look-back where results leave the range: the first exit of a line counts, in
whichever tile it is, and no tile knows of the others' before it asks."""

import numpy as np
import oracle
import pytest
from scans import LOOK_BACK, LOOK_BACKS, Geometry, scan
from test_kernels import numpy_dtype

# Many tiles, of one line or of several.
SHAPES = [((3000, 1), 1), ((1500, 3), 4), ((600, 10), 16)]
EACH_LOOK_BACK = pytest.mark.parametrize(
    "shape", LOOK_BACKS, ids=lambda each: "-".join(map(str, each.values()))
)


def check(engine, op, x, columns, look_back, **options):
    geometry = Geometry(span=30, column_threads=columns, **look_back)
    y, _ = scan(engine, op, x, 0, passes=LOOK_BACK, geometry=geometry, **options)
    oracle.check(op, x, y, axis=0, **options)


@EACH_LOOK_BACK
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize(("extents", "columns"), SHAPES)
def test_the_first_of_many_exits(small_engine, name, extents, columns, shape):
    rng = np.random.default_rng(7)
    # The exponent of a product goes up and down by turns of 400 elements, to
    # either end of the range and beyond, and begins elsewhere in each line.
    place = np.arange(extents[0])[:, None] + 131 * np.arange(extents[1])
    level = {"float16": 40}.get(name, 300) * np.sin(place / 400 * 2 * np.pi)
    steps = np.diff(level, axis=0, prepend=level[:1])
    x = np.exp2(steps) * rng.choice([1, -1], extents)
    check(small_engine, "cumprod", x.astype(numpy_dtype(name)), columns, shape)


@EACH_LOOK_BACK
@pytest.mark.parametrize("edge", [2.7e38, 2e-38, 2e-45])
@pytest.mark.parametrize("inclusive", [True, False])
def test_a_walk_along_the_edge(small_engine, edge, inclusive, shape):
    """Every tile is in doubt; one of them leaves the range, or none."""
    for last in (1, edge):
        x = np.ones((2000, 1), np.float32)
        x[0] = edge
        x[1::2], x[2::2] = 1.25, 0.8
        x[1700] *= last
        check(small_engine, "cumprod", x, 1, shape, inclusive=inclusive)


@EACH_LOOK_BACK
@pytest.mark.parametrize("special", [0, -np.inf, np.nan])
def test_special_elements_after_an_exit(small_engine, special, shape):
    for exit_at, special_at in ((95, 700), (700, 95), (1005, 1010)):
        for factor in (2.0**100, -(2.0**-100)):
            x = np.full((1500, 1), 1.001, np.float32)
            x[exit_at : exit_at + 2] = factor
            x[special_at] = special
            check(small_engine, "cumprod", x, 1, shape)


@EACH_LOOK_BACK
def test_sums_that_leave_the_range(small_engine, shape):
    x = np.ones((1500, 3), np.float32)
    for line, sign in enumerate((1, -1, 1)):
        x[100 * line + 40 : 100 * line + 44, line] = sign * 1e38
        x[900:906, line] = -sign * 1e38  # would bring the sum back
    x[1200, 2] = -np.inf
    check(small_engine, "cumsum", x, 4, shape)


@EACH_LOOK_BACK
@pytest.mark.parametrize("op", ["cumprod", "cumsum"])
def test_exits_that_never_happened(small_engine, op, shape):
    """A line that has left the range would leave it again on the other side, if it
    had not; another line of the same tiles is in doubt later."""
    x = np.full((1500, 2), op == "cumprod", np.float32)
    if op == "cumprod":
        x[40:42, 0], x[100:104, 0], x[300:302, 1] = 2.0**-100, 2.0**100, 2.0**-100
    else:
        x[40:42, 0], x[100:104, 0], x[300:302, 1] = 3e38, -3e38, 3e38
    check(small_engine, op, x, 2, shape)
