"""The primitives of upsweep.jax: what JAX must know to transform them.

scan_p is a scan with one operator, recurrence_p the linear recurrence. An operand has
as many axes as the result; along the axis they have its extent, and along others its
extent or 1. Tangents are made of these primitives and of JAX's own operations: scan_p
of sums is linear in its operand and recurrence_p in b, and their transposes are a scan and
a recurrence in the other direction. So all orders of derivatives exist in both modes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching

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
        shape = np.broadcast_shapes(*(each.shape for each in operands))
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

    @cache
    def compiled(**params: Any) -> Callable[..., Array]:
        return jax.jit(lambda *operands: primitive.bind(*operands, **params))

    primitive.def_abstract_eval(abstract)
    primitive.def_impl(lambda *operands, **params: compiled(**params)(*operands))
    batching.primitive_batchers[primitive] = batched
    return primitive


scan_p = _primitive("scan", 1)
recurrence_p = _primitive("recurrence", 2)


# Differentiating.


def _is_zero(tangent: Any) -> bool:
    return type(tangent) is ad.Zero


def _no_tangent(out: Array) -> Any:
    return ad.Zero(jax.typeof(out).to_tangent_aval())


def _scan_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    op: str,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> tuple[Array, Any]:
    x, *rest = primals
    reset = rest[0] if rest else None
    out = scan(x, reset, op, axis, reverse, inclusive)
    if _is_zero(tangents[0]):
        return out, _no_tangent(out)
    rule = _SCAN_TANGENTS[op]
    return out, rule(x, tangents[0], out, reset, axis, reverse, inclusive)


def _sum_tangent(
    x: Array,
    dx: Array,
    out: Array,
    reset: Array | None,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> Array:
    return scan(dx, reset, "sum", axis, reverse, inclusive)


def _prod_tangent(
    x: Array,
    dx: Array,
    out: Array,
    reset: Array | None,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> Array:
    """t[k] = x[k] * t[k - 1] + dx[k] * (the product before k): nothing is divided."""
    before = scan(x, reset, "prod", axis, reverse, False) if inclusive else out
    return recurrence(x, dx * before, reset, axis, reverse, inclusive)


def _extremum_tangent(op: str) -> Any:
    def tangent(
        x: Array,
        dx: Array,
        out: Array,
        reset: Array | None,
        axis: int,
        reverse: bool,
        inclusive: bool,
    ) -> Array:
        """That of the element which the result is: the last at which it changed.

        A sum over segments that start there, of one tangent and zeros, has no error."""
        own = out if inclusive else scan(x, reset, op, axis, reverse, True)
        before = previous_in_order(own, axis, reverse)
        starts = _is_first(own, axis, reverse)
        if reset is not None:
            starts |= reset
        # NaN stays from where it first appears.
        starts |= (own != before) & (before == before)
        picked = scan(jnp.where(starts, dx, 0), starts, "sum", axis, reverse, True)
        if inclusive:
            return picked
        picked = previous_in_order(picked, axis, reverse)
        return picked if reset is None else jnp.where(reset, 0, picked)

    return tangent


def _is_first(x: Array, axis: int, reverse: bool) -> Array:
    shape = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
    first = x.shape[axis] - 1 if reverse else 0
    return lax.broadcasted_iota(np.int32, shape, axis) == first


def _logaddexp_tangent(
    x: Array,
    dx: Array,
    out: Array,
    reset: Array | None,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> Array:
    """Each result's shares of what came before and of its own element.

    Shares of 16-bit numbers are computed in float32: the difference of two rounded
    logarithms has their absolute error."""
    narrow = x.dtype.itemsize == 2
    x, dx = (each.astype(np.float32) if narrow else each for each in (x, dx))
    if narrow or not inclusive:
        own = scan(x, reset, "logaddexp", axis, reverse, True)
    else:
        own = out
    before = previous_in_order(own, axis, reverse, -np.inf)
    tangent = recurrence(
        *jnp.broadcast_arrays(_share(before, own), _share(x, own) * dx),
        reset,
        axis,
        reverse,
        inclusive,
    )
    return tangent.astype(out.dtype)


def _share(part: Array, whole: Array) -> Array:
    """exp(part - whole). Of an infinite whole an infinite part is all, and of nothing
    everything is nothing."""
    is_finite = ~jnp.isinf(whole)
    share = jnp.exp(jnp.where(is_finite, part - whole, 0))
    return jnp.where(is_finite, share, (part == whole) & (whole.real > 0))


def _scan_transpose(
    cotangent: Any,
    x: Any,
    *reset: Array,
    op: str,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> list[Any]:
    if op != "sum" or not ad.is_undefined_primal(x):
        raise NotImplementedError(f"upsweep_scan with {op} is not linear.")
    if _is_zero(cotangent):
        return [ad.Zero(x.aval)] + [None] * len(reset)
    starts = next_in_order(reset[0], axis, reverse) if reset else None
    own = scan(cotangent, starts, "sum", axis, not reverse, inclusive)
    return [_summed_to(own, x.aval)] + [None] * len(reset)


def _recurrence_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> tuple[Array, Any]:
    a, b, *rest = primals
    reset = rest[0] if rest else None
    da, db = tangents[:2]
    out = recurrence(a, b, reset, axis, reverse, inclusive)
    added = None if _is_zero(db) else db
    if not _is_zero(da):
        before = out
        if inclusive:
            before = previous_in_order(out, axis, reverse)
            if reset is not None:
                before = jnp.where(reset, 0, before)
        added = da * before if added is None else da * before + added
    if added is None:
        return out, _no_tangent(out)
    return out, recurrence(a, added, reset, axis, reverse, inclusive)


def _recurrence_transpose(
    cotangent: Any,
    a: Array,
    b: Any,
    *reset: Array,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> list[Any]:
    if ad.is_undefined_primal(a) or not ad.is_undefined_primal(b):
        raise NotImplementedError("upsweep_recurrence is linear in b alone.")
    if _is_zero(cotangent):
        return [None, ad.Zero(b.aval)] + [None] * len(reset)
    # Element k + 1 multiplies what k adds to; an exclusive result k is that of k - 1.
    if inclusive:
        a = next_in_order(a, axis, reverse)
    starts = next_in_order(reset[0], axis, reverse) if reset else None
    own = recurrence(a, cotangent, starts, axis, not reverse, inclusive)
    return [None, _summed_to(own, b.aval)] + [None] * len(reset)


def _summed_to(x: Array, aval: Any) -> Array:
    """x, summed over the axes along which an operand of extent 1 was repeated."""
    repeated = [i for i, n in enumerate(aval.shape) if n != x.shape[i]]
    return jnp.sum(x, repeated, keepdims=True) if repeated else x


_SCAN_TANGENTS = {
    "prod": _prod_tangent,
    "sum": _sum_tangent,
    "max": _extremum_tangent("max"),
    "min": _extremum_tangent("min"),
    "logaddexp": _logaddexp_tangent,
}

ad.primitive_jvps[scan_p] = _scan_jvp
ad.primitive_transposes[scan_p] = _scan_transpose
ad.primitive_jvps[recurrence_p] = _recurrence_jvp
ad.primitive_transposes[recurrence_p] = _recurrence_transpose


# Running.


def _compute_scan(
    x: Any, reset: Any = None, *, op: Any, axis: int, **options: Any
) -> upsweep.array:
    return upsweep.scan(x, op, axis, reset=reset, **options)


def _compute_recurrence(
    a: Any, b: Any, reset: Any = None, *, axis: int, **options: Any
) -> upsweep.array:
    return upsweep.linear_recurrence(a, b, axis, reset=reset, **options)


def _runs_on_gpu(dtype: Any) -> bool:
    return dtype != np.float64


_jax_handlers.register(scan_p, "scan", _compute_scan, _runs_on_gpu)
_jax_handlers.register(recurrence_p, "recurrence", _compute_recurrence, _runs_on_gpu)
