"""The oracle's options: hand-computed cases, and failures on every seeded bug."""

import math

import ml_dtypes
import numpy as np
import pytest

from oracle import After, check, frexp, pairs
from oracle.conversion import convert

pytestmark = pytest.mark.own_isa

INF, NAN = math.inf, math.nan
HUGE = 2.0**127
BF16 = np.dtype(ml_dtypes.bfloat16)


def f32(*values):
    return np.array(values, np.float32)


def i32(*values):
    return np.array(values, np.int32)


BACK = {"reverse": True}
EXCLUSIVE = {"inclusive": False}
WITH_INITIAL = {"include_initial": True}
CUT = {"reset": np.array([False, False, True, False])}
OFFSETS = {"reset": np.array([0, 2, 2])}

# What follows a number, or the elements of another array.
INITIAL = [
    ("cumprod", f32(2, 3), f32(10, 30), {"initial": 5}),
    ("cumprod", f32(2, 3), f32(5, 10), {"initial": 5, **EXCLUSIVE}),
    ("cumprod", f32(2, 3), f32(30, 15), {"initial": 5, **BACK}),
    ("cumprod", f32(2, 3), f32(15, 5), {"initial": 5, **BACK, **EXCLUSIVE}),
    ("cumprod", f32(0.5), f32(INF), {"initial": After(f32(HUGE, 4))}),
    ("cumprod", f32(4), f32(4), {"initial": After(f32(1e-30, 1e30))}),
    ("cumprod", f32(4), f32(INF), {"initial": After(f32(4), INF)}),
    ("cumprod", f32(8), f32(2.0**-126), {"initial": After(f32(2.0**-126, 0.125))}),
    ("cumprod", i32(2), i32(120), {"initial": After(i32(3, 4), 5)}),
    ("cumsum", f32(1), f32(INF), {"initial": After(f32(HUGE, HUGE, -HUGE))}),
    ("cumsum", f32(-0.0), f32(0), {"initial": -0.0}),
    ("cumsum", np.array([True]), i32(6), {"initial": 5}),
    ("cumsum", np.complex64([1j]), np.complex64([2 + 1j]), {"initial": 2}),
    ("cummax", f32(0), f32(-0.0), {"initial": -0.0}),
    ("cummin", i32(3), i32(2), {"initial": After(i32(2, 9))}),
    ("logcumsumexp", f32(0), f32(math.log(2)), {"initial": 0}),
    ("logcumsumexp", f32(0), f32(math.log(3)), {"initial": After(f32(0, 0))}),
    ("cummax", i32([1, 5], [7, 2]), i32([3, 5], [7, 5]),
     {"axis": 0, "initial": [3, 4]}),
    ("cummax", i32([1, 5], [7, 2]), i32([3, 5], [7, 7]),
     {"axis": 1, "initial": [3, 4]}),
    ("cumsum", i32([1, 2]), i32([7, 6]),
     {"axis": 1, "initial": After(i32([1, 3])), **BACK}),
]  # fmt: skip
RESET = [
    ("cumprod", f32(2, 3, 4, 5), f32(2, 6, 4, 20), CUT),
    ("cumprod", f32(2, 3, 4, 5), f32(1, 2, 1, 4), {**CUT, **EXCLUSIVE}),
    ("cumprod", f32(2, 3, 4, 5), f32(24, 12, 4, 5), {**CUT, **BACK, "initial": None}),
    ("cumprod", f32(2, 3, 4, 5), f32(24, 12, 4, 35), {**CUT, **BACK, "initial": 7}),
    ("cumprod", f32(2, 3, 4, 5), f32(12, 4, 1, 7),
     {**CUT, **BACK, **EXCLUSIVE, "initial": 7}),
    ("cumprod", f32(NAN, 3, 4, 5), f32(NAN, NAN, 4, 20), CUT),
    ("cumprod", f32(HUGE, 4, 0.5, 1), f32(HUGE, INF, 0.5, 0.5), CUT),
    ("cumsum", f32(1, 2, 3, 4), f32(1, 3, 3, 7), OFFSETS),
    ("cumsum", f32(1, 2, 3, 4), f32(1, 3, 3, 7), {**OFFSETS, "initial": 9}),
    ("cumsum", f32(1, 2, 3, 4), f32(3, 2, 7, 4), {**OFFSETS, **BACK}),
    ("cumsum", f32(1, 2, 3, 4), f32(3, 2, 16, 13), {**OFFSETS, **BACK, "initial": 9}),
    ("cumsum", f32(1, 2), f32(3, 2), {"reset": np.array([2]), **BACK, "initial": 9}),
    ("cumsum", f32(1, 2), f32(10, 12), {"reset": np.array([2]), "initial": 9}),
    ("cumsum", f32([1, 2], [3, 4]), f32([1, 3], [3, 7]), {"reset": np.array([2])}),
    ("cumsum", f32([1, 2], [3, 4]), f32([1, 2], [4, 4]),
     {"axis": 0, "reset": np.array([[False, True], [False, True]])}),
]  # fmt: skip
ONE_MORE = [
    ("cumprod", f32(2, 3), f32(1, 2, 6), WITH_INITIAL),
    ("cumprod", f32(2, 3), f32(5, 10, 30), {**WITH_INITIAL, "initial": 5}),
    ("cumprod", f32(2, 3), f32(6, 3, 1), {**WITH_INITIAL, **BACK}),
    ("cumsum", f32(1, 2, 3, 4), f32(9, 10, 12, 3, 7),
     {**CUT, **WITH_INITIAL, "initial": 9}),
    ("cumsum", f32(1, 2), f32(9, 1, 3),
     {"reset": np.array([True, False]), **WITH_INITIAL, "initial": 9}),
    ("cumsum", f32(), f32(0), WITH_INITIAL),
    ("cummax", i32(), i32(7), {**WITH_INITIAL, "initial": After(i32(7, 3))}),
    ("cumsum", np.ones((2, 0)), np.full((2, 1), 3.0),
     {**WITH_INITIAL, "axis": 1, "initial": 3}),
]  # fmt: skip
SKIPS = {"skipna": True}
SKIPPED = [
    ("cumprod", f32(2, NAN, 3), f32(2, 2, 6), SKIPS),
    ("cumsum", f32(2, NAN, 3), f32(2, 2, 5), SKIPS),
    ("cumsum", np.complex64([1, complex(5, NAN)]), np.complex64([1, 1]), SKIPS),
    ("cummax", f32(NAN, 3), f32(-INF, 3), SKIPS),
    ("cummin", f32(NAN, 3), f32(INF, 3), SKIPS),
    ("cummax", np.complex64([complex(NAN, 1), 2]),
     np.complex64([complex(-INF, -INF), 2]), SKIPS),
    ("logcumsumexp", f32(NAN, 3), f32(-INF, 3), SKIPS),
    ("cumprod", f32(2, NAN), f32(NAN, NAN), {"initial": NAN, **SKIPS}),
    ("cumprod", i32(2, 3), i32(2, 6), SKIPS),
]  # fmt: skip
CONVERTED = [
    ("cumsum", f32(1.9, 1.9), i32(1, 2), {"dtype": "int32"}),
    ("cumsum", i32(200, 100), np.uint8([200, 44]), {"dtype": "uint8"}),
    ("cumsum", f32(300), np.uint8([255]), {"dtype": "uint8"}),
    ("cumprod", f32(4097), np.float16([4096]), {"dtype": "float16"}),
    ("cumprod", i32(2**30, 4), np.array([2.0**30, 2.0**32]), {"dtype": "float64"}),
    ("cumprod", f32(NAN, 0.5), np.array([True, True]), {"dtype": "bool"}),
]


