"""Says why PyTorch or JAX does not share an array: a transformation, or a tape for
gradients, follows it."""

from __future__ import annotations

from typing import Any


def refusal(name: str, a: Any) -> str | None:
    """The text of an error that names the way out; None if there is another reason."""
    library = str(type(a).__module__).partition(".")[0]
    if library == "torch":
        from torch._C._functorch import is_functorch_wrapped_tensor

        if is_functorch_wrapped_tensor(a):
            return (
                f"[{name}] torch.vmap and torch.func cannot follow this function. Use "
                "upsweep.torch, whose scans they can follow."
            )
        if a.requires_grad:
            return (
                f"[{name}] The tensor requires grad, and this function gives no "
                "gradient. Use upsweep.torch, whose scans do, or pass a.detach()."
            )
    if library == "jax":
        import jax

        if isinstance(a, jax.core.Tracer):
            return (
                f"[{name}] jax.jit, jax.grad and jax.vmap cannot follow this function. "
                "Use upsweep.jax, whose scans they can follow."
            )
    return None
