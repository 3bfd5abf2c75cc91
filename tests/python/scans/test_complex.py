"""Scans of complex64, in every geometry: one part overflows, underflows, or is infinite
or NaN while the other is not; and ties of maxima."""

import itertools

import numpy as np
import pytest
import upsweep
from support import bits, check_nans, checked_general_scan, checked_scan, cpu_only
from values import make
from views import apply

C64 = np.dtype(np.complex64)
INF, NAN = np.inf, np.nan
FLAGS = [
    {"reverse": reverse, "inclusive": inclusive}
    for reverse in (False, True)
    for inclusive in (True, False)
]
STRIDED = [("slice", (Ellipsis, slice(None, None, 2)))]
# Shapes and axes: one line in stripes, and of two tiles; columns, rows, few columns,
# slabs, and every second element of rows.
GEOMETRIES = [
    ((1500,), 0, []),
    ((9000,), 0, []),
    ((150, 19), 0, []),
    ((11, 150), 1, []),
    ((700, 5), 0, []),
    ((20, 40, 3), 1, []),
    ((9, 200), 1, STRIDED),
]
HUGE, TINY = 2.0**100, 2.0**-100
# Each test plants one of these in a line of factors on the unit circle.
PRODUCTS = {
    "real part infinite": [complex(INF, 1)],
    "imaginary part infinite": [complex(0, -INF)],
    "both parts infinite": [complex(INF, INF)],
    "real part NaN": [complex(NAN, 2)],
    "another NaN": [complex(-NAN, 2)],
    "imaginary part NaN": [complex(2, NAN)],
    "zero": [0],
    "negative zero": [complex(-0.0, -0.0)],
    "zero times infinity": [0, 1j, complex(INF, 0)],
    "out at the top": [HUGE, HUGE * 1j, TINY, TINY],
    "out at the bottom": [TINY, TINY * (1 + 1j), HUGE, HUGE],
    "close to the top": [HUGE, 2.0**27 * 1j, 2.0**-27, TINY],
    "subnormal": [TINY, 2.0**-40 * (1 - 1j), 2.0**40, HUGE],
    "as far as a float goes": [HUGE, TINY, TINY, 2.0**-45, 2.0**45, HUGE],
}


def check(op, x, steps, **options):
    """Scans a view of x, and expects one kind of NaN."""
    view, a = apply(np, x, steps), apply(upsweep, upsweep.asarray(x), steps)
    checked_scan(op, a, view, **options)
    y = np.asarray(getattr(upsweep, op)(a, **options))
    check_nans(y.reshape(-1).view(np.float32))


