"""What test_jax_transformations.py runs in a process that has two devices."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from upsweep import jax as uj

assert len(jax.devices()) == 2
MESH = jax.make_mesh((2,), ("lines",), axis_types=(AxisType.Auto,))
X = np.random.default_rng(1).uniform(-1.5, 1.5, (4, 6)).astype(np.float32)
A = X[0]
RESET = np.array([False, False, True, False, True, False])
START = np.float32([1, 2, 3, 4])


def sharded(function, *specs):
    return jax.jit(
        jax.shard_map(function, mesh=MESH, in_specs=specs, out_specs=P("lines"))
    )


def check(function, specs, arguments):
    """The same values and derivatives as without devices."""
    mapped = sharded(function, *specs)
    np.testing.assert_array_equal(mapped(*arguments), function(*arguments))
    every = tuple(range(len(arguments)))
    for mode in (jax.jacfwd, jax.jacrev):
        for mine, right in zip(
            mode(mapped, every)(*arguments),
            mode(function, every)(*arguments),
            strict=True,
        ):
            np.testing.assert_allclose(mine, right, rtol=1e-5, atol=1e-6)


lines, shared = P("lines"), P()
for op in ["prod", "sum", "max", "min", "logaddexp"]:
    check(lambda x, op=op: uj.scan(x, op, 1), [lines], [X])
check(
    lambda x, i: uj.scan(x, "prod", 1, initial=i, inclusive=False),
    [lines, lines],
    [X, START],
)
# Of a coefficient that all devices share, the gradient is the sum over devices.
check(
    lambda a, x, i: uj.linear_recurrence(a, x, 1, initial=i, reverse=True),
    [shared, lines, lines],
    [A, X, START],
)
check(
    lambda x: uj.scan(x, "max", 1, reset=jnp.broadcast_to(RESET, x.shape)), [lines], [X]
)
check(lambda x: jax.grad(lambda x: (uj.cumprod(x, 1) ** 2).sum())(x), [lines], [X])

# Without shard_map, XLA gathers what it has to.
for spec in (P("lines"), P(None, "lines")):
    placed = jax.device_put(X, NamedSharding(MESH, spec))
    np.testing.assert_array_equal(
        jax.jit(lambda x: uj.cumprod(x, 1))(placed), uj.cumprod(X, 1)
    )
