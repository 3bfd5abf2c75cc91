"""Derivatives of scans, as scans of the same kinds, so that derivatives of derivatives
follow. Nothing is divided, and all take linear time.

With c the gradient of the results and dx the tangent of the elements x, all in scan
order:

- The gradient of a sum is the sum of c in the other direction.
- That of a product is cumprod_vjp, which upsweep has.
- A maximum is one of the elements: c goes there.
- That of a recurrence h[k] = a[k] * h[k - 1] + b[k] is the recurrence of c in the other
  direction: l[k] = c[k] + a[k + 1] * l[k + 1]. b gets l[k] and a gets l[k] * h[k - 1].
- logcumsumexp y has the gradient exp(x[k] - y[k]) * l[k] where the factors of l are
  exp(y[k] - y[k + 1]), which are at most 1.

Gradients of complex numbers are conjugated as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from upsweep import _core
from upsweep._torch_primitive import is_plain
from upsweep._torch_products import product_jvp, product_vjp
from upsweep._torch_scans import linear_recurrence, scan
from upsweep._torch_way import Way, wide

__all__ = ["VJPS"]


# Scans: gradients from (c, x, way), tangents from (dx, x, way).


def _sum_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    return scan(c, "sum", way.dim, not way.reverse, way.inclusive, None, way.ends)


def _sum_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    return way.scan(dx, "sum")


def _prod_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    return product_vjp(x.conj() if x.is_complex() else x, c, way)


def _prod_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    return product_jvp(x, dx, way)


def _stays(x: Tensor, op: str, way: Way) -> Tensor:
    """Where the result stays what it was before, and does not become another element: a
    greater one, or the first NaN."""
    before = way.exclusive(x, op)
    one, other = (x, before) if op == "max" else (before, x)
    if x.is_complex():
        greater = (one.real > other.real) | (
            (one.real == other.real) & (one.imag > other.imag)
        )
        stays = ~(greater | x.isnan())
    else:
        stays = one <= other
    stays = stays | before.isnan()
    if x.shape[way.dim] > 0:
        way.first(stays).fill_(False)
    return stays if way.reset is None else stays & ~way.reset


def _extremum_vjp(op: str) -> Callable[[Tensor, Tensor, Way], Tensor]:
    def vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
        stays = _stays(x.detach(), op, way)
        c = way.of_inclusive(c)
        back = not way.reverse
        # At k, whether another element takes over at k + 1. The last one gets what is
        # at the first, True: the scan back starts there.
        ends = (~stays).roll(1 if way.reverse else -1, way.dim)
        sums = scan(c, "sum", way.dim, back, True, None, ends)
        return sums.masked_fill(stays, 0)

    return vjp


def _extremum_jvp(op: str) -> Callable[[Tensor, Tensor, Way], Tensor]:
    def jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
        stays = _stays(x.detach(), op, way)
        # The tangent of the last element that took over.
        dx = torch.where(stays, 0, dx)
        inclusive = scan(dx, "sum", way.dim, way.reverse, True, None, ~stays)
        return way.from_inclusive(inclusive)

    return jvp


def _sums(x: Tensor, way: Way) -> tuple[Tensor, Tensor]:
    """x and its logcumsumexp y, as `wide` has them.

    On a CPU a scan in float64 takes twenty times as long as one in float32. So y is
    first a constant, the result in float32, and the sums of exp(x - y), about 1,
    correct it."""
    (wider,) = wide(x)
    if wider.dtype in (x.dtype, torch.float32):
        return wider, way.scan(wider, "logaddexp")
    y = way.scan(x.detach().float(), "logaddexp")
    infinite = y.isinf()  # and right
    x, before, base = wide(x, way.previous(y, -torch.inf), y.masked_fill(infinite, 0))
    before, terms = (each.masked_fill(infinite, -torch.inf) for each in (before, x))
    sums = way.recurrence((before - base).exp(), (terms - base).exp())
    base = base + sums.masked_fill(infinite, 1).log()
    return x, torch.where(infinite, y, base)


def _weights(x: Tensor, way: Way) -> tuple[Tensor, Tensor]:
    """exp(x[k] - y[k]) and exp(y[k - 1] - y[k]) of the sums y. Where y is -inf, both
    are 0; where y[k - 1] is inf as y[k] is, the second is 1."""
    x, y = _sums(x, way._replace(inclusive=True))
    before = way.previous(y, -torch.inf)
    finite = y.masked_fill(y == -torch.inf, 0)
    own = (x - finite).exp()
    both = (before == torch.inf) & (y == torch.inf)
    before, finite = (each.masked_fill(both, 0) for each in (before, finite))
    return own, (before - finite).exp()


def _logaddexp_vjp(c: Tensor, x: Tensor, way: Way) -> Tensor:
    dtype = c.dtype
    own, decay = (each.conj() for each in _weights(x, way))
    (c,) = wide(way.of_inclusive(c))
    return (own * way._replace(inclusive=True).adjoint(decay, c)).to(dtype)


def _logaddexp_jvp(dx: Tensor, x: Tensor, way: Way) -> Tensor:
    dtype = dx.dtype
    own, decay = _weights(x, way)
    (dx,) = wide(dx)
    return way.recurrence(decay, dx * own).to(dtype)


VJPS = {
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
        of_x = VJPS[op](c, x, way)
    else:
        x, longer = _after_initial(way, initial, x)
        of_initial, of_x = way.split(VJPS[op](way.before(None, c), x, longer))
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


def _is_one_pass(*tensors: Tensor) -> bool:
    """Whether upsweep computes both gradients of a recurrence at once: of plain, real
    tensors in main memory, without a graph of the gradients."""
    return not torch.is_grad_enabled() and all(
        each.is_cpu and not each.is_complex() and is_plain(each) for each in tensors
    )


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
    if needs[0] and initial is None and reset is None and _is_one_pass(c, a, b):
        both = _core.recurrence_vjp_tensors(a, b, c, dim, reverse, inclusive)
        # Each has memory of its own: a program may write to one and keep the other.
        return both[0].clone(), both[1].clone(), None, None, None, None, None
    dtype = c.dtype
    way = Way(dim, reverse, inclusive, reset)
    c, a, b, initial = wide(c, a, b, initial)
    of_b = way.adjoint(a.conj(), c)
    of_a: Tensor | None = None
    of_initial: Tensor | None = None
    if needs[0]:
        states = way.states(a, b, initial).conj()
        of_a = way.where_segments_go_on(of_b * states).to(dtype)
    if needs[5] and initial is not None:
        if c.shape[dim] == 0:
            of_initial = torch.zeros_like(initial)
        else:
            reached = way.where_segments_go_on(a.conj() * of_b)
            if not inclusive:
                reached = reached + way.where_segments_go_on(c)
            of_initial = way.split(reached)[0]
        of_initial = of_initial.to(dtype)
    return of_a, of_b.to(dtype), None, None, None, of_initial, None


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
    dtype = a.dtype
    way = Way(dim, reverse, inclusive, reset)
    a, b, initial = wide(a, b, initial)
    da, db, d_initial = wide(tangents[0], tangents[1], tangents[5])
    terms = torch.zeros_like(a) if db is None else db
    if da is not None:
        terms = terms + way.where_segments_go_on(da * way.states(a, b, initial))
    return way.recurrence(a, terms, d_initial).to(dtype)


linear_recurrence.set_derivatives(_recurrence_vjp, _recurrence_jvp)
