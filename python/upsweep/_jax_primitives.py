"""The primitives of upsweep.jax, and how JAX batches and runs them.

An operand has as many axes as the result; along the axis they have its extent, and
along others its extent or 1. Extents of 1 stand for what vmap does not map.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import batching, xla

import upsweep
from upsweep import _jax_handlers

Array = Any  # an array, or what stands for one while JAX traces


def scan(
    x: Array, reset: Array | None, op: str, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """scan_p of x, whose dtype is that of the result."""
    return _bind(
        scan_p, x, reset, op=op, axis=axis, reverse=reverse, inclusive=inclusive
    )


def recurrence(
    a: Array, b: Array, reset: Array | None, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """recurrence_p of a and b, which have one dtype."""
    return _bind(
        recurrence_p, a, b, reset, axis=axis, reverse=reverse, inclusive=inclusive
    )


def prod_jvp(
    x: Array, dx: Array, reset: Array | None, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """prod_jvp_p: the tangent of the product of x for a tangent of x."""
    return _bind(
        prod_jvp_p, x, dx, reset, axis=axis, reverse=reverse, inclusive=inclusive
    )


def prod_vjp(
    x: Array, c: Array, reset: Array | None, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """prod_vjp_p: the cotangent of x for one of its product."""
    return _bind(
        prod_vjp_p, x, c, reset, axis=axis, reverse=reverse, inclusive=inclusive
    )


def wide(x: Array) -> Array:
    """16-bit numbers as float32, for what is rounded between two scans."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def next_in_order(x: Array, axis: int, reverse: bool, fill: Any = 0) -> Array:
    """Element k + 1 of the scan at k, and fill at the last."""
    return _shifted(x, axis, 1 if reverse else -1, fill)


def previous_in_order(x: Array, axis: int, reverse: bool, fill: Any = 0) -> Array:
    """Element k - 1 of the scan at k, and fill at the first."""
    return _shifted(x, axis, -1 if reverse else 1, fill)


def _shifted(x: Array, axis: int, by: int, fill: Any) -> Array:
    padding = [(0, 0, 0)] * x.ndim
    padding[axis] = (by, -by, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), padding)


# Binding.


def _bind(primitive: Any, *operands: Array | None, **params: Any) -> Array:
    return primitive.bind(
        *_varying_alike([each for each in operands if each is not None]), **params
    )


def _varying_alike(operands: Sequence[Array]) -> Sequence[Array]:
    """Inside shard_map, operands that vary over the same axes of the mesh."""
    over = [_varying_axes(each) for each in operands]
    every = frozenset[str]().union(*over)
    return [
        lax.pcast(each, tuple(every - own), to="varying") if every - own else each
        for each, own in zip(operands, over, strict=True)
    ]


def _varying_axes(x: Array) -> frozenset[str]:
    aval: Any = jax.typeof(x)
    if hasattr(aval, "vma"):
        return frozenset(aval.vma)
    return frozenset(aval.manual_axis_type.varying)


def _primitive(name: str, data_operands: int) -> Any:
    """A primitive whose result has the dtype of its first operands, the data."""
    primitive = jax.extend.core.Primitive(f"upsweep_{name}")

    def abstract(*operands: Any, **params: Any) -> Any:
        shape = jnp.broadcast_shapes(*(each.shape for each in operands))
        weak = all(each.weak_type for each in operands[:data_operands])
        return operands[0].update(shape=shape, weak_type=weak)

    def batched(
        operands: Sequence[Array], dims: Sequence[int | None], axis: int, **params: Any
    ) -> tuple[Array, int]:
        mapped = [dim for dim in dims if dim is not None]
        at = mapped[0] if len(set(mapped)) == 1 else 0
        operands = [
            jnp.expand_dims(each, at) if dim is None else jnp.moveaxis(each, dim, at)
            for each, dim in zip(operands, dims, strict=True)
        ]
        return primitive.bind(*operands, axis=axis + (at <= axis), **params), at

    primitive.def_abstract_eval(abstract)
    # As jax's own primitives run outside jit; jit itself would come back here where
    # jax_disable_jit or jax_debug_nans turns it off.
    primitive.def_impl(partial(xla.apply_primitive, primitive))
    batching.primitive_batchers[primitive] = batched
    return primitive


scan_p = _primitive("scan", 1)
recurrence_p = _primitive("recurrence", 2)
prod_jvp_p = _primitive("prod_jvp", 2)
prod_vjp_p = _primitive("prod_vjp", 2)


def _compute_scan(
    x: Any, reset: Any = None, *, op: Any, axis: int, **options: Any
) -> upsweep.array:
    return upsweep.scan(x, op, axis, reset=reset, **options)


def _compute_recurrence(
    a: Any, b: Any, reset: Any = None, *, axis: int, **options: Any
) -> upsweep.array:
    return upsweep.linear_recurrence(a, b, axis, reset=reset, **options)


def _compute_prod_jvp(
    x: Any, dx: Any, reset: Any = None, **options: Any
) -> upsweep.array:
    return upsweep.cumprod_jvp(x, dx, reset=reset, **options)


def _compute_prod_vjp(
    x: Any, c: Any, reset: Any = None, **options: Any
) -> upsweep.array:
    return upsweep.cumprod_vjp(x, c, reset=reset, **options)


# Of derivatives with resets, for which upsweep's GPUs have no kernels.


def prod_jvp_of_scans(
    x: Array, dx: Array, reset: Array, *, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """Between resets, t[k] = x[k] * t[k - 1] + dx[k] * (the product before k)."""
    dtype = x.dtype
    x, dx = wide(x), wide(dx)
    before = scan(x, reset, "prod", axis, reverse, False)
    tangent = recurrence(x, dx * before, reset, axis, reverse, inclusive)
    return tangent.astype(dtype)


def prod_vjp_of_scans(
    x: Array, c: Array, reset: Array, *, axis: int, reverse: bool, inclusive: bool
) -> Array:
    """The product before k times r[k] = c[k] + x[k + 1] * r[k + 1]; before a reset r is
    c alone."""
    dtype = x.dtype
    x, c = wide(x), wide(c)
    following = next_in_order(x, axis, reverse) if inclusive else x
    ends = next_in_order(reset, axis, reverse)
    after = recurrence(following, c, ends, axis, not reverse, inclusive)
    gradient = scan(x, reset, "prod", axis, reverse, False) * after
    return gradient.astype(dtype)


_jax_handlers.register(scan_p, "scan", _compute_scan)
_jax_handlers.register(recurrence_p, "recurrence", _compute_recurrence)
_jax_handlers.register(prod_jvp_p, "prod_jvp", _compute_prod_jvp, prod_jvp_of_scans)
_jax_handlers.register(prod_vjp_p, "prod_vjp", _compute_prod_vjp, prod_vjp_of_scans)
