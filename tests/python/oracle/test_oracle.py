"""The oracle itself: hand-computed cases, and failures on every seeded bug."""

import math

import ml_dtypes
import numpy as np
import pytest

from oracle import check, logsum, product

pytestmark = pytest.mark.own_isa

INF, NAN = math.inf, math.nan
TINY = 2.0**-149  # the smallest float32 above zero
HUGE = 2.0**127

HAND_COMPUTED = [
    ("cumprod", "float32", [2, 3, 4], [2, 6, 24]),
    ("cumprod", "float32", [1e-30, 1e30, 1e30, 1e-30], [1e-30, 1, 1e30, 1]),
    # Once the product has left the range it stays out.
    ("cumprod", "float32", [HUGE, 4, 0.25, -1], [HUGE, INF, INF, -INF]),
    ("cumprod", "float32", [TINY, 0.25, 4, -1, HUGE], [TINY, 0, 0, -0.0, -0.0]),
    ("cumprod", "float32", [-1, 0, -1, INF, 2], [-1, -0.0, 0, NAN, NAN]),
    ("cumprod", "float32", [INF, 0], [INF, NAN]),
    ("cumprod", "float32", [3, NAN, 0], [3, NAN, NAN]),
    # Subnormals are visited and left exactly.
    ("cumprod", "float32", [2.0**-126, 0.125, 8], [2.0**-126, 2.0**-129, 2.0**-126]),
    ("cumprod", "float32", [3 * TINY, 0.5, 2], [3 * TINY, 2 * TINY, 3 * TINY]),
    ("cumprod", "float16", [256, 255, 2, 0.5], [256, 65280, INF, INF]),
    ("cumprod", "bfloat16", [1.5, 1.5, 1.5], [1.5, 2.25, 3.375]),
    ("cumprod", "float64", [1e-300, 1e300, 1e300, 1e-300], [1e-300, 1, 1e300, 1]),
    ("cumprod", "uint8", [16, 17, 2], [16, 16, 32]),
    ("cumprod", "int8", [64, 2, 3, -1], [64, -128, -128, -128]),
    ("cumprod", "int64", [2**62, 2, 3], [2**62, -(2**63), -(2**63)]),
    ("cumprod", "bool", [True, True, False, True], [True, True, False, False]),
    ("cumprod", "complex64", [1j, 1j, 1 + 1j], [1j, -1, -1 - 1j]),
    ("cumprod", "complex64", [HUGE, 4, 1], [HUGE, complex(INF, 0), complex(INF, NAN)]),
    ("cumprod", "complex64", [1e-30, 1e-30j, 1e30], [1e-30, 0, 0]),
    ("cumprod", "complex64", [0, complex(INF, 0)], [0, complex(NAN, NAN)]),
    ("cumsum", "float32", [1, 2.0**-24, 2.0**-24], [1, 1, 1 + 2.0**-23]),
    ("cumsum", "float32", [HUGE, HUGE, -HUGE], [HUGE, INF, INF]),
    ("cumsum", "float32", [INF, 1, -INF, 1], [INF, INF, NAN, NAN]),
    ("cumsum", "float32", [-0.0, -0.0], [0, 0]),
    ("cumsum", "complex64", [1 + 2j, 3 - 1j], [1 + 2j, 4 + 1j]),
    ("cumsum", "int8", [100, 100], [100, -56]),
    ("cummax", "float32", [-0.0, 0.0, 1, NAN, 2], [-0.0, -0.0, 1, NAN, NAN]),
    ("cummin", "float32", [0.0, -0.0, -1], [0.0, 0.0, -1]),
    ("cummax", "bool", [False, True, False], [False, True, True]),
    ("cummax", "complex64", [1 + 2j, 1 + 3j, 9j], [1 + 2j, 1 + 3j, 1 + 3j]),
    ("cummin", "uint8", [3, 1, 2], [3, 1, 1]),
    ("logcumsumexp", "float32", [0, 0], [0, math.log(2)]),
    ("logcumsumexp", "float32", [1e30, -1e30, -INF], [1e30, 1e30, 1e30]),
    ("logcumsumexp", "float32", [-INF, -INF, INF, NAN], [-INF, -INF, INF, NAN]),
    ("logcumsumexp", "complex64", [0, 0], [0, math.log(2)]),
]  # fmt: skip


