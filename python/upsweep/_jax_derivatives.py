"""The derivatives of the primitives of upsweep.jax.

scan_p of sums is linear in its operand, recurrence_p in b, prod_jvp_p and prod_vjp_p in
their second operand. Their transposes are the same primitives in the other direction.
All tangents are made of these and of JAX's own operations, so derivatives of all orders
exist in both modes. Those of several steps follow 16-bit numbers in float32 and round
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad

from upsweep._jax_primitives import (
    Array,
    next_in_order,
    previous_in_order,
    prod_jvp,
    prod_jvp_p,
    prod_vjp,
    prod_vjp_p,
    recurrence,
    recurrence_p,
    scan,
    scan_p,
    wide,
)


def _is_zero(tangent: Any) -> bool:
    return type(tangent) is ad.Zero


def _no_tangent(out: Array) -> Any:
    return ad.Zero(jax.typeof(out).to_tangent_aval())


def _wide(*arrays: Any) -> Any:
    """16-bit numbers as float32; others, and tangents that are zero, as they are."""
    return [each if _is_zero(each) else wide(each) for each in arrays]


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
    tangent = rule(x, tangents[0], out, reset, axis, reverse, inclusive)
    return out, tangent.astype(out.dtype)


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
    return prod_jvp(x, dx, reset, axis, reverse, inclusive)


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
    x, dx = _wide(x, dx)
    if inclusive and x.dtype == out.dtype:
        own = out
    else:
        own = scan(x, reset, "logaddexp", axis, reverse, True)
    before = previous_in_order(own, axis, reverse, -np.inf)
    kept, added = _share(before, own), _share(x, own) * dx
    return recurrence(kept, added, reset, axis, reverse, inclusive)


def _share(part: Array, whole: Array) -> Array:
    """exp(part - whole). Of an infinite whole an infinite part is all, and of nothing
    everything is nothing."""
    is_finite = ~jnp.isinf(whole)
    share = jnp.exp(jnp.where(is_finite, part - whole, 0))
    is_all = (part == whole) & (whole.real > 0)
    return jnp.where(is_finite, share, is_all.astype(share.dtype))


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
        if a.dtype.itemsize == 2:
            a, b, da, db = _wide(a, b, da, db)
            added = None if _is_zero(db) else db
            before = recurrence(a, b, reset, axis, reverse, inclusive)
        if inclusive:
            before = previous_in_order(before, axis, reverse)
            if reset is not None:
                before = jnp.where(reset, 0, before)
        added = da * before if added is None else da * before + added
    if added is None:
        return out, _no_tangent(out)
    tangent = recurrence(a, added, reset, axis, reverse, inclusive)
    return out, tangent.astype(out.dtype)


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


def _second_tangent(out: Array, terms: list[Array]) -> tuple[Array, Any]:
    if not terms:
        return out, _no_tangent(out)
    tangent: Array = sum(terms)
    return out, tangent.astype(out.dtype)


def _prod_jvp_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> tuple[Array, Any]:
    """t[k] = x[k] * t[k - 1] + d[k] * p[k - 1], with p the product, differentiated."""
    x, d, *rest = primals
    reset = rest[0] if rest else None
    out = prod_jvp(x, d, reset, axis, reverse, inclusive)
    x, d, dx, dd = _wide(x, d, *tangents[:2])
    terms = []
    if not _is_zero(dd):
        terms.append(prod_jvp(x, dd, reset, axis, reverse, inclusive))
    if not _is_zero(dx):
        t = prod_jvp(x, d, reset, axis, reverse, False)
        dp = prod_jvp(x, dx, reset, axis, reverse, False)
        terms.append(recurrence(x, dx * t + d * dp, reset, axis, reverse, inclusive))
    return _second_tangent(out, terms)


def _prod_jvp_transpose(
    cotangent: Any,
    x: Array,
    d: Any,
    *reset: Array,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> list[Any]:
    options = axis, reverse, inclusive
    return _linear_in_second(prod_vjp, cotangent, x, d, reset, options)


def _prod_vjp_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Any],
    *,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> tuple[Array, Any]:
    """g[k] = p[k - 1] * r[k], with p the product and r[k] = c[k] + x[k + 1] * r[k + 1],
    differentiated. The derivative of r is such a sum itself, of (dx * r)[k + 1]. Before
    a reset, r is c alone."""
    x, c, *rest = primals
    reset = rest[0] if rest else None
    out = prod_vjp(x, c, reset, axis, reverse, inclusive)
    x, c, dx, dc = _wide(x, c, *tangents[:2])
    terms = []
    if not _is_zero(dc):
        terms.append(prod_vjp(x, dc, reset, axis, reverse, inclusive))
    if not _is_zero(dx):
        following = next_in_order(x, axis, reverse) if inclusive else x
        ends = None if reset is None else next_in_order(reset, axis, reverse)
        r = recurrence(following, c, ends, axis, not reverse, inclusive)
        dp = prod_jvp(x, dx, reset, axis, reverse, False)
        later = dx * r
        if inclusive:
            if reset is not None:
                later = jnp.where(reset, 0, later)
            later = next_in_order(later, axis, reverse)
        terms += [dp * r, prod_vjp(x, later, reset, axis, reverse, inclusive)]
    return _second_tangent(out, terms)


def _prod_vjp_transpose(
    cotangent: Any,
    x: Array,
    c: Any,
    *reset: Array,
    axis: int,
    reverse: bool,
    inclusive: bool,
) -> list[Any]:
    options = axis, reverse, inclusive
    return _linear_in_second(prod_jvp, cotangent, x, c, reset, options)


def _linear_in_second(
    transposed: Any,
    cotangent: Any,
    x: Array,
    linear: Any,
    reset: Sequence[Array],
    options: Sequence[Any],
) -> list[Any]:
    if ad.is_undefined_primal(x) or not ad.is_undefined_primal(linear):
        raise NotImplementedError("The derivatives of products are not linear in x.")
    others = [None] * len(reset)
    if _is_zero(cotangent):
        return [None, ad.Zero(linear.aval), *others]
    own = transposed(x, cotangent, reset[0] if reset else None, *options)
    return [None, _summed_to(own, linear.aval), *others]


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


def register() -> None:
    """Gives JAX the rules."""
    ad.primitive_jvps[scan_p] = _scan_jvp
    ad.primitive_transposes[scan_p] = _scan_transpose
    ad.primitive_jvps[recurrence_p] = _recurrence_jvp
    ad.primitive_transposes[recurrence_p] = _recurrence_transpose
    ad.primitive_jvps[prod_jvp_p] = _prod_jvp_jvp
    ad.primitive_transposes[prod_jvp_p] = _prod_jvp_transpose
    ad.primitive_jvps[prod_vjp_p] = _prod_vjp_jvp
    ad.primitive_transposes[prod_vjp_p] = _prod_vjp_transpose
