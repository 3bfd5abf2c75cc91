"""Derivatives of upsweep.mlx, of all orders, against fractions: small numbers whose
derivatives every dtype holds exactly. Zeros are among them."""

import itertools
from fractions import Fraction

import exact_scans as exact
import mpmath
import numpy as np
import pytest
from support import cpu_only

mx = pytest.importorskip("mlx.core", reason="MLX has no wheel for this system")
mx.set_default_device(mx.cpu)
import upsweep.mlx as um  # noqa: E402

pytestmark = [cpu_only, pytest.mark.own_isa]

DTYPES = ["float16", "bfloat16", "float32", "float64"]
HOW = [
    {"reverse": reverse, "inclusive": inclusive}
    for reverse, inclusive in itertools.product([False, True], repeat=2)
]
LINES = [
    [2.0, -1.0, 1.0, 3.0],
    [2.0, 0.0, 3.0, -1.0],
    [0.0, 2.0, 0.0, 4.0],
    [0.0, 0.0, 0.0, 0.0],
]
WEIGHTS = [1.0, -2.0, 3.0, 0.5]
DIRECTION = [0.5, 1.0, -1.0, 2.0]
OTHER = [-1.0, 2.0, 1.0, 0.5]
RESETS = [None, [False, False, True, False], [True, False, True, True]]


def array(values, dtype="float32"):
    return mx.array(values, getattr(mx, dtype))


def same(result, expected):
    """Exactly, as numbers."""
    assert exact.fractions(result.tolist()) == expected


def weighted(f, weights):
    """The sum of the results of f, with weights."""
    return lambda x: (f(x) * mx.array(weights, x.dtype)).sum()


def options(how, reset):
    return how if reset is None else {**how, "reset": mx.array(reset)}


SCANS = {"prod": exact.product, "sum": exact.total}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("op", SCANS)
def test_first_derivatives(op, how, reset, dtype):
    for line in LINES:
        x = exact.fractions(line)

        def f(x):
            return exact.dot(WEIGHTS, SCANS[op](x, reset=reset, **how))

        def ours(x):
            return um.scan(x, op, **options(how, reset))

        a, d = array(line, dtype), array(DIRECTION, dtype)
        value, found = mx.value_and_grad(weighted(ours, WEIGHTS))(a)
        assert found.dtype == a.dtype
        assert value.item() == f(x)
        same(found, exact.gradient(f, x))
        _, (found,) = mx.vjp(ours, [a], [array(WEIGHTS, dtype)])
        same(found, exact.gradient(f, x))
        (results,), (found,) = mx.jvp(ours, [a], [d])
        same(results, SCANS[op](x, reset=reset, **how))
        rows = [
            exact.dot(
                DIRECTION,
                exact.gradient(lambda x, k=k: SCANS[op](x, reset=reset, **how)[k], x),
            )
            for k in range(len(x))
        ]
        same(found, rows)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", RESETS[:2])
def test_higher_derivatives_of_products(how, reset):
    for line in LINES:
        x, a = exact.fractions(line), array(line)

        def f(x):
            return exact.dot(WEIGHTS, exact.product(x, reset=reset, **how))

        ours = weighted(lambda x: um.scan(x, "prod", **options(how, reset)), WEIGHTS)
        in_direction = exact.along(f, DIRECTION)

        def reverse_twice(x, ours=ours):
            return (mx.grad(ours)(x) * array(DIRECTION)).sum()

        def forward_first(x, ours=ours):
            return mx.jvp(ours, [x], [array(DIRECTION)])[1][0]

        second = exact.gradient(in_direction, x)
        same(mx.grad(reverse_twice)(a), second)
        same(mx.grad(forward_first)(a), second)
        same(mx.jvp(mx.grad(ours), [a], [array(DIRECTION)])[1][0], second)
        twice = exact.along(in_direction, OTHER)
        found = mx.jvp(forward_first, [a], [array(OTHER)])[1][0]
        assert found.item() == twice(x)

        def third(x, reverse_twice=reverse_twice):
            return (mx.grad(reverse_twice)(x) * array(OTHER)).sum()

        same(mx.grad(third)(a), exact.gradient(twice, x))


