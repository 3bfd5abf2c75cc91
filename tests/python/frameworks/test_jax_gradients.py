"""Derivatives of upsweep.jax: against exact ones, in both modes, and against
differences for all functions and options."""

import itertools
import re
from functools import partial

import jax_oracle as exact
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed")
import jax.numpy as jnp  # noqa: E402
from jax.test_util import check_grads  # noqa: E402
from upsweep import _jax_handlers  # noqa: E402
from upsweep import _jax_primitives as primitives  # noqa: E402
from upsweep import jax as uj  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))
OPS = ["prod", "sum", "max", "min", "logaddexp"]
LINES = {
    "plain": [2.0, -0.5, 3.0, 1.5, -1.25],
    "zero": [2.0, 0.0, 3.0, -1.5, 0.25],
    "zeros": [0.0, 3.0, 0.0, 2.0, 0.5],
    "all zero": [0.0] * 5,
    "ties": [1.0, 2.0, 2.0, 1.0, 2.0],
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def jacobians(function, x):
    """By columns and by rows."""
    return {"forward": jax.jacfwd(function)(x), "reverse": jax.jacrev(function)(x)}


def turned(x, reverse):
    """In scan order, and back."""
    return np.flip(x) if reverse else np.asarray(x)


JACOBIANS = {
    "prod": exact.product_jacobian,
    "sum": exact.sum_jacobian,
    "max": lambda x, own: exact.extremum_jacobian(x, own, max),
    "min": lambda x, own: exact.extremum_jacobian(x, own, min),
    "logaddexp": exact.logaddexp_jacobian,
}


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("op", OPS)
def test_jacobians(op, reverse, inclusive, with_reset):
    reset = np.array([False, False, True, False, True]) if with_reset else None

    def function(x):
        return uj.scan(x, op, reverse=reverse, inclusive=inclusive, reset=reset)

    function = jax.jit(function)
    in_order = turned(reset, reverse) if with_reset else None
    own = exact.members(5, inclusive, in_order)
    for line in LINES.values():
        x = exact.fractions(turned(line, reverse))
        right = exact.rounded(JACOBIANS[op](x, own))
        for mode, found in jacobians(function, jnp.array(line)).items():
            np.testing.assert_allclose(
                found, turned(right, reverse), rtol=1e-14, err_msg=f"{mode} {line}"
            )


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("with_reset", [False, True])
def test_second_derivatives_of_products(with_reset, reverse, inclusive):
    weights = np.array([1.0, -2.0, 0.5, 3.0, 1.5])
    reset = np.array([False, False, True, False, False]) if with_reset else None

    def function(x):
        options = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
        return uj.scan(x, "prod", **options) @ weights

    in_order = turned(reset, reverse) if with_reset else None
    own = exact.members(5, inclusive, in_order)
    modes = [
        jax.hessian,
        lambda f: jax.jacrev(jax.jacrev(f)),
        lambda f: jax.jacfwd(jax.jacfwd(f)),
        lambda f: jax.jacrev(jax.jacfwd(f)),
    ]
    for mode in modes:
        second = jax.jit(mode(function))
        for line in LINES.values():
            x = exact.fractions(turned(line, reverse))
            right = exact.product_hessian(
                x, own, exact.fractions(turned(weights, reverse))
            )
            np.testing.assert_allclose(
                second(jnp.array(line)),
                turned(exact.rounded(right), reverse),
                rtol=1e-13,
                atol=1e-14,
            )


OUT_OF_RANGE = {
    "see-saw": [1e-30, 1e30, 1e30, 1e-30],
    "too large between": [1e30, 1e30, 1e-30, 1e-30],
    "too small between": [1e-30, 1e-30, 1e30, 1e30],
    "subnormal": [1e-42, 1e20, 2.0, 1e15],
    "zero between": [1e30, 1e30, 0.0, 1e-30],
}


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("line", OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_products_that_leave_the_range(line, copies, reverse, inclusive):
    """The derivatives of the exact product: only the result is rounded. So it is where
    segments follow each other."""
    x = np.float32(line * copies)
    reset = np.arange(len(x)) == 4 - reverse if copies == 2 else None

    def function(x):
        return uj.scan(x, "prod", reverse=reverse, inclusive=inclusive, reset=reset)

    in_order = None if reset is None else turned(reset, reverse)
    own = exact.members(len(x), inclusive, in_order)
    right = exact.rounded(
        exact.product_jacobian(exact.fractions(turned(x, reverse)), own)
    )
    with np.errstate(over="ignore"):
        right = right.astype(np.float32)
    for found in jacobians(function, x).values():
        np.testing.assert_allclose(found, turned(right, reverse), rtol=1e-6)


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
def test_recurrences(reverse, inclusive, with_reset):
    a = np.array([0.5, 0.0, -2.0, 1.5, 0.75])
    b = np.array([1.0, 2.0, -0.5, 0.0, 3.0])
    reset = np.array([False, True, False, True, False]) if with_reset else None

    def function(a, b, initial):
        return uj.linear_recurrence(
            a, b, reverse=reverse, inclusive=inclusive, initial=initial, reset=reset
        )

    values, *right = exact.recurrence(
        exact.fractions(turned(a, reverse)),
        exact.fractions(turned(b, reverse)),
        exact.fractions([1.25])[0],
        inclusive,
        turned(reset, reverse) if with_reset else None,
    )
    by_start = exact.rounded([[each] for each in right.pop()])[:, 0]
    own = [turned(exact.rounded(each), reverse) for each in right]
    own.append(np.flip(by_start) if reverse else by_start)
    np.testing.assert_allclose(
        function(a, b, 1.25), turned(exact.rounded([values])[0], reverse), rtol=1e-14
    )
    for mode in (jax.jacfwd, jax.jacrev):
        found = jax.jit(mode(function, (0, 1, 2)))(a, b, jnp.array(1.25))
        for each, expected in zip(found, own, strict=True):
            np.testing.assert_allclose(each, expected, rtol=1e-14)


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("op", OPS)
def test_differences(op, reverse, inclusive):
    x = jnp.array([[0.4, -1.3], [0.9, 0.7], [-0.6, 1.1]])
    start = jnp.array([0.3, -0.8])
    reset = np.array([[False, True], [False, False], [True, False]])

    def function(x, start):
        out = uj.scan(
            x, op, 0, reverse=reverse, inclusive=inclusive, initial=start, reset=reset
        )
        return jnp.where(jnp.isfinite(out), out, 0)

    check_grads(function, (x, start), order=2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
def test_differences_of_recurrences(reverse, inclusive):
    a, b = jnp.array([[[0.4], [-1.3]]]), jnp.array([0.9, 0.7, -0.6])
    reset = np.array([[[False, True, False], [False, False, True]]])

    def function(a, b):
        options = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
        return uj.linear_recurrence(a, b, 2, **options)

    check_grads(function, (a, b), order=2, rtol=1e-5, atol=1e-5)


def test_infinities_of_logarithms():
    """A result of nothing has no derivative, and an infinite element is all."""
    x = jnp.array([-np.inf, -np.inf, 1.0, np.inf, 2.0])
    right = np.zeros((5, 5))
    right[2, 2] = right[3, 3] = right[4, 3] = 1
    for found in jacobians(uj.logcumsumexp, x).values():
        np.testing.assert_array_equal(found, right)


def test_nan_is_the_extremum_from_where_it_appears():
    x = jnp.array([1.0, np.nan, 3.0, np.nan])
    for found in jacobians(uj.cummax, x).values():
        np.testing.assert_array_equal(found, np.eye(4)[[0, 1, 1, 1]])


def test_skipped_nan_has_no_gradient():
    x = jnp.array([2.0, np.nan, 3.0])
    for op, right in [("prod", [5.0, 0, 2]), ("sum", [3, 0, 1]), ("max", [2, 0, 1])]:
        own = jax.grad(lambda x, op=op: uj.scan(x, op, skipna=True).sum())(x)
        np.testing.assert_array_equal(own, right)


@pytest.mark.parametrize("op", ["prod", "sum", "logaddexp"])
def test_complex_derivatives_are_holomorphic(op):
    """The differential is complex linear; JAX conjugates where its convention says."""
    z = jnp.array([1 + 1j, 2 - 1j, 0.5j, -1 + 0.25j], np.complex64)
    by_columns = jax.jacfwd(lambda z: uj.scan(z, op), holomorphic=True)(z)
    by_rows = jax.jacrev(lambda z: uj.scan(z, op), holomorphic=True)(z)
    if op == "logaddexp":
        e = np.exp(np.asarray(z, np.complex128))
        right = np.tril(e / np.cumsum(e)[:, None])
    else:
        right = np.array(
            [
                [
                    (np.prod(np.delete(z[: j + 1], k)) if op == "prod" else 1)
                    if k <= j
                    else 0
                    for k in range(4)
                ]
                for j in range(4)
            ]
        )
    np.testing.assert_allclose(by_columns, right, rtol=2e-6)
    np.testing.assert_allclose(by_rows, right, rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_shares_of_narrow_logarithms(dtype):
    """Rounded logarithms of this size have errors of several percent."""
    x = jnp.linspace(20, 24, 300).astype(dtype)
    wide = np.asarray(x).astype(float)
    right = np.exp(wide - wide.max())
    right /= right.sum()
    found = jax.grad(lambda x: uj.logcumsumexp(x)[-1])(x).astype(float)
    tolerance = {"float16": 2e-3, "bfloat16": 8e-3}[dtype]
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=1e-4 * tolerance)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("op", OPS)
def test_gradients_keep_the_dtype(op, dtype):
    x = jnp.array([0.5, 1.5, -0.75, 1.0], dtype)
    own = exact.members(4, True)
    right = exact.rounded(JACOBIANS[op](exact.fractions(x), own)).sum(0)
    found = jax.grad(lambda x: uj.scan(x, op).sum())(x)
    assert found.dtype == x.dtype
    tolerance = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-6}[dtype]
    np.testing.assert_allclose(found.astype(float), right, rtol=tolerance)


def test_a_reset_that_is_false_is_none():
    """Also in a compiled function, and in the second argument."""
    x = np.float32([1e-30, 1e-30, 1e30, 1e30])
    right = [1e30, 1e30, 1e-30, 1e-30]
    for reset in (np.zeros(4, bool), jnp.zeros(4, bool), [False] * 4):

        def function(x, reset=reset):
            return uj.scan(x, "prod", reset=reset)[3]

        for mode in (jax.grad, jax.jacfwd):
            for found in (mode(function)(x), jax.jit(mode(function))(x)):
                np.testing.assert_allclose(found, right, rtol=1e-6)


SMALL = [1.0, 1e-4, 1.0], [1e-4, 0.0, 0.0], [0.0, 0.0, 6e4]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_recurrences_are_rounded_once(dtype):
    """What comes before the last element is too small for float16."""
    a, b, c = (jnp.array(each, dtype) for each in SMALL)
    in_order = [exact.fractions(each) for each in (a, b)]
    _, in_a, in_b, _ = exact.recurrence(*in_order, exact.fractions([0])[0], True)
    weights = exact.fractions(c)
    for which, rows in enumerate((in_a, in_b)):
        right = [
            sum(w * row[k] for w, row in zip(weights, rows, strict=True))
            for k in range(3)
        ]
        found = jax.grad(lambda a, b: uj.linear_recurrence(a, b) @ c, which)(a, b)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, exact.rounded([right])[0].astype(dtype))


@pytest.mark.parametrize("reset", [None, [True, False, False, False]])
def test_narrow_products_are_rounded_once(reset):
    """Products between leave the range of float16."""
    x = jnp.array([1e-4, 1e-4, 6e4, 6e4], np.float16)
    own = exact.members(4, True)
    in_order = exact.fractions(x)
    if reset is None:
        found = jax.hessian(lambda x: uj.cumprod(x)[3])(x)
        right = exact.product_hessian(in_order, own, [0, 0, 0, 1])
    else:
        found = jax.jacrev(lambda x: uj.scan(x, "prod", reset=np.array(reset)))(x)
        right = exact.product_jacobian(in_order, own)
    assert found.dtype == np.float16
    with np.errstate(over="ignore"):
        right = exact.rounded(right).astype(np.float16)
    np.testing.assert_allclose(found.astype(float), right, rtol=1e-3, atol=6e-8)


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.skipif(not _jax_handlers.has_handlers(), reason="calls Python instead")
def test_derivatives_on_cuda_are_made_of_scans(reverse, inclusive, monkeypatch):
    """There with resets, because upsweep would leave them to the CPU."""
    monkeypatch.setattr(_jax_handlers, "_runs_on_gpu", lambda dtype: True)
    options = {"axis": 1, "reverse": reverse, "inclusive": inclusive}
    rng = np.random.default_rng(0)
    x, c = (rng.normal(size=(3, 7)) for _ in range(2))
    reset = rng.random((1, 7)) < 0.4
    for derivative, of_scans in (
        (primitives.prod_vjp, primitives.prod_vjp_of_scans),
        (primitives.prod_jvp, primitives.prod_jvp_of_scans),
    ):
        right = derivative(x, c, reset, **options)
        found = jax.jit(partial(of_scans, **options))(x, c, reset)
        np.testing.assert_allclose(found, right, rtol=1e-14)
        for mask, calls in ((reset, {"scan", "recurrence"}), (None, set())):
            traced = jax.jit(partial(derivative, **options)).trace(
                *(np.float32(each) for each in (x, c)), mask
            )
            text = traced.lower(lowering_platforms=("cuda",)).as_text()
            found = set(re.findall(r"@upsweep_(\w+)_cuda", text))
            assert found == (calls or {derivative.__name__})