def vector(values, dtype):
    return np.array(values).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


@pytest.mark.parametrize(("op", "dtype", "x", "y"), HAND_COMPUTED)
def test_hand_computed_results_are_right(op, dtype, x, y):
    check(op, vector(x, dtype), vector(y, dtype))


def test_result_dtypes_that_differ_from_the_input():
    check("cumsum", np.array([True, True]), np.array([1, 2], np.int32))
    check("logcumsumexp", np.array([0, 0]), np.array([0, math.log(2)], np.float32))


IDENTITIES = [
    ("cumprod", "float32", 1),
    ("cumprod", "bool", True),
    ("cumprod", "complex64", 1),
    ("cumsum", "float32", 0),
    ("cummax", "float16", -INF),
    ("cummax", "int16", -(2**15)),
    ("cummax", "bool", False),
    ("cummax", "complex64", complex(-INF, -INF)),
    ("cummin", "uint8", 255),
    ("cummin", "complex64", complex(INF, INF)),
    ("logcumsumexp", "float64", -INF),
]


@pytest.mark.parametrize(("op", "dtype", "identity"), IDENTITIES)
def test_exclusive_results_start_at_the_identity(op, dtype, identity):
    x = vector([1, 1], dtype)
    check(op, x, vector([identity, 1], dtype), inclusive=False)
    wrong = 0 if identity else 1
    with pytest.raises(AssertionError, match="wrong at index 0"):
        check(op, x, vector([wrong, 1], dtype), inclusive=False)


def test_axis_reverse_and_exclusive():
    x = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    down, back = [[1, 2, 3], [4, 10, 18]], [[6, 6, 3], [120, 30, 6]]
    after = [[6, 3, 1], [30, 6, 1]]
    check("cumprod", x, np.int32(down), axis=0)
    check("cumprod", x, np.int32(back), axis=-1, reverse=True)
    check("cumprod", x, np.int32(after), axis=1, reverse=True, inclusive=False)
    check("cumprod", x, np.int32([1, 2, 6, 24, 120, 720]))
    check("cumprod", np.array(5), np.array([5]))
    check("cumprod", np.ones((0, 3)), np.ones((0, 3)), axis=1)


SEEDED_BUGS = [
    ("two ulp off", "cumprod", "float32", [1.5, 1.5], [1.5, 2.25 + 2.0**-21]),
    ("two ulp off", "cumprod", "float16", [1.5, 1.5], [1.5, 2.25 + 2.0**-8]),
    ("two ulp off", "cumprod", "float64", [1.5, 1.5], [1.5, 2.25 + 2.0**-50]),
    ("two ulp off", "cumprod", "bfloat16", [1.5, 1.5], [1.5, 2.25 + 2.0**-5]),
    ("two tiny ulp off", "cumprod", "float32", [8 * TINY, 0.5], [8 * TINY, 2 * TINY]),
    ("wrong sign", "cumprod", "float32", [1, -1], [1, 1]),
    ("wrong sign of zero", "cumprod", "float32", [0, -1], [0, 0]),
    ("NaN for zero", "cumprod", "float32", [1, 0], [1, NAN]),
    ("zero for NaN", "cumprod", "float32", [NAN, 0], [NAN, 0]),
    ("came back from inf", "cumprod", "float32", [HUGE, 4, 0.25], [HUGE, INF, HUGE]),
    ("came back from zero", "cumprod", "float32", [TINY, 0.25, 4], [TINY, 0, TINY]),
    ("left the range early", "cumprod", "float32", [1e-30, 1e30], [1e-30, 0]),
    ("flushed a subnormal", "cumprod", "float32", [2.0**-126, 0.5], [2.0**-126, 0]),
    ("saturated", "cumprod", "int8", [64, 2], [64, 127]),
    ("or for and", "cumprod", "bool", [True, False], [True, True]),
    ("nine parts off", "cumprod", "complex64", [1, 1j], [1, 1j * (1 + 9 * 2.0**-24)]),
    ("not textbook", "cumprod", "complex64", [complex(INF), 1], [complex(INF)] * 2),
    ("came back", "cumprod", "complex64", [1e-30, 1e-30, 1e30], [1e-30, 0, 1e-30]),
    ("naive sum", "cumsum", "float32", [1] + [2.0**-24] * 8, [1] * 9),
    ("came back", "cumsum", "float32", [HUGE, HUGE, -HUGE], [HUGE, INF, HUGE]),
    ("negative zero", "cumsum", "float32", [-0.0], [-0.0]),
    ("no wrap", "cumsum", "uint8", [255, 1], [255, 255]),
    ("NaN lost", "cummax", "float32", [NAN, 1], [NAN, 1]),
    ("last of equals", "cummax", "float32", [-0.0, 0.0], [-0.0, 0.0]),
    ("minimum", "cummax", "int32", [1, 2], [1, 1]),
    ("imaginary parts ignored", "cummax", "complex64", [1, 1 + 1j], [1, 1]),
    ("overflowed on the way", "logcumsumexp", "float32", [100, 100], [100, INF]),
    ("five ulp off", "logcumsumexp", "float32", [0], [5 * 2.0**-23]),
]  # fmt: skip