@pytest.mark.parametrize(
    ("op", "x", "y", "options"), [*INITIAL, *RESET, *ONE_MORE, *SKIPPED, *CONVERTED]
)
def test_hand_computed_results_are_right(op, x, y, options):
    check(op, x, y, **options)


SEEDED_BUGS = [
    ("initial ignored", "cumprod", f32(2, 3), f32(2, 6), {"initial": 5}),
    ("initial at the wrong end", "cumsum", f32(1, 2), f32(6, 8),
     {"initial": 5, **BACK}),
    ("initial not in exclusive results", "cumsum", f32(1, 2), f32(0, 1),
     {"initial": 5, **EXCLUSIVE}),
    ("initial of another line", "cumsum", f32([1], [1]), f32([4], [3]),
     {"axis": 1, "initial": [2, 3]}),
    ("came back over the cut", "cumprod", f32(0.25), f32(HUGE),
     {"initial": After(f32(HUGE, 4))}),
    ("rounded at the cut", "cumsum", f32(2.0**-24), f32(1),
     {"initial": After(f32(1, 2.0**-24))}),
    ("rounded to a subnormal at the cut", "cumprod", f32(1e30),
     f32(np.float32(1e-40)) * f32(1e30), {"initial": After(f32(1e-20, 1e-20))}),
    ("flushed at the cut", "cumprod", f32(8), f32(0),
     {"initial": After(f32(2.0**-126, 0.125))}),
    ("sign lost at the cut", "cumprod", f32(2), f32(0), {"initial": After(f32(-0.0))}),
    ("last of equals over the cut", "cummax", f32(0), f32(0), {"initial": -0.0}),
    ("reset ignored", "cumsum", f32(1, 2, 3, 4), f32(1, 3, 6, 10), CUT),
    ("reset one late", "cumsum", f32(1, 2, 3, 4), f32(1, 3, 6, 4), CUT),
    ("reset starts from initial", "cumsum", f32(1, 2, 3, 4), f32(10, 12, 12, 16),
     {**CUT, "initial": 9}),
    ("first reset ignored", "cumsum", f32(1, 2), f32(10, 12),
     {"reset": np.array([0]), "initial": 9}),
    ("NaN over a reset", "cumprod", f32(0, NAN, 4, 5), f32(0, NAN, NAN, NAN), CUT),
    ("exclusive result of the last segment", "cumsum", f32(1, 2, 3, 4),
     f32(0, 1, 3, 3), {**CUT, **EXCLUSIVE}),
    ("mask as from the left", "cumsum", f32(1, 2, 3, 4), f32(3, 2, 7, 4),
     {**CUT, **BACK}),
    ("offsets as a mask", "cumsum", f32(1, 2, 3, 4), f32(6, 5, 3, 4),
     {**OFFSETS, **BACK}),
    ("first element lacks the initial", "cumsum", f32(1), f32(0, 6),
     {**WITH_INITIAL, "initial": 5}),
    ("initial first in memory", "cumsum", f32(1, 2), f32(0, 3, 2),
     {**WITH_INITIAL, **BACK}),
    ("NaN not skipped", "cumsum", f32(2, NAN, 3), f32(2, NAN, NAN), SKIPS),
    ("NaN as zero", "cumprod", f32(2, NAN, 3), f32(2, 0, 0), SKIPS),
    ("converted afterwards", "cumsum", f32(1.5, 1.5), i32(1, 3), {"dtype": "int32"}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "op", "x", "y", "options"), SEEDED_BUGS)
