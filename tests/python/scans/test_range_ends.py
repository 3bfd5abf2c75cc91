"""Products near an end of the range of their dtype: results that are subnormal, round
to zero or overflow, in the middle of registers, blocks and tiles or where these end,
and what comes after."""

import ml_dtypes
import numpy as np
import pytest
import upsweep
from support import FLOATS, bits, checked_scan, cpu_only, numpy_dtype, stream_for

# Blocks of 8 or 16 lanes by up to 64 rows, and tiles of 64 KiB.
EDGES = [1, 7, 8, 15, 16, 63, 64, 65, 127, 511, 512, 513, 1023, 1024, 1025, 2048, 2500]
FLAGS = [
    {"reverse": reverse, "inclusive": inclusive}
    for reverse in (False, True)
    for inclusive in (True, False)
]


def exponents(dtype):
    """Of the smallest subnormal number, the smallest normal and the largest one."""
    info = ml_dtypes.finfo(dtype)
    least = int(np.log2(float(info.smallest_normal)))
    return least - info.nmant, least, info.maxexp - 1


def factors(levels, dtype):
    """Factors whose products are about 2^level; signs are mixed. Levels are whole, so
    that factors of short dtypes are exact."""
    steps = np.diff(np.round(levels), prepend=0)
    signs = np.where(np.arange(len(steps)) % 5 == 3, -1.0, 1.0)
    return (signs * np.exp2(np.clip(steps, *limits(dtype)))).astype(dtype)


def limits(dtype):
    lowest, _, most = exponents(dtype)
    return lowest, most


def hovering(rng, dtype, n, end):
    """Levels near an end: deep in the subnormal numbers and out of them, or below
    infinity."""
    lowest, least, most = exponents(dtype)
    low, high = (lowest + 1, least + 3) if end == "low" else (most - 5, most - 1)
    return rng.uniform(low, high, n)


