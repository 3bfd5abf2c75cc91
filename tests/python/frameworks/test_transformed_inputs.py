"""Arrays that a transformation of PyTorch or JAX follows: errors that name the module
whose functions it can follow."""

import pytest
import upsweep

CALLS = [upsweep.cumprod, upsweep.asarray, upsweep.from_dlpack]


@pytest.mark.parametrize("call", CALLS)
def test_torch(call):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    text = rf"^\[{call.__name__}\] torch.vmap and torch.func .* Use upsweep.torch"
    with pytest.raises(BufferError, match=text):
        torch.vmap(call)(torch.ones(2, 3))
    with pytest.raises(BufferError, match=text):
        torch.func.grad(lambda t: call(t))(torch.ones(3))
    text = rf"^\[{call.__name__}\] The tensor requires grad.*Use upsweep.torch"
    with pytest.raises(BufferError, match=text) as caught:
        call(torch.ones(3, requires_grad=True))
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("transform", ["jit", "vmap", "grad"])
def test_jax(call, transform):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    text = rf"^\[{call.__name__}\] jax.jit, jax.grad and jax.vmap .* Use upsweep.jax"
    with pytest.raises(BufferError, match=text):
        getattr(jax, transform)(call)(jax.numpy.ones(3))


def test_other_errors_stay():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(Exception, match=r"meta|device"):
        upsweep.cumprod(torch.ones(2, device="meta"))
