"""Derivatives of scans, as scans of the same kinds, so that derivatives of derivatives
follow. Nothing is divided, and all take linear time.

With c the gradient of the results and dx the tangent of the elements x, all in scan
order:

- The gradient of a sum is the sum of c in the other direction.
- That of a product is cumprod_vjp, which upsweep has; see _second for the next one.
- A maximum is one of the elements: c goes there.
- That of a recurrence h[k] = a[k] * h[k - 1] + b[k] is the recurrence of c in the other
  direction: l[k] = c[k] + a[k + 1] * l[k + 1]. b gets l[k] and a gets l[k] * h[k - 1].
- logcumsumexp y has the gradient exp(x[k] - y[k]) * l[k] where the factors of l are
  exp(y[k] - y[k + 1]), which are at most 1.

Gradients of complex numbers are conjugated as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from upsweep._torch_scans import cumprod_jvp, cumprod_vjp, linear_recurrence, scan

__all__: list[str] = []


class Way(NamedTuple):
    """How a scan goes over its elements."""

    dim: int
    reverse: bool
    inclusive: bool
    reset: Tensor | None = None

    def next(self, x: Tensor, last: float = 0) -> Tensor:
        """x[k + 1] at k, in scan order."""
        return _shifted(x, self.dim, not self.reverse, last)

    def previous(self, x: Tensor, first: float = 0) -> Tensor:
        """x[k - 1] at k, in scan order."""
        return _shifted(x, self.dim, self.reverse, first)

    def before(self, start: Tensor | None, x: Tensor) -> Tensor:
        """x after one more element, in scan order; 0 if start is None."""
        if start is None:
            start = x.new_zeros(()).expand(_without(x.shape, self.dim))
        one = start.unsqueeze(self.dim)
        return torch.cat((x, one) if self.reverse else (one, x), self.dim)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first element in scan order, and the others."""
        n = x.shape[self.dim] - 1
        others = x.narrow(self.dim, 0 if self.reverse else 1, n)
        return x.select(self.dim, n if self.reverse else 0), others

    def where_segments_go_on(self, x: Tensor) -> Tensor:
        """x, and 0 where a segment starts."""
        return x if self.reset is None else x.masked_fill(self.reset, 0)

    @property
    def ends(self) -> Tensor | None:
        """Where segments start in the other direction."""
        return None if self.reset is None else self.next(self.reset)

    def scan(self, x: Tensor, op: str) -> Tensor:
        """The scan."""
        return scan(x, op, self.dim, self.reverse, self.inclusive, None, self.reset)

    def exclusive(self, x: Tensor, op: str) -> Tensor:
        """The exclusive scan."""
        return scan(x, op, self.dim, self.reverse, False, None, self.reset)

    def recurrence(self, a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
        """The recurrence."""
        return linear_recurrence(
            a, b, self.dim, self.reverse, self.inclusive, initial, self.reset
        )

    def states(self, a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
        """h[k - 1] at k."""
        return linear_recurrence(
            a, b, self.dim, self.reverse, False, initial, self.reset
        )

    def adjoint(self, a: Tensor, c: Tensor) -> Tensor:
        """The gradient of b[k] in the recurrence with factors a."""
        if self.inclusive:
            a = self.next(a)
        back = not self.reverse
        return linear_recurrence(a, c, self.dim, back, self.inclusive, None, self.ends)

    def of_inclusive(self, c: Tensor) -> Tensor:
        """The gradient of the inclusive results."""
        return c if self.inclusive else self.next(self.where_segments_go_on(c))

    def from_inclusive(self, y: Tensor) -> Tensor:
        """The results from the inclusive ones, starting with 0."""
        return y if self.inclusive else self.where_segments_go_on(self.previous(y))


def _without(shape: torch.Size, dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *shape[dim + 1 :])


def _shifted(x: Tensor, dim: int, up: bool, fill: float) -> Tensor:
    """x[k + 1] at k, or x[k - 1]."""
    n = x.shape[dim]
    if n == 0:
        return x
    rest = x.narrow(dim, 0 if not up else 1, n - 1)
    edge = torch.full_like(x.narrow(dim, 0, 1), fill)
    return torch.cat((rest, edge) if up else (edge, rest), dim)


def _wide(*tensors: Tensor) -> list[Tensor]:
    """For what is rounded between two scans: wider, as far as upsweep scans it there.
    GPUs have no float64."""
    first = tensors[0]
    if first.is_complex() or first.dtype == torch.float64:
        return list(tensors)
    wide = torch.float64 if first.device.type == "cpu" else torch.float32
    return [each.to(wide) for each in tensors]


# Scans: gradients from (c, x, way), tangents from (dx, x, way).


def _sum_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    return scan(c, "sum", way.dim, not way.reverse, way.inclusive, None, way.ends)


def _sum_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    return way.scan(dx, "sum")


def _prod_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    x = x.conj()
    if way.reset is None:
        return cumprod_vjp(x, c, *way[:3])
    dtype = c.dtype
    c, x = _wide(c, x)
    return (way.exclusive(x, "prod") * way.adjoint(x, c)).to(dtype)


def _prod_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    if way.reset is None:
        return cumprod_jvp(x, dx, *way[:3])
    dtype = dx.dtype
    dx, x = _wide(dx, x)
    return way.recurrence(x, dx * way.exclusive(x, "prod")).to(dtype)


def _takes_over(x: Tensor, op: str, way: Way) -> Tensor:
    """Where the result becomes another element: a greater one, or the first NaN."""
    x = x.detach()
    before = way.exclusive(x, op)
    one, other = (x, before) if op == "max" else (before, x)
    if x.is_complex():
        greater = (one.real > other.real) | (
            (one.real == other.real) & (one.imag > other.imag)
        )
    else:
        greater = one > other
    takes = greater | (x.isnan() & ~before.isnan())
    takes = takes | ~way.previous(torch.ones_like(takes))
    return takes if way.reset is None else takes | way.reset


def _extremum_vjp(op: str) -> Callable[[Tensor, Tensor, Way], Tensor]:
    def vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
        takes = _takes_over(x, op, way)
        c = way.of_inclusive(c)
        back = not way.reverse
        sums = scan(c, "sum", way.dim, back, True, None, way.next(takes))
        return torch.where(takes, sums, 0)

    return vjp


def _extremum_jvp(op: str) -> Callable[[Tensor, Tensor, Way], Tensor]:
    def jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
        takes = _takes_over(x, op, way)
        # The tangent of the last element that took over.
        dx = torch.where(takes, dx, 0)
        inclusive = scan(dx, "sum", way.dim, way.reverse, True, None, takes)
        return way.from_inclusive(inclusive)

    return jvp


def _weights(x: Tensor, way: Way) -> tuple[Tensor, Tensor]:
    """exp(x[k] - y[k]) and exp(y[k - 1] - y[k]) of the sums y; 0 where y is -inf."""
    y = scan(x, "logaddexp", way.dim, way.reverse, True, None, way.reset)
    finite = y.masked_fill(y == -torch.inf, 0)
    own = (x - finite).exp()
    return own, (way.previous(y, -torch.inf) - finite).exp()


def _logaddexp_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    dtype = c.dtype
    c, x = _wide(way.of_inclusive(c), x)
    own, decay = (each.conj() for each in _weights(x, way))
    return (own * way._replace(inclusive=True).adjoint(decay, c)).to(dtype)


def _logaddexp_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    dtype = dx.dtype
    dx, x = _wide(dx, x)
    own, decay = _weights(x, way)
    return way.recurrence(decay, dx * own).to(dtype)


_VJPS = {
    "sum": _sum_vjp,
    "prod": _prod_vjp,
    "max": _extremum_vjp("max"),
    "min": _extremum_vjp("min"),
    "logaddexp": _logaddexp_vjp,
}
_JVPS = {
    "sum": _sum_jvp,
    "prod": _prod_jvp,
    "max": _extremum_jvp("max"),
    "min": _extremum_jvp("min"),
    "logaddexp": _logaddexp_jvp,
}


def _after_initial(way: Way, initial: Tensor, x: Tensor) -> tuple[Tensor, Way]:
    """The scan without an initial value, which is one more element."""
    reset = None if way.reset is None else way.before(None, way.reset)
    return way.before(initial, x), way._replace(reset=reset)


def _scan_vjp(
    needs: Any,
    c: Tensor,
    x: Tensor,
    op: str,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor | None, ...]:
    way = Way(dim, reverse, inclusive, reset)
    of_initial: Tensor | None = None
    if initial is None:
        of_x = _VJPS[op](c, x, way)
    else:
        x, longer = _after_initial(way, initial, x)
        of_initial, of_x = way.split(_VJPS[op](way.before(None, c), x, longer))
    return of_x, None, None, None, None, of_initial, None


def _scan_jvp(
    tangents: Any,
    x: Tensor,
    op: str,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    way = Way(dim, reverse, inclusive, reset)
    dx = torch.zeros_like(x) if tangents[0] is None else tangents[0]
    if initial is None:
        return _JVPS[op](dx, x, way)
    dx = way.before(tangents[5], dx)
    x, longer = _after_initial(way, initial, x)
    return way.split(_JVPS[op](dx, x, longer))[1]


scan.set_derivatives(_scan_vjp, _scan_jvp)


def _recurrence_vjp(
    needs: Any,
    c: Tensor,
    a: Tensor,
    b: Tensor,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor | None, ...]:
    way = Way(dim, reverse, inclusive, reset)
    of_b = way.adjoint(a.conj(), c)
    of_a: Tensor | None = None
    of_initial: Tensor | None = None
    if needs[0]:
        states = way.states(a, b, initial).conj()
        of_a = way.where_segments_go_on(of_b * states)
    if needs[5] and initial is not None:
        if c.shape[dim] == 0:
            of_initial = torch.zeros_like(initial)
        else:
            reached = way.where_segments_go_on(a.conj() * of_b)
            if not inclusive:
                reached = reached + way.where_segments_go_on(c)
            of_initial = way.split(reached)[0]
    return of_a, of_b, None, None, None, of_initial, None


def _recurrence_jvp(
    tangents: Any,
    a: Tensor,
    b: Tensor,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    way = Way(dim, reverse, inclusive, reset)
    da, db, d_initial = tangents[0], tangents[1], tangents[5]
    terms = torch.zeros_like(a) if db is None else db
    if da is not None:
        terms = terms + way.where_segments_go_on(da * way.states(a, b, initial))
    return way.recurrence(a, terms, d_initial)


linear_recurrence.set_derivatives(_recurrence_vjp, _recurrence_jvp)


# Second derivatives of products. With P the product before k and R[k] the sum of what
# comes after it, R[k] = c[k] + x[k + 1] * R[k + 1], the gradient is P * R.


def _gradient_along(c: Tensor, x: Tensor, dx: Tensor, way: Way) -> Tensor:
    """How cumprod_vjp(x, c) changes with x along dx."""
    dtype = c.dtype
    c, x, dx = _wide(c, x, dx)
    before = way.exclusive(x, "prod")
    d_before = cumprod_jvp(x, dx, way.dim, way.reverse, False)
    after = way.adjoint(x, c)
    if way.inclusive:
        terms = way.next(dx) * way.next(after)
    else:
        terms = dx * after
    d_after = way.adjoint(x, terms)
    return (d_before * after + before * d_after).to(dtype)


def _tangent_along(dx: Tensor, x: Tensor, along: Tensor, way: Way) -> Tensor:
    """How cumprod_jvp(x, dx) changes with x along another tangent."""
    dtype = dx.dtype
    dx, x, along = _wide(dx, x, along)
    one, other = (
        cumprod_jvp(x, each, way.dim, way.reverse, False) for each in (dx, along)
    )
    return way.recurrence(x, along * one + dx * other).to(dtype)


def _cumprod_vjp_vjp(
    needs: Any, g: Tensor, x: Tensor, c: Tensor, *way: Any
) -> tuple[Tensor | None, ...]:
    x = x.conj()
    of_x = _gradient_along(c.conj(), x, g, Way(*way)) if needs[0] else None
    return of_x, cumprod_jvp(x, g, *way) if needs[1] else None, None, None, None


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
    return of_x, cumprod_vjp(x, c, *way) if needs[1] else None, None, None, None


def _cumprod_jvp_jvp(tangents: Any, x: Tensor, dx: Tensor, *way: Any) -> Tensor:
    along, ddx = tangents[:2]
    parts = [] if ddx is None else [cumprod_jvp(x, ddx, *way)]
    if along is not None:
        parts.append(_tangent_along(dx, x, along, Way(*way)))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


cumprod_vjp.set_derivatives(_cumprod_vjp_vjp, _cumprod_vjp_jvp)
cumprod_jvp.set_derivatives(_cumprod_jvp_vjp, _cumprod_jvp_jvp)