def test_seeded_bugs_are_found(error, op, x, y, options):
    with pytest.raises(AssertionError, match="wrong at index"):
        check(op, x, y, **options)


def test_both_branches_stay_legal_over_a_cut():
    """A product right at the threshold may be infinite or not when it is cut there."""
    before = f32(HUGE, 2 * (1 - 2.0**-24))
    for y in (f32(INF), f32(HUGE)):
        check("cumprod", f32(0.5 * (1 + 2.0**-23)), y, initial=After(before))
    rest = {"include_initial": True, "initial": After(before)}
    x = f32(0.5 * (1 + 2.0**-23))
    check("cumprod", x, f32(INF, INF), **rest)
    with pytest.raises(AssertionError, match="element 1 in scan order"):
        check("cumprod", x, f32(INF, HUGE), **rest)


FREXP = [
    (f32(2, 3), [0.5, 0.75], [2, 3], {}),
    (f32(HUGE, HUGE, HUGE), [0.5, 0.5, 0.5], [128, 255, 382], {}),
    (f32(2.0**-149, 0.5), [0.5, 0.5], [-148, -149], {}),
    (f32(-3, 0, 5, -1), [-0.75, -0.0, -0.0, 0], [2, 0, 0, 0], {}),
    (f32(INF, -1, 0), [INF, -INF, NAN], [0, 0, 0], {}),
    (f32(2, 3), [0.5, 0.5], [1, 2], EXCLUSIVE),
    (f32(2, 3), [0.75, 0.75], [3, 2], BACK),
    (f32(2), [0.625], [4], {"initial": 5}),
    (f32(2.0**-120), [0.5], [136], {"initial": After(f32(HUGE, HUGE, 2))}),
    (i32(3, 3), [0.75, 0.5625], [2, 4], {}),
    (np.array([True]), [0.5], [1], {}),
]