def parts(values):
    """The factors, terms and initial value of a recurrence, in one list."""
    n = len(values) // 2
    return values[:n], values[n : 2 * n], values[2 * n]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", RESETS)
def test_derivatives_of_recurrences(how, reset, dtype):
    weights, direction = [1, -2, 3, 1], [1, 1, -1, 2, 1, 0, -2, 1, 2]

    def f(values):
        a, b, start = parts(values)
        results = exact.recurrence(a, b, start=start, reset=reset, **how)
        return exact.dot(weights, results)

    def ours(values):
        a, b, start = parts(values)
        results = um.linear_recurrence(a, b, initial=start, **options(how, reset))
        return (results * array(weights, dtype)).sum()

    def reverse_twice(x):
        return (mx.grad(ours)(x) * array(direction, dtype)).sum()

    for a in LINES:
        line = [*a, *LINES[0], 3.0]
        x, values = exact.fractions(line), array(line, dtype)
        same(mx.grad(ours)(values), exact.gradient(f, x))
        in_direction = exact.along(f, direction)
        found = mx.jvp(ours, [values], [array(direction, dtype)])[1][0]
        assert found.item() == in_direction(x)
        if dtype in ("float32", "float64"):
            same(mx.grad(reverse_twice)(values), exact.gradient(in_direction, x))


def test_recurrences_without_some_gradients():
    """Only b, only a, and numbers in place of arrays."""
    a, b = array(LINES[0]), array(LINES[1])
    x = exact.fractions(LINES[0])

    def of_factors(x):
        return sum(exact.recurrence(x, LINES[1]))

    def of_terms(x):
        return sum(exact.recurrence(LINES[1], x))

    def of_constant_terms(x):
        return sum(exact.recurrence(x, [1] * 4, start=2))

    for f, ours in [
        (of_factors, lambda x: um.linear_recurrence(x, b).sum()),
        (of_terms, lambda x: um.linear_recurrence(b, x).sum()),
        (of_constant_terms, lambda x: um.linear_recurrence(x, 1, initial=2).sum()),
    ]:
        same(mx.grad(ours)(a), exact.gradient(f, x))
        found = mx.jvp(ours, [a], [array(DIRECTION)])[1][0]
        assert found.item() == exact.along(f, DIRECTION)(x)


