"""Scans of a plain tensor that autograd records, in few steps.

An operator's own Function takes any arguments in any mode, which takes longer than a
small scan does. A GPU is idle meanwhile, between a scan and its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, is_grad_enabled
from torch.autograd.function import _SingleLevelFunction

from upsweep import _core
from upsweep._torch_derivatives import VJPS
from upsweep._torch_memory import plain
from upsweep._torch_primitive import compiled_autograd_key, has_plain_keys, is_plain
from upsweep._torch_scans import NAMES
from upsweep._torch_way import Way

__all__ = ["recorded"]


def _product_vjp(c: Tensor, x: Tensor, dim: int, reverse: bool, own: bool) -> Any:
    if x.is_complex():
        x = plain(x.conj())
    return _core.cumprod_vjp_tensors(x, c, dim, reverse, own, None)


def _sum_vjp(c: Tensor, _: Any, dim: int, reverse: bool, own: bool) -> Any:
    return _core.cumsum_tensor(c, dim, not reverse, own)


# Derivatives that one call computes, if both tensors are plain.
_CALLS: dict[str, Callable[..., Any]] = {"prod": _product_vjp, "sum": _sum_vjp}


def recorded(op: str) -> Callable[..., Any]:
    """The scan with an operator, of a tensor that `is_plain`, a dim and two flags. None
    where `_core` has None for them."""
    name, vjp = NAMES[op], VJPS[op]
    direct, call = getattr(_core, f"{name}_tensor"), _CALLS.get(op)
    # The gradient of a sum is the same whatever the elements are.
    saves = op != "sum"

    def forward(ctx: Any, x: Tensor, dim: Any, reverse: Any, inclusive: Any) -> Any:
        if saves:
            ctx.save_for_backward(x)
        ctx.way = dim, reverse, inclusive
        return direct(x, dim, reverse, inclusive)

    def backward(ctx: Any, c: Tensor) -> tuple[Tensor | None, ...]:
        dim, reverse, inclusive = ctx.way
        x = ctx.saved_tensors[0] if saves else None
        if (
            call is not None
            and not is_grad_enabled()  # to create a graph
            and is_plain(c)
            # Hooks may unpack another tensor.
            and (x is None or has_plain_keys(x))
        ):
            return call(c, x, dim, reverse, inclusive), None, None, None
        return vjp(c, x, Way(dim % c.ndim, reverse, inclusive)), None, None, None

    methods = {
        "forward": staticmethod(forward),
        "backward": staticmethod(backward),
        "_compiled_autograd_key": staticmethod(compiled_autograd_key),
    }
    function: Any = type(f"Upsweep_{name}_", (_SingleLevelFunction,), methods)
    apply: Callable[..., Any] = function.apply
    return apply
