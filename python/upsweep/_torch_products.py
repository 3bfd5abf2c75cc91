"""The derivatives of products as operators of PyTorch, and their own derivatives."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from upsweep import _core
from upsweep._torch_memory import plain
from upsweep._torch_primitive import Primitive
from upsweep._torch_scans import optional
from upsweep._torch_way import Way, wide

__all__ = ["product_jvp", "product_vjp"]


def _cumprod_vjp(
    x: Tensor, cotangent: Tensor, dim: int, reverse: bool, inclusive: bool,
    reset: Tensor | None,
) -> Tensor:  # fmt: skip
    return _core.cumprod_vjp_tensors(
        plain(x), plain(cotangent), dim, reverse, inclusive, optional(reset)
    )


def _cumprod_jvp(
    x: Tensor, tangent: Tensor, dim: int, reverse: bool, inclusive: bool,
    reset: Tensor | None,
) -> Tensor:  # fmt: skip
    return _core.cumprod_jvp_tensors(
        plain(x), plain(tangent), dim, reverse, inclusive, optional(reset)
    )


def product_vjp(x: Tensor, cotangent: Tensor, way: Way) -> Tensor:
    """What the gradient of products of x gives for x."""
    compute = _vjp_of_scans if _is_left_to_scans(x, way) else cumprod_vjp
    return compute(x, cotangent, *way)


def product_jvp(x: Tensor, tangent: Tensor, way: Way) -> Tensor:
    """How products of x change with it along the tangent."""
    compute = _jvp_of_scans if _is_left_to_scans(x, way) else cumprod_jvp
    return compute(x, tangent, *way)


def _is_left_to_scans(x: Tensor, way: Way) -> bool:
    """upsweep's GPUs have no kernels for derivatives with resets. It would leave them
    to the CPU, and the caller would wait."""
    return way.reset is not None and x.device.type != "cpu"


def _vjp_of_scans(x: Tensor, cotangent: Tensor, *options: Any) -> Tensor:
    """cumprod_vjp, right at zeros: the product before an element times the sum of what
    follows it."""
    way = Way(*options)
    dtype = x.dtype
    x, cotangent = wide(x, cotangent)
    return (way.exclusive(x, "prod") * way.adjoint(x, cotangent)).to(dtype)


def _jvp_of_scans(x: Tensor, tangent: Tensor, *options: Any) -> Tensor:
    """cumprod_jvp."""
    way = Way(*options)
    dtype = x.dtype
    x, tangent = wide(x, tangent)
    return way.recurrence(x, tangent * way.exclusive(x, "prod")).to(dtype)


# All tensors have the same shape. Complex numbers are not conjugated.
cumprod_vjp = Primitive(
    "cumprod_vjp(Tensor x, Tensor cotangent, int dim, bool reverse, bool inclusive, "
    "Tensor? reset)",
    _cumprod_vjp,
)
cumprod_jvp = Primitive(
    "cumprod_jvp(Tensor x, Tensor tangent, int dim, bool reverse, bool inclusive, "
    "Tensor? reset)",
    _cumprod_jvp,
)


# With P the product before k and R the sum of what follows it, which is
# R[k] = c[k] + x[k + 1] * R[k + 1], the gradient is P * R.
# It changes by dP * R + P * dR. At a reset P is 1; the R before it is c alone.


def _gradient_along(c: Tensor, x: Tensor, dx: Tensor, way: Way) -> Tensor:
    """How cumprod_vjp(x, c) changes with x along dx."""
    dtype = c.dtype
    c, x, dx = wide(c, x, dx)
    before = way.exclusive(x, "prod")
    d_before = cumprod_jvp(x, dx, *way._replace(inclusive=False))
    after = way.adjoint(x, c)
    terms = dx * after
    if way.inclusive:
        terms = way.next(way.where_segments_go_on(terms))
    d_after = way.adjoint(x, terms)
    return (d_before * after + before * d_after).to(dtype)


def _tangent_along(dx: Tensor, x: Tensor, along: Tensor, way: Way) -> Tensor:
    """How cumprod_jvp(x, dx) changes with x along another tangent."""
    dtype = dx.dtype
    dx, x, along = wide(dx, x, along)
    one, other = (
        cumprod_jvp(x, each, *way._replace(inclusive=False)) for each in (dx, along)
    )
    return way.recurrence(x, along * one + dx * other).to(dtype)


def _cumprod_vjp_vjp(
    needs: Any, g: Tensor, x: Tensor, c: Tensor, *way: Any
) -> tuple[Tensor | None, ...]:
    x = x.conj()
    of_x = _gradient_along(c.conj(), x, g, Way(*way)) if needs[0] else None
    of_c = cumprod_jvp(x, g, *way) if needs[1] else None
    return of_x, of_c, None, None, None, None


def _cumprod_vjp_jvp(tangents: Any, x: Tensor, c: Tensor, *way: Any) -> Tensor:
    dx, dc = tangents[:2]
    parts = [] if dc is None else [cumprod_vjp(x, dc, *way)]
    if dx is not None:
        parts.append(_gradient_along(c, x, dx, Way(*way)))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _cumprod_jvp_vjp(
    needs: Any, c: Tensor, x: Tensor, dx: Tensor, *way: Any
) -> tuple[Tensor | None, ...]:
    x = x.conj()
    of_x = _gradient_along(c, x, dx.conj(), Way(*way)) if needs[0] else None
    of_dx = cumprod_vjp(x, c, *way) if needs[1] else None
    return of_x, of_dx, None, None, None, None


def _cumprod_jvp_jvp(tangents: Any, x: Tensor, dx: Tensor, *way: Any) -> Tensor:
    along, ddx = tangents[:2]
    parts = [] if ddx is None else [cumprod_jvp(x, ddx, *way)]
    if along is not None:
        parts.append(_tangent_along(dx, x, along, Way(*way)))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


cumprod_vjp.set_derivatives(_cumprod_vjp_vjp, _cumprod_vjp_jvp)
cumprod_jvp.set_derivatives(_cumprod_jvp_vjp, _cumprod_jvp_jvp)