def line(rng, dtype, n, end, leave=None, then=None):
    """A line that hovers near an end, leaves the range at one place and would come back
    if it had not left. `then` is put some way behind."""
    x = factors(hovering(rng, dtype, n, end), dtype)
    if dtype.itemsize > 2:  # not only powers of two
        wobble = np.exp2(rng.uniform(-0.4, 0.4, n))
        x = (x * wobble / np.roll(wobble, 1)).astype(dtype)
    if leave is not None and leave < n:
        _, _, most = exponents(dtype)
        out = 2.0 ** -(most - 1) if end == "low" else 2.0 ** (most - 1)
        x[leave] = out
        x[leave + 1 : leave + 3] = 1 / out
        if then is not None and leave + 40 < n:
            x[leave + 40] = then
    return x


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", FLOATS)
def test_products_that_hover(name, end):
    dtype, rng = numpy_dtype(name), np.random.default_rng(1)
    for i, (shape, axis) in enumerate(
        [((2600,), 0), ((20, 70), 0), ((37, 68), 0), ((90, 4), 1), ((20, 300), 1)]
    ):
        n = shape[axis]
        lines = [line(rng, dtype, n, end) for _ in range(np.prod(shape) // n)]
        x = np.stack(lines, axis=1 - axis) if len(shape) > 1 else lines[0]
        for flags in (FLAGS[i % 4], FLAGS[(i + 3) % 4]):
            y = x[::-1] if flags["reverse"] and axis == 0 else x
            checked_scan("cumprod", y, y, axis=axis, **flags)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", FLOATS)
def test_lines_that_leave_the_range(name, end):
    dtype, rng = numpy_dtype(name), np.random.default_rng(2)
    thens = [None, 0.0, -0.0, np.inf, -np.inf, np.nan, -1.0]
    for i, leave in enumerate(EDGES):
        x = line(rng, dtype, 2700, end, leave, thens[i % len(thens)])
        flags = FLAGS[i % 4]
        x = x[::-1] if flags["reverse"] else x
        checked_scan("cumprod", np.ascontiguousarray(x), x, **flags)
        checked_scan("cumprod", x, x, **flags)  # with negative steps, or not
        y = np.repeat(x, 2)
        checked_scan("cumprod", y[::2], x, **flags)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", FLOATS)
def test_short_lines_that_leave_the_range_at_different_places(name, end):
    dtype, rng = numpy_dtype(name), np.random.default_rng(3)
    thens = [None, 0.0, -0.0, np.inf, -np.inf, np.nan, -1.0]
    for i, n in enumerate([4, 16, 63, 64, 65, 200]):
        lines = [
            line(rng, dtype, n, end, int(rng.integers(0, 2 * n)), thens[k % 7])
            for k in range(33)
        ]
        x = np.stack(lines)
        for axis, a in enumerate([np.ascontiguousarray(x.T), x]):
            flags = FLAGS[(i + axis) % 4]
            a = np.flip(a, axis) if flags["reverse"] else a
            checked_scan("cumprod", a, a, axis=axis, **flags)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", FLOATS)
def test_few_columns_and_slabs_that_leave_the_range(name, end):
    """Columns that no register is full of, beside each other and in slabs."""
    dtype, rng = numpy_dtype(name), np.random.default_rng(6)
    thens = [None, 0.0, -0.0, np.inf, -np.inf, np.nan, -1.0]
    for i, (n, width, slabs) in enumerate(
        [(2700, 2, 1), (40_000, 3, 1), (3000, 7, 1), (5, 3, 40), (70, 2, 33)]
    ):
        lines = [
            line(rng, dtype, n, end, int(rng.integers(0, 2 * n)), thens[k % 7])
            for k in range(min(width * slabs, 40))
        ]
        x = np.resize(np.stack(lines), (slabs, width, n)).swapaxes(1, 2)
        for flags in (FLAGS[i % 4], FLAGS[(i + 1) % 4]):
            a = np.ascontiguousarray(np.flip(x, 1) if flags["reverse"] else x)
            checked_scan("cumprod", a, a, axis=1, **flags)


@pytest.mark.parametrize("special", [0.0, -0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", FLOATS)
def test_special_elements_of_lines_within_the_range(name, special):
    dtype, rng = numpy_dtype(name), np.random.default_rng(4)
    for i, edge in enumerate(EDGES):
        x = factors(rng.integers(-3, 3, 2700), dtype)
        x[edge] = special
        x[edge + 20] = [0.0, np.inf, -np.inf, np.nan][i % 4]
        flags = FLAGS[i % 4]
        x = x[::-1] if flags["reverse"] else x
        checked_scan("cumprod", np.ascontiguousarray(x), x, **flags)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_subnormal_factors_and_their_inverses(name):
    dtype, rng = numpy_dtype(name), np.random.default_rng(5)
    lowest, least, most = exponents(dtype)
    x = np.exp2(rng.uniform(lowest + 2, least - 1, (33, 130))).astype(dtype)
    x[:, ::2] = (1 / np.maximum(x[:, 1::2], 2.0 ** (1 - most)) / 2).astype(dtype)
    x[3, 50] = 0
    for axis, a in enumerate([np.ascontiguousarray(x.T), x]):
        for flags in FLAGS:
            checked_scan("cumprod", a, a, axis=axis, **flags)


@pytest.mark.parametrize("name", FLOATS)
def test_a_line_of_several_tiles_that_leaves_the_range_in_a_later_one(name):
    dtype = numpy_dtype(name)
    tile = 65536 // dtype.itemsize
    _, _, most = exponents(dtype)
    for i, leave in enumerate([tile - 1, tile, tile + 1, 2 * tile + 700]):
        x = np.ones(3 * tile + 77, dtype)
        x[::997] = -1
        end = 2.0 ** (most - 1) if i % 2 else 2.0 ** -(most - 1)
        x[100] = end  # all but the first results are near the end
        x[leave : leave + 2] = end
        x[leave + 2 : leave + 6] = 1 / end
        x[leave + 5000] = [-1, 0, np.inf, np.nan][i]
        flags = FLAGS[i]
        x = np.ascontiguousarray(x[::-1]) if flags["reverse"] else x
        checked_scan("cumprod", x, x, **flags)


@pytest.fixture
def three_threads():
    before = upsweep.set_num_threads(3)
    yield
    upsweep.set_num_threads(before)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    ("op", "first", "later"),
    [
        ("cumprod", 0.0, -1.0),
        ("cumprod", -0.0, np.inf),
        ("cumprod", np.inf, -0.0),
        ("cumprod", -np.inf, np.nan),
        ("cumsum", np.inf, np.inf),
        ("cumsum", -np.inf, np.inf),
    ],
)
@pytest.mark.usefixtures("three_threads")
def test_threads_share_a_line_that_left_the_range(op, first, later, name, reverse):
    """The results are those of a loop: special values need no rounding."""
    dtype, rng = numpy_dtype(name), np.random.default_rng(6)
    n = (1 << 19) + 29
    x = rng.choice([-1.0, 1.0, 1.5], n).astype(dtype)
    x[3] = first
    x[n // 2] = -1
    x[n * 3 // 4] = later
    ufunc = np.multiply if op == "cumprod" else np.add
    with np.errstate(invalid="ignore"):
        expected = ufunc.accumulate(x.astype(np.float64)).astype(dtype)
    a = upsweep.asarray(np.ascontiguousarray(x[::-1]) if reverse else x)
    y = np.asarray(getattr(upsweep, op)(a, reverse=reverse, stream=stream_for(name)))
    y = y[::-1] if reverse else y
    known = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(y), known)
    np.testing.assert_array_equal(bits(y)[~known], bits(expected)[~known])


@cpu_only
@pytest.mark.parametrize("n", [513, 2048, 3 << 17])
@pytest.mark.parametrize("initial", [None, -1.0])
@pytest.mark.usefixtures("three_threads")
def test_sums_of_numbers_whose_own_sum_overflows(initial, n):
    """Each prefix is in the range, also where the sum of every second element is not,
    or that of all without the initial value. They are multiples of one power of two."""
    large, x = 2.0**1023, np.zeros(n)
    if initial is None:
        x[::2], x[1::2] = large, -large
        expected = np.where(np.arange(n) % 2 == 0, large, 0.0)
    else:
        x[[3, 100]], initial = large, -large
        expected = np.where(np.arange(n) < 3, -large, 0.0)
        expected[100:] = large
    y = np.asarray(upsweep.scan(x, "sum", initial=initial))
    np.testing.assert_array_equal(y, expected)


def test_nan_late_in_a_block_hides_nothing_before_it():
    """What is small early in a block would be too small for its stripes."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.9, 1.1, 704)
    x[:64] *= 2.0**13
    x[3:64:8] = 2.0**-131 * rng.uniform(1, 1.9, 8)
    for place in (451, 460, 511, 600):
        with_nan = x.copy()
        with_nan[place] = np.nan
        checked_scan("cumprod", with_nan, with_nan)
