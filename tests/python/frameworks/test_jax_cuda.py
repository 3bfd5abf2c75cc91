"""upsweep.jax on a GPU: on XLA's stream, in its order, with the results of the CPU's
contract."""

import time

import numpy as np
import oracle
import pytest
import upsweep

jax = pytest.importorskip("jax", reason="JAX is not installed")
import jax.numpy as jnp  # noqa: E402
from upsweep import jax as uj  # noqa: E402


def has_cuda():
    try:
        return bool(jax.devices("cuda")) and upsweep.is_available(upsweep.gpu)
    except RuntimeError:
        return False


pytestmark = pytest.mark.skipif(
    not has_cuda(), reason="JAX or upsweep has no CUDA device here"
)
OPS = {"prod": "cumprod", "sum": "cumsum", "max": "cummax", "logaddexp": "logcumsumexp"}


@pytest.fixture(autouse=True)
def on_gpu():
    with jax.default_device(jax.devices("cuda")[0]):
        yield


def lowered(function, *arguments):
    return jax.jit(function).lower(*arguments).as_text()


@pytest.mark.parametrize("n", [1, 1000, 1 << 22])
@pytest.mark.parametrize("op", OPS)
def test_results(op, n):
    if op == "logaddexp":
        n = min(n, 1 << 15)  # what the oracle follows in seconds
    rng = np.random.default_rng(n)
    x = np.exp(rng.normal(0, 0.1, n)).astype(np.float32)
    function = jax.jit(lambda x: uj.scan(x, op))
    assert "upsweep_scan_cuda" in lowered(lambda x: uj.scan(x, op), x)
    oracle.check(OPS[op], x, np.asarray(function(x)))


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "int32", "uint8", "complex64"]
)
def test_dtypes(dtype):
    x = jnp.arange(1, 301).reshape(3, -1).astype(dtype)
    for axis, reverse in [(0, False), (1, True)]:
        own = uj.cumsum(x, axis, reverse=reverse)
        right = upsweep.cumsum(np.asarray(x), axis, reverse=reverse, stream=upsweep.cpu)
        np.testing.assert_allclose(
            np.asarray(own).astype(complex),
            np.asarray(right).astype(complex),
            rtol=1e-2,
        )


def test_the_order_of_xla_is_kept():
    """Kernels of XLA before and after, in a long chain, without the host waiting."""

    def step(x, _):
        x = uj.cumprod(x * 0.5 + 0.5) * 0.25
        return uj.cumsum(x, reverse=True) / x.size, x[-1]

    x = jnp.linspace(0.9, 1.1, 1 << 20)
    chain = jax.jit(lambda x: jax.lax.scan(step, x, length=50))
    right = None
    for _ in range(5):
        own = np.asarray(chain(x)[0])
        assert right is None or np.array_equal(own, right)
        right = own
    with jax.default_device(jax.devices("cpu")[0]):
        cpu = np.asarray(chain(np.asarray(x))[0])
    # XLA flushes subnormal numbers on the CPU.
    np.testing.assert_allclose(right, cpu, rtol=1e-4, atol=1e-37)


def test_calls_return_before_they_are_done():
    """Half the time of what takes long is left when the call is over. (XLA's own loops
    wait for their conditions on the host.)"""

    def chain(x):
        for _ in range(10):  # whose results are not too much for the queue
            x = uj.cumprod(x)
        return x

    x = jnp.ones(1 << 27)
    many = jax.jit(chain)
    many(x).block_until_ready()
    start = time.perf_counter()
    out = many(x)
    queued = time.perf_counter() - start
    out.block_until_ready()
    assert queued < (time.perf_counter() - start) / 2


def test_memory_is_reused_in_order():
    """XLA frees operands as soon as the handler returns."""
    results = []
    for i in range(50):
        x = jnp.full(1 << 20, np.float32(1 + i / 2**22))
        results.append(jax.jit(uj.cumsum, donate_argnums=0)(x))
        del x
    for i, y in enumerate(results):
        right = (1 << 20) * (1 + np.float64(i) / 2**22)
        np.testing.assert_allclose(y[-1], right, rtol=1e-6)


@pytest.mark.parametrize("op", OPS)
def test_derivatives(op):
    x = np.random.default_rng(1).uniform(0.5, 1.5, (3, 200)).astype(np.float32)

    def loss(x):
        return (uj.scan(x, op, 1) ** 2).sum()

    own = [jax.jit(jax.grad(loss))(x), jax.jvp(jax.grad(loss), (x,), (x,))[1]]
    with jax.default_device(jax.devices("cpu")[0]):
        rights = [jax.grad(loss)(x), jax.jvp(jax.grad(loss), (x,), (x,))[1]]
    for mine, right in zip(own, rights, strict=True):
        scale = np.abs(right).max()
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-6 * scale)


def test_recurrences_and_resets():
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-1, 1, (2, 64, 999)).astype(np.float32)
    reset = rng.random((64, 999)) < 0.01
    for kind in (np.float32, np.complex64):
        own = uj.linear_recurrence(a.astype(kind), b.astype(kind), reset=reset)
        right = upsweep.linear_recurrence(
            a.astype(kind), b.astype(kind), reset=reset, stream=upsweep.cpu
        )
        np.testing.assert_allclose(own, np.asarray(right), rtol=1e-5, atol=1e-6)


def test_float64_goes_through_a_callback():
    with jax.enable_x64(True):
        x = jnp.linspace(0.5, 1.5, 1000, dtype=np.float64)
        assert "upsweep_scan_cuda" not in lowered(uj.cumprod, x)
        own = uj.cumprod(x)
        assert own.dtype == np.float64
        right = upsweep.cumprod(np.asarray(x), stream=upsweep.cpu)
        np.testing.assert_array_equal(own, np.asarray(right))


def test_vmap_and_empty():
    x = jnp.arange(1.0, 13).reshape(3, 4)
    own = jax.vmap(uj.cumprod, in_axes=1, out_axes=1)(x)
    np.testing.assert_array_equal(own, uj.cumprod(x))
    assert uj.cumprod(jnp.ones((0, 3)), 1).shape == (0, 3)


def test_two_devices():
    if len(jax.devices("cuda")) < 2:
        pytest.skip("there is one GPU")
    second = jax.device_put(np.float32([2, 3, 4]), jax.devices("cuda")[1])
    own = uj.cumprod(second)
    assert own.tolist() == [2, 6, 24]
    assert own.devices() == {jax.devices("cuda")[1]}