def test_broadcast_inputs_have_the_sum_of_the_gradients():
    a, b = array([[2.0], [3.0]]), array(LINES[1])

    def f(values):
        rows = [exact.recurrence([v] * 4, values[2:]) for v in values[:2]]
        return sum(map(sum, rows))

    expected = [0] * 2
    for row, factor in enumerate([2, 3]):
        # Not linear in a factor that stands for four: h is a polynomial of it.
        for k in range(4):

            def one(x, k=k, factor=factor):
                factors = [factor] * 4
                factors[k] = x[0]
                return sum(exact.recurrence(factors, exact.fractions(LINES[1])))

            expected[row] += exact.gradient(one, [exact.Fraction(factor)])[0]
    ours = mx.grad(lambda a, b: um.linear_recurrence(a, b).sum(), argnums=(0, 1))
    of_a, of_b = ours(a, b)
    assert of_a.tolist() == [[v] for v in expected]
    x = exact.fractions([2, 3, *LINES[1]])
    same(of_b, exact.gradient(f, x)[2:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", [r and [*r, False, False] for r in RESETS])
@pytest.mark.parametrize("op", ["max", "min"])
def test_the_element_that_is_the_extremum_has_the_gradient(op, how, reset, dtype):
    weights, direction = [1, -2, 3, 4, 5, 8], [1, 2, 4, 8, 16, 32]
    for line in [[1, 3, 3, 2, 3, 5], [2, 2, 1, -4, 7, -4], [0, -0.0, 0, 1, -1, 0]]:
        where = exact.winners(line, op, reset=reset, **how)
        expected = [0] * 6
        for weight, k in zip(weights, where, strict=True):
            if k is not None:
                expected[k] += weight

        def ours(x):
            return um.scan(x, op, **options(how, reset))

        a = array(line, dtype)
        # -inf, with which an exclusive scan starts, times a weight is no number.
        _, (found,) = mx.vjp(ours, [a], [array(weights, dtype)])
        assert found.tolist() == expected
        found = mx.jvp(ours, [a], [array(direction, dtype)])[1][0]
        assert found.tolist() == [0 if k is None else direction[k] for k in where]


def test_the_first_nan_has_the_gradients_after_it():
    a = array([1, float("nan"), 5, float("nan")])
    _, (found,) = mx.vjp(um.cummax, [a], [array([1, 2, 4, 8])])
    assert found.tolist() == [1, 14, 0, 0]


def log_sums(x, how, reset):
    """Each sum's share of each element, in 40 digits."""
    n, turn = len(x), -1 if how["reverse"] else 1
    shares, start = {}, 0
    order = list(range(n))[::turn]
    for at, k in enumerate(order):
        if reset and reset[k]:
            start = at
        members = order[start : at + how["inclusive"]]
        with mpmath.workdps(40):
            terms = {i: mpmath.exp(x[i]) for i in members if x[i] > -np.inf}
            of_all = mpmath.fsum(terms.values())
            shares[k] = {i: term / of_all for i, term in terms.items()}
    return [[shares[k].get(i, mpmath.mpf(0)) for i in range(n)] for k in range(n)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", RESETS)
def test_derivatives_of_log_sums(how, reset, dtype):
    eps = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24}
    # The sums are rounded to float64 before exponentials are taken of differences.
    eps = eps.get(dtype, 2.0**-45)
    tiny = 2.0**-25 if dtype == "float16" else 2.0**-134
    for line in [[0.5, 2, -1, 3], [-np.inf, -np.inf, 1, 2], [-80, 80, 0, -np.inf]]:
        shares = log_sums(line, how, reset)
        a = array(line, dtype)

        def ours(x):
            return um.scan(x, "logaddexp", **options(how, reset))

        _, (found,) = mx.vjp(ours, [a], [array(WEIGHTS, dtype)])
        for k in range(4):
            right = mpmath.fsum(w * s[k] for w, s in zip(WEIGHTS, shares, strict=True))
            size = mpmath.fsum(
                abs(w) * s[k] for w, s in zip(WEIGHTS, shares, strict=True)
            )
            assert abs(found[k].item() - right) <= 2 * eps * size + tiny
        found = mx.jvp(ours, [a], [array(DIRECTION, dtype)])[1][0]
        for k in range(4):
            right = mpmath.fsum(
                d * s for d, s in zip(DIRECTION, shares[k], strict=True)
            )
            size = mpmath.fsum(
                abs(d) * s for d, s in zip(DIRECTION, shares[k], strict=True)
            )
            assert abs(found[k].item() - right) <= 2 * eps * size + tiny


@pytest.mark.parametrize("dtype", [*DTYPES, "complex64"])
@pytest.mark.parametrize("reset", [None, [False, False, False, False, True]])
def test_infinities_of_log_sums(dtype, reset):
    """A sum of nothing has no derivative, and of an infinite one the infinite element
    is all."""
    x = array([-np.inf, 1.0, np.inf, 2.0, 0.0], dtype)
    right = np.zeros((5, 5))
    right[1, 1] = right[2, 2] = right[3, 2] = 1
    right[(4, 2) if reset is None else (4, 4)] = 1

    def f(x):
        return um.scan(x, "logaddexp", **options({}, reset))

    for k in range(5):
        unit = array(np.eye(5)[k].tolist(), dtype)
        ((row,), (column,)) = mx.vjp(f, [x], [unit])[1], mx.jvp(f, [x], [unit])[1]
        assert row.tolist() == right[k].tolist()
        assert column.tolist() == right[:, k].tolist()


def test_second_derivatives_at_infinite_log_sums():
    def first(x):
        return mx.grad(lambda x: um.logcumsumexp(x).sum())(x)

    x = array([1.0, np.inf, 2.0])
    assert first(x).tolist() == [1, 2, 0]
    assert mx.grad(lambda x: first(x).sum())(x).tolist() == [0, 0, 0]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("reset", RESETS)
def test_second_derivatives_of_log_sums(how, reset):
    line = [0.5, 2, -1, 3]
    shares = log_sums(line, how, reset)

    def ours(x):
        results = um.scan(x, "logaddexp", **options(how, reset))
        return mx.where(
            results == -mx.inf, 0, results * array(WEIGHTS, "float64")
        ).sum()

    def in_direction(x):
        return (mx.grad(ours)(x) * array(DIRECTION, "float64")).sum()

    found = mx.grad(in_direction)(array(line, "float64"))
    for k in range(4):
        # Of log sum exp, d2/dx_i dx_k is p_i (i = k) - p_i p_k.
        right = mpmath.fsum(
            w * DIRECTION[i] * (s[i] * (i == k) - s[i] * s[k])
            for w, s in zip(WEIGHTS, shares, strict=True)
            for i in range(4)
        )
        assert abs(found[k].item() - right) < 1e-13


def test_complex_products_have_mlxs_convention():
    """The cotangent meets the conjugate of the derivative, as in mx.multiply."""
    line, weights = [1 + 2j, 0, 2 - 1j], [1 + 1j, 2, -1j]
    rows = [
        [1, 0, 0],
        [0, 1 + 2j, 0],
        [0, (1 + 2j) * (2 - 1j), 0],
    ]
    a, c = mx.array(line, mx.complex64), mx.array(weights, mx.complex64)
    _, (found,) = mx.vjp(um.cumprod, [a], [c])
    expected = [
        sum(
            w * complex(row[k]).conjugate()
            for w, row in zip(weights, rows, strict=True)
        )
        for k in range(3)
    ]
    assert found.tolist() == expected
    found = mx.jvp(um.cumprod, [a], [c])[1][0]
    assert found.tolist() == [
        sum(row[k] * weights[k] for k in range(3)) for row in rows
    ]
    x, y = (mx.array(v, mx.complex64) for v in (2 - 1j, 1 + 3j))
    _, (theirs,) = mx.vjp(lambda x: x * y, [x], [mx.array(1j)])
    _, (ours,) = mx.vjp(lambda x: um.cumprod(mx.stack([x, y]))[1], [x], [mx.array(1j)])
    assert ours.item() == theirs.item()


def test_products_that_leave_the_range_on_the_way():
    """The second product is zero in float32, its derivatives are not."""
    line = [2.0**-100, 2.0**-100, 2.0**100, 2.0**100]
    x, a = exact.fractions(line), array(line)
    found = mx.grad(lambda x: um.cumprod(x)[3])(a)
    same(found, exact.gradient(lambda x: exact.product(x)[3], x))


def test_what_is_between_may_be_out_of_the_range_of_float16():
    """A derivative is 2^15 times 2^-15 times 2^-15, and the last two are multiplied
    first."""
    line = [2.0**15, 1.0, 2.0**-15, 2.0**-15]

    def recurrence(a):
        start = array([line[0], 0, 0, 0], "float16")
        return um.linear_recurrence(a, start)[3]

    found = mx.grad(recurrence)(array([0.0, *line[1:]], "float16"))
    assert found[1].item() == 2.0**-15

    def in_direction(x):
        slopes = mx.grad(lambda x: um.cumprod(x)[3])(x)
        return (slopes * array([line[0], 0, 0, 0], "float16")).sum()

    found = mx.grad(in_direction)(array(line, "float16"))
    assert found[1].item() == 2.0**-15


def test_segments_whose_products_leave_the_range_of_float32():
    line, reset = [1.0, 2.0**-100, 2.0**-100, 2.0**100, 2.0**100], [0, 1]
    mask = [True, True, False, False, False]
    x, a = exact.fractions(line), array(line)
    found = mx.grad(lambda x: um.scan(x, "prod", reset=reset)[4])(a)
    same(found, exact.gradient(lambda x: exact.product(x, reset=mask)[4], x))


@pytest.mark.parametrize("how", HOW)
def test_segments_whose_products_leave_the_range_of_float64(how):
    far = [2.0**-100] * 12 + [2.0**100] * 12
    turn = slice(None, None, -1 if how["reverse"] else 1)
    line, mask = [*far, *far][turn], [i == 24 for i in range(48)][turn]
    x, a = exact.fractions(line), array(line)
    for k in list(range(48))[turn][12::11]:

        def f(x, k=k):
            return exact.product(x, reset=mask, **how)[k]

        def ours(x, k=k):
            return um.scan(x, "prod", reset=mx.array(mask), **how)[k]

        right = [Fraction(float(np.float32(float(v)))) for v in exact.gradient(f, x)]
        same(mx.grad(ours)(a), right)
        (tangent,) = mx.jvp(ours, [a], [mx.ones(48)])[1]
        assert tangent.item() == float(np.float32(float(sum(right))))


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("how", HOW)
def test_the_initial_value_has_a_gradient(op, how):
    """Of an array of lines, and with one more element."""
    lines, starts = LINES[:2], [3.0, 5.0]
    for extra in [False, True] if how["inclusive"] else [False]:

        def row(start, line, extra=extra):
            results = SCANS[op](line, start=start, **how)
            return sum(results) + (start if extra else 0)

        def ours(start, x, extra=extra):
            y = um.scan(x, op, 1, initial=start, include_initial=extra, **how)
            assert y.shape == (2, 4 + extra)
            return y.sum()

        found, of_x = mx.grad(ours, argnums=(0, 1))(array(starts), array(lines))
        for k in range(2):
            line = exact.fractions(lines[k])
            (of_start,) = exact.gradient(
                lambda v, line=line: row(v[0], line), [exact.Fraction(starts[k])]
            )
            assert found[k].item() == of_start
            same(of_x[k], exact.gradient(lambda x, k=k: row(starts[k], x), line))


def test_what_is_skipped_has_no_gradient():
    a = array([2.0, float("nan"), 3.0])
    found = mx.grad(lambda x: um.scan(x, "prod", skipna=True).sum())(a)
    assert found.tolist() == [1 + 1 + 3, 0, 2]


def test_converted_arrays_have_gradients_of_their_own_dtype():
    a = array([3.0, 2.0**100, 2.0**100])
    found = mx.grad(lambda x: um.scan(x, "prod", dtype=mx.float64)[2])(a)
    assert found.dtype == mx.float32
    assert found.tolist() == [np.inf, 3 * 2.0**100, 3 * 2.0**100]


def test_integers_have_gradients_of_their_dtype():
    a = mx.array([3, 0, 2])
    for f, expected in [(um.cumprod, [1, 9, 0]), (um.cumsum, [3, 2, 1])]:
        found = mx.grad(lambda x, f=f: f(x).sum())(a)
        assert found.dtype == mx.int32
        assert found.tolist() == expected


def test_integers_beyond_float32_have_exact_gradients():
    n = 2**31 + 1
    a = mx.array([n, 3, 5], mx.int64)
    found = mx.grad(lambda x: um.cumprod(x).sum())(a)
    assert found.dtype == mx.int64
    assert found.tolist() == [1 + 3 + 15, 6 * n, 3 * n]
    ones = mx.ones_like(a)
    (found,) = mx.jvp(um.cumprod, [a], [ones])[1]
    assert found.dtype == mx.int64
    assert found.tolist() == [1, 3 + n, 15 + 5 * n + 3 * n]


def test_masks_in_between_have_no_gradient():
    """Integers that are made of floats, as positions of a mask are."""
    a = array([1.0, -1.0, 2.0])
    found = mx.grad(lambda x: (um.cumsum(x > 0) * x).sum())(a)
    assert found.tolist() == [1, 1, 2]