def planted(shape, axis, event, place):
    """Factors on the unit circle, with an event in some of the lines, further on in
    each of these."""
    x = make("turning", C64, shape, place)
    lines = np.moveaxis(x, axis, -1)
    length = lines.shape[-1]
    for number, at in enumerate(np.ndindex(lines.shape[:-1])):
        if number % 3 == 0:
            first = (length * place // 8 + 7 * number) % length
            lines[at][first : first + len(event)] = event[: length - first]
    return x


@pytest.mark.parametrize("event", PRODUCTS)
@pytest.mark.parametrize(("shape", "axis", "steps"), GEOMETRIES)
def test_products(shape, axis, steps, event):
    for place in (1, 5):
        x = planted(shape, axis, PRODUCTS[event], place)
        number = place + len(event) + len(shape)
        check("cumprod", x, steps, axis=axis, **FLAGS[number % 4])


def see_saw(n, period):
    """Prefixes are in the range, products of every so many elements are not."""
    half = [2.0**120, 2.0**-120] * (period // 4)
    x = make("turning", C64, (n,), period)
    return x * np.resize(np.array([1 / v for v in half] + half, np.float32), n)


@pytest.mark.parametrize("period", [4, 8, 16, 32])
def test_products_of_lanes_that_leave_the_range(period):
    x = see_saw(3000, period)
    checked_scan("cumprod", x, x)
    checked_scan("cumprod", x.reshape(600, 5), x.reshape(600, 5), axis=0)


def test_long_products_keep_their_accuracy():
    x = make("turning", C64, (2**16 + 77,), 3)
    assert checked_scan("cumprod", x, x) < 2
    assert checked_scan("cumprod", x.reshape(-1, 3), x.reshape(-1, 3), axis=0) < 2


def zero_signs(y):
    return np.signbit(np.stack([y.real, y.imag]))


@cpu_only
@pytest.mark.parametrize(("shape", "axis", "steps"), GEOMETRIES)
def test_zeros_have_the_signs_of_the_formula(shape, axis, steps):
    rng = np.random.default_rng(len(shape))
    x = rng.choice([-1, 1, -1j, 1j, 1 - 1j], shape).astype(C64)
    x += rng.choice([0.0, -0.0], shape).astype(np.float32)
    lines = np.moveaxis(x, axis, -1)
    lines[..., 0] = rng.choice([0, complex(-0.0, 0.0), -0.0], lines.shape[:-1])
    view, a = apply(np, x, steps), apply(upsweep, upsweep.asarray(x), steps)
    y = np.asarray(upsweep.cumprod(a, axis=axis))
    assert not y.any()
    expected = np.multiply.accumulate(view, axis=axis)
    assert np.array_equal(zero_signs(y), zero_signs(expected))


MOST = float(np.finfo(np.float32).max)
SUMS = {
    "real part infinite": [complex(INF, 1)],
    "imaginary part NaN": [complex(2, -NAN)],
    "infinities of both signs": [complex(INF, 0), complex(1, -INF), complex(-INF, 1)],
    "out at the top": [complex(MOST, 1), complex(MOST, 1), complex(-MOST, 1)],
    "out at both ends": [complex(MOST, -MOST)] * 2 + [complex(-MOST, MOST)] * 2,
    "cancelling": [complex(MOST, -MOST), complex(-MOST, MOST)],
    "negative zeros": [complex(-0.0, -0.0)] * 9,
}


@pytest.mark.parametrize("event", SUMS)
@pytest.mark.parametrize(("shape", "axis", "steps"), GEOMETRIES)
def test_sums(shape, axis, steps, event):
    for place in (0, 5):
        x = planted(shape, axis, SUMS[event], place)
        number = place + len(event) + len(shape)
        check("cumsum", x, steps, axis=axis, **FLAGS[number % 4])


RESETS = [((1500,), 0), ((150, 8), 0), ((150, 19), 0), ((11, 150), 1)]


@pytest.mark.parametrize(
    ("op", "event"),
    [
        *(("prod", name) for name in PRODUCTS),
        *(("sum", name) for name in SUMS),
        *((op, "real part NaN") for op in ("max", "min")),
    ],
)
@pytest.mark.parametrize(("shape", "axis"), RESETS)
def test_resets(shape, axis, op, event):
    """Lines start again after what took them out of the range, and elsewhere."""
    values = {**SUMS, **PRODUCTS}[event]
    x = planted(shape, axis, values, 3)
    rng = np.random.default_rng(len(values))
    ordinary = np.isfinite(x) & (np.abs(np.abs(x) - 1) < 0.01)
    reset = ordinary & (rng.random(shape) < 0.1)
    options = {"axis": axis, "reset": reset, "inclusive": len(values) % 2 == 0}
    checked_general_scan(op, x, x, **options)
    y = np.asarray(upsweep.scan(x, op, **options))
    check_nans(y.reshape(-1).view(np.float32))


def first_of_equal(op, line, inclusive):
    """The scan of a line by the rule: a later number wins only if it is beyond."""
    sign = 1 if op == "cummax" else -1
    best, out = complex(-sign * INF, -sign * INF), []
    for x in line.tolist():
        before = best
        if best == best:
            if x != x:
                best = complex(NAN, NAN)
            elif (sign * x.real, sign * x.imag) > (sign * best.real, sign * best.imag):
                best = x
        out.append(best if inclusive else before)
    return out


PARTS = {
    "ties": [0.0, -0.0, -1.0],
    "positive zeros": [0.0, -1.0, 1e-45],
    "ends": [INF, -INF, MOST, -MOST, 1e-45, -1e-45],
    "NaN": [*range(-50, 50), NAN],
}


@pytest.mark.parametrize("op", ["cummax", "cummin"])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("shape", "axis", "steps"), [*GEOMETRIES, ((40_003,), 0, [])])
def test_maxima_and_minima(shape, axis, steps, parts, op):
    rng = np.random.default_rng(len(shape))
    x = rng.choice(np.array(PARTS[parts], np.float32), (*shape, 2)).view(C64)[..., 0]
    # Most elements lose, and ties come late.
    x = np.where(rng.random(shape) < 0.9, np.complex64(-1 - 1j), x)
    if op == "cummin":
        x = -x
    view, a = apply(np, x, steps), apply(upsweep, upsweep.asarray(x), steps)
    for flags in FLAGS:
        back = slice(None, None, -1 if flags["reverse"] else 1)
        lines = np.moveaxis(view, axis, -1)[..., back].reshape(-1, view.shape[axis])
        expected = np.array(
            [first_of_equal(op, line, flags["inclusive"]) for line in lines], C64
        )
        y = np.asarray(getattr(upsweep, op)(a, axis=axis, **flags))
        found = np.moveaxis(y, axis, -1)[..., back].reshape(expected.shape)
        assert np.array_equal(
            bits(np.ascontiguousarray(found).view(np.float32)),
            bits(expected.view(np.float32)),
        )


@pytest.fixture
def threads():
    before = upsweep.get_num_threads()
    yield upsweep.set_num_threads
    upsweep.set_num_threads(before)


LONG = [((150_001,), 0), ((40_000, 5), 0), ((9000, 24), 0), ((3, 50_000), 1)]


@pytest.mark.parametrize("kind", ["turning", "spiral", "complex_specials", "see-saw"])
@pytest.mark.parametrize(("shape", "axis"), LONG)
def test_bits_do_not_depend_on_threads(threads, shape, axis, kind):
    n = int(np.prod(shape))
    x = see_saw(n, 8) if kind == "see-saw" else make(kind, C64, (n,), 1)
    x = x.reshape(shape)
    for op, reverse in itertools.product(
        ["cumprod", "cumsum", "cummax"], [False, True]
    ):
        found = set()
        for count in (1, 2, 3):
            threads(count)
            y = np.asarray(getattr(upsweep, op)(x, axis=axis, reverse=reverse))
            found.add(y.tobytes())
        assert len(found) == 1
