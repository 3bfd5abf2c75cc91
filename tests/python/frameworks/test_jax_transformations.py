"""JAX's transformations and their compositions over upsweep.jax: what they give is what
the functions give element by element or line by line."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from support import run_python

jax = pytest.importorskip("jax", reason="JAX is not installed")
import jax.numpy as jnp  # noqa: E402
from jax import export  # noqa: E402
from upsweep import jax as uj  # noqa: E402

OPS = ["prod", "sum", "max", "min", "logaddexp"]
# Each has a rule of its own for tangents; those of min are those of max.
RULES = ["prod", "max", "logaddexp"]
X = np.random.default_rng(0).uniform(-1.5, 1.5, (3, 4, 2)).astype(np.float32)


def same(found, right):
    np.testing.assert_allclose(found, right, rtol=2e-6, atol=1e-6)


def weighted(op):
    """A function of a line that is linear in no element."""
    weights = np.float32([0.5, -1, 2, 1.5])[: X.shape[1]]
    return lambda line: jnp.sin(uj.scan(line, op)) @ weights


@pytest.mark.parametrize("op", OPS)
def test_vmap_over_any_axes(op):
    for mapped, scanned in itertools.product(range(3), range(2)):
        for out in range(-1, 2):
            own = jax.vmap(
                lambda x, axis=scanned: uj.scan(x, op, axis),
                in_axes=mapped,
                out_axes=out,
            )(X)
            axis = scanned + (mapped <= scanned)
            right = np.moveaxis(np.asarray(uj.scan(X, op, axis)), mapped, out)
            np.testing.assert_array_equal(own, right)
    twice = jax.vmap(jax.vmap(lambda x: uj.scan(x, op), in_axes=1), in_axes=1)(X)
    right = np.asarray(uj.scan(X, op, 0)).transpose(1, 2, 0)
    np.testing.assert_array_equal(twice, right)


@pytest.mark.parametrize("op", RULES)
def test_vmap_of_derivatives(op):
    """Against the same of one line at a time, which the gradients' tests check."""
    f = weighted(op)
    lines = X[:, :, 0]
    for derivative in (jax.grad(f), jax.hessian(f)):
        one = jax.jit(derivative)
        right = np.stack([one(line) for line in lines])
        same(jax.jit(jax.vmap(derivative))(lines), right)
        same(jax.jit(jax.vmap(derivative, in_axes=1))(lines.T), right)
    # And the derivative of what is mapped.
    total = jax.jit(jax.grad(lambda x: jax.vmap(f)(x).sum()))(lines)
    one = jax.jit(jax.grad(f))
    same(total, np.stack([one(line) for line in lines]))


@pytest.mark.parametrize("op", RULES)
def test_compositions(op):
    """jvp of grad, grad of jvp and a vjp of a vjp are the same numbers."""
    f = weighted(op)
    x, u = X[0, :, 0], np.float32([1, -0.5, 0.25, 2])
    right = jax.hessian(f)(x) @ u
    same(jax.jvp(jax.grad(f), (x,), (u,))[1], right)
    same(jax.grad(lambda x: jax.jvp(f, (x,), (u,))[1])(x), right)
    same(jax.grad(lambda x: jax.grad(f)(x) @ u)(x), right)
    _, linear = jax.linearize(jax.grad(f), x)
    same(linear(u), right)
    same(jax.linear_transpose(linear, x)(u)[0], right)
    same(jax.jit(jax.grad(jax.checkpoint(f)))(x), jax.grad(f)(x))


def test_mapping_what_is_shared():
    """What is not mapped is not repeated, and gets the sum of all cotangents."""
    a, b = X[0, :, 0], X[:, :, 1]
    reset = np.array([False, True, False, False])

    def one(a, b):
        return uj.linear_recurrence(a, b, reset=reset)

    mapped = jax.vmap(one, in_axes=(None, 0))
    same(mapped(a, b), np.stack([one(a, each) for each in b]))
    found = jax.grad(lambda a, b: (mapped(a, b) ** 2).sum(), (0, 1))(a, b)
    rights = [
        jax.grad(lambda a, b: (one(a, b) ** 2).sum(), (0, 1))(a, each) for each in b
    ]
    same(found[0], sum(right[0] for right in rights))
    same(found[1], np.stack([right[1] for right in rights]))
    across = jax.vmap(one, in_axes=(0, None))(b, a)
    same(across, np.stack([one(each, a) for each in b]))
    shared = jax.grad(lambda a: (jax.vmap(one, (0, None))(b, a) ** 2).sum())(a)
    rights = [jax.grad(lambda a: (one(each, a) ** 2).sum())(a) for each in b]  # noqa: B023
    same(shared, sum(rights))
    masks = np.stack([reset, ~reset])
    over = jax.vmap(lambda mask: uj.scan(a, "sum", reset=mask))(masks)
    same(over, np.stack([uj.scan(a, "sum", reset=mask) for mask in masks]))
    tangents = jax.vmap(lambda u: jax.jvp(uj.cumprod, (a,), (u,))[1])(b)
    same(tangents, b @ jax.jacfwd(uj.cumprod)(a).T)
    cotangents = jax.vmap(lambda c: jax.vjp(uj.cumprod, a)[1](c)[0])(b)
    same(cotangents, b @ jax.jacrev(uj.cumprod)(a))