@pytest.mark.parametrize(("x", "mantissa", "exponent", "options"), FREXP)
def test_hand_computed_mantissas_and_exponents_are_right(
    x, mantissa, exponent, options
):
    assert check("cumprod_frexp", x, pairs(f32(*mantissa), exponent), **options) == 0


def test_mantissas_of_every_float():
    for dtype in (np.dtype(np.float16), BF16, np.dtype(np.float64)):
        x = np.array([1.5, 1.5]).astype(dtype)
        y = np.array([0.75, 0.5625]).astype(dtype)
        check("cumprod_frexp", x, pairs(y, [1, 2]))
    # Mantissas may have more digits than the input, and count in its ulps.
    double = pairs(np.array([0.75 + 2.0**-24]), [1])
    assert check("cumprod_frexp", f32(1.5), double) == 1
    with pytest.raises(AssertionError, match="wrong at index"):
        check("cumprod_frexp", f32(1.5), pairs(np.array([0.75 + 2.0**-22]), [1]))


def test_exponents_stay_at_their_limit():
    # The error of states that so few elements cannot reach.
    error = frexp.Frexp("float32").error
    half, three_quarters = (1, -1), (3, -2)
    for sign in (1, -1):
        state = (3, sign * 2**31)
        assert error(state, (three_quarters, sign * 2**30)) == 0
        assert error(state, (half, sign * 2**30)) == 2**22
        assert error(state, (three_quarters, sign * 2**31)) == math.inf


BAD_FREXP = [
    ("mantissa of 1", f32(1), [1], [0]),
    ("exponent off by one", f32(3), [0.75], [3]),
    ("two ulp off", f32(1.5), [0.75 + 2.0**-23], [1]),
    ("wrong sign", f32(-1), [0.5], [1]),
    ("wrong sign of zero", f32(-0.0), [0], [0]),
    ("zero with an exponent", f32(0), [0], [1]),
    ("infinity with an exponent", f32(INF), [INF], [129]),
    ("left the range", f32(HUGE, 4), [0.5, INF], [128, 0]),
]


@pytest.mark.parametrize(("error", "x", "mantissa", "exponent"), BAD_FREXP)
def test_bad_mantissas_and_exponents_are_found(error, x, mantissa, exponent):
    with pytest.raises(AssertionError, match="wrong at index"):
        check("cumprod_frexp", x, pairs(f32(*mantissa), exponent))


def test_conversion_is_that_of_numpy_where_it_has_one():
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 2**64, 3000, dtype=np.uint64)
    x = raw.view(np.float64)[np.isfinite(raw.view(np.float64))]
    near = (rng.normal(size=3000) * np.exp(rng.normal(0, 9, 3000))).astype(np.float64)
    with np.errstate(all="ignore"):
        for values in (x, near):
            for dtype in (np.float32, np.float16):
                expected = values.astype(dtype)
                assert convert(values, dtype).tobytes() == expected.tobytes()
        single = near.astype(np.float32)
        assert convert(single, BF16).tobytes() == single.astype(BF16).tobytes()
    integers = raw.view(np.int64)
    assert convert(integers, np.float32).tolist() == integers.astype("f4").tolist()
    assert convert(raw, np.float64).tolist() == raw.astype(np.float64).tolist()


def test_conversion_rounds_once_and_saturates():
    x = np.array([300.7, -5, NAN, INF, -INF])
    assert convert(x, np.uint8).tolist() == [255, 0, 0, 255, 0]
    assert convert(x, np.int64).tolist() == [300, -5, 0, 2**63 - 1, -(2**63)]
    special = np.array([NAN, INF, -INF, -0.0, 1e300, 1e-300])
    assert repr(convert(special, np.float16).tolist()) == (
        "[nan, inf, -inf, -0.0, inf, 0.0]"
    )
    just_above = np.array([1 + 2.0**-8 + 2.0**-40])  # halfway for a float32
    assert convert(just_above, BF16).astype(float).tolist() == [1 + 2.0**-7]
    assert convert(np.complex64([1 + 2j]), np.float32).tolist() == [1]
    assert convert(np.array([[1.5], [-2]]), np.complex64).tolist() == [[1.5], [-2]]