@pytest.mark.parametrize(("error", "op", "dtype", "x", "y"), SEEDED_BUGS)
def test_seeded_bugs_are_found(error, op, dtype, x, y):
    with pytest.raises(AssertionError, match="wrong at index"):
        check(op, vector(x, dtype), vector(y, dtype))


def test_the_message_names_the_first_wrong_element():
    x = np.full((3, 4), 2, np.float32)
    y = np.cumprod(x, axis=1)
    y[1, 2] = 9
    with pytest.raises(AssertionError, match=r"index \(1, 2\), element 2 .* 8\.0"):
        check("cumprod", x, y, axis=1)


@pytest.mark.parametrize(
    "branch", [[HUGE, INF, INF], [HUGE, 2 * HUGE * (1 - 2.0**-24), HUGE]]
)
def test_both_branches_are_legal_right_at_the_threshold(branch):
    x = vector([HUGE, 2 * (1 - 2.0**-24), 0.5 * (1 + 2.0**-23)], "float32")
    check("cumprod", x, vector(branch, "float32"))


def test_any_distance_from_one_of_several_states_is_measured():
    error = product.ComplexProduct().error
    assert error((3, 0, 500), (1, 0, -149)) == 2**24
    assert error((1, 0, -149), (1, 0, 1500)) == math.inf


def test_ulps_are_measured():
    x = vector([1.5, 1.5], "float32")
    assert check("cumprod", x, vector([1.5, 2.25], "float32")) == 0.0
    assert check("cumprod", x, vector([1.5, 2.25 + 2.0**-22], "float32")) == 1.0


def test_each_of_many_equal_lines_counts():
    x = np.float32([[2, 3]] * 4)
    y = np.float32([[2, 6]] * 4)
    assert check("cumprod", x, y, axis=1) == 0
    initial = np.float32([1, 1, 1, 5])
    y[3, 1] = 7
    with pytest.raises(AssertionError, match=r"wrong at index \(3, 1\)"):
        check("cumprod", x, y, axis=1)
    with pytest.raises(AssertionError, match=r"wrong at index \(3, 0\)"):
        check("cumprod", x, y, axis=1, initial=initial)


def test_logarithms_of_parts_of_very_different_magnitudes():
    c = logsum.CONTEXT
    tiny = c.mpf(2) ** -700
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        for parts in ((3, tiny), (tiny, 3), (3, 2)):
            number = c.mpc(*(s * p for s, p in zip(signs, parts, strict=True)))
            assert abs(logsum.logarithm(number) - c.log(number)) < c.mpf(2) ** -150
    number = c.mpc(c.exp(3e38), c.exp(-3e38))
    assert abs(logsum.logarithm(number) - 3e38) < 1