def test_loops():
    x = X[0, :, :]

    def step(carry, line):
        carry = uj.cumprod(carry * line)
        return carry, uj.cumsum(carry)

    def looped(x):
        return jax.lax.scan(step, x[0] + 1, x)

    def unrolled(x):
        carry, sums = x[0] + 1, []
        for line in x:
            carry, own = step(carry, line)
            sums.append(own)
        return carry, jnp.stack(sums)

    for mine, right in zip(looped(x), unrolled(x), strict=True):
        same(mine, right)
    same(
        jax.grad(lambda x: looped(x)[1].sum())(x),
        jax.grad(lambda x: unrolled(x)[1].sum())(x),
    )
    counted = jax.lax.while_loop(lambda c: c[-1] < 50, uj.cumsum, jnp.ones(4))
    assert counted.tolist() == [1, 6, 21, 56]
    chosen = jax.jit(lambda p, x: jax.lax.cond(p, uj.cummax, uj.cummin, x))
    assert chosen(False, jnp.array([2.0, 3, 1])).tolist() == [2, 2, 1]


def test_donation():
    x = jnp.arange(1.0, 5)
    multiplied = jax.jit(uj.cumprod, donate_argnums=0)
    assert multiplied(x).tolist() == [1, 2, 6, 24]
    assert multiplied(jnp.arange(1.0, 5) + 0).tolist() == [1, 2, 6, 24]


def test_integers_have_no_gradient():
    counts = jnp.arange(4)
    found = jax.grad(lambda n: uj.cumsum(n).sum().astype(float), allow_int=True)(counts)
    assert found.dtype == jax.dtypes.float0
    x = jnp.float32([1, 2, 3, 4])
    mixed = jax.grad(lambda x: (uj.cumsum(counts) * x).sum())(x)
    assert mixed.tolist() == [0, 1, 3, 6]
    nothing = np.zeros(4, jax.dtypes.float0)
    by_count = jax.jvp(uj.cummax, (counts,), (nothing,))
    assert by_count[1].dtype == jax.dtypes.float0


def test_what_is_not_linear_is_not_transposed():
    for function in (uj.cumprod, uj.cummax, uj.logcumsumexp):
        with pytest.raises(Exception, match="linear"):
            jax.linear_transpose(function, X[0, :, 0])(X[0, :, 0])


def test_over_devices():
    """shard_map along other axes than the scanned one, and arrays that jit shards."""
    flags = "--xla_force_host_platform_device_count=2"
    script = Path(__file__).with_name("jax_devices.py")
    run_python(script, XLA_FLAGS=flags, JAX_PLATFORMS="cpu")


@pytest.mark.parametrize("op", OPS)
def test_without_jit(op):
    """As jax.disable_jit runs them, and jax_debug_nans once it has found one."""
    x = X[:, :, 0]
    right = uj.scan(x, op, 1)
    with jax.disable_jit():
        np.testing.assert_array_equal(uj.scan(x, op, 1), right)
        same(jax.jacrev(lambda x: uj.scan(x, op))(x[0]).shape, (4, 4))
        uj.linear_recurrence(x, x)


def test_nans_are_found():
    x = jnp.array([1.0, jnp.nan])
    with jax.debug_nans(True):
        for find in (uj.cumprod, jax.jit(uj.cumprod), lambda x: uj.scan(x, "max")):
            with pytest.raises(FloatingPointError, match="nan"):
                find(x)


def exported(function, shape, **options):
    """The function of arrays whose shape is symbolic."""
    unchecked = [
        export.DisabledSafetyCheck.custom_call(f"upsweep_{name}_cpu")
        for name in ("scan", "recurrence", "prod_jvp", "prod_vjp")
    ]
    x = jax.ShapeDtypeStruct(export.symbolic_shape(shape), np.float32)
    compiled = jax.jit(function)
    return export.export(compiled, disabled_checks=unchecked, **options)(x)


def of_rows(function):
    return lambda x: jax.vmap(function)(x)


SYMBOLIC = {
    "scan": lambda x: uj.cumprod(x, 1),
    "flat": lambda x: uj.cumsum(x, None),
    "options": lambda x: uj.scan(x, "sum", 1, initial=2.0, reset=x > 1),
    "recurrence": lambda x: uj.linear_recurrence(x[:1], x, initial=x[:, 0]),
    "vmap": of_rows(lambda x: uj.linear_recurrence(x, 1.0)),
    "grad": of_rows(jax.grad(lambda x: jnp.sin(uj.cumprod(x)).sum())),
    "jacfwd": of_rows(jax.jacfwd(uj.cumprod)),
    "grad of max": of_rows(jax.grad(lambda x: jnp.sin(uj.cummax(x)).sum())),
}


@pytest.mark.skipif(not uj.has_handlers(), reason="callbacks have no symbolic shapes")
@pytest.mark.parametrize("name", SYMBOLIC)
def test_export_of_symbolic_shapes(name):
    function = SYMBOLIC[name]
    program = exported(function, "rows, n", platforms=["cpu"])
    for x in (X[:, :, 0], X[:2, :3, 1], X[:1, :1, 0]):
        same(program.call(x), function(x))


def test_callbacks_say_that_they_have_no_symbolic_shapes():
    """Those of a platform that has no handlers."""
    with pytest.raises(NotImplementedError, match=r"scan of shape .* is a callback"):
        exported(uj.cumprod, "n", platforms=["tpu"])
