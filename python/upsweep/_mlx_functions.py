"""The scans as functions of MLX arrays that MLX can differentiate and map.

Each takes arrays of one shape and runs along an axis that is counted from the end, so
that a batch can be one more axis in front. Derivatives are made of the same functions,
which gives those of higher order. No product is divided by an element.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

import upsweep
from upsweep._mlx_call import call

Arrays = tuple[mx.array, ...]
Tangents = tuple[Any, ...]  # arrays or None


class How(NamedTuple):
    """The options that all scans have. The axis is negative."""

    axis: int
    reverse: bool = False
    inclusive: bool = True
    stream: Any = None

    def backwards(self) -> How:
        return self._replace(reverse=not self.reverse)

    def with_own(self) -> How:
        return self._replace(inclusive=True)

    def without_own(self) -> How:
        return self._replace(inclusive=False)

    def on_cpu(self) -> How:
        """For float64, which GPUs may lack."""
        return self._replace(stream=upsweep.Device(upsweep.cpu))


def product(x: mx.array, reset: mx.array | None, how: How) -> mx.array:
    """Cumulative products, which start anew where reset is true."""

    def forward(x: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.scan(x, "prod", **how._asdict(), reset=reset)

    def vjp(c: mx.array, x: mx.array, *reset: mx.array) -> list[mx.array]:
        x, where = _inexact(x, how)
        of_x = product_vjp(x, c.astype(x.dtype), *_one_of(reset), where)
        return [of_x, *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, *reset), d = primals, tangents[0]
        if d is None:
            return mx.zeros_like(x)
        x, where = _inexact(x, how)
        return product_jvp(x, d.astype(x.dtype), *_one_of(reset), where)

    return call(forward, vjp, jvp, x, *_given(reset))


def product_vjp(
    x: mx.array, cotangent: mx.array, reset: mx.array | None, how: How
) -> mx.array:
    """What the cotangent of the products of x gives for x; linear in it."""

    def forward(x: upsweep.array, c: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.cumprod_vjp(x, c, **how._asdict(), reset=reset)

    def vjp(u: mx.array, x: mx.array, c: mx.array, *reset: mx.array) -> list[mx.array]:
        at = _one_of(reset)
        of_x, of_c = _mixed(x, u, c, *at, how), product_jvp(x, u, *at, how)
        return [of_x, of_c, *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, c, *reset), (dx, dc) = primals, tangents[:2]
        at = _one_of(reset)
        return _sum(
            None if dx is None else _mixed(x, dx, c, *at, how),
            None if dc is None else product_vjp(x, dc, *at, how),
        )

    return call(forward, vjp, jvp, x, cotangent, *_given(reset))


def product_jvp(
    x: mx.array, tangent: mx.array, reset: mx.array | None, how: How
) -> mx.array:
    """The derivative of the products of x in the direction of the tangent."""

    def forward(x: upsweep.array, d: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.cumprod_jvp(x, d, **how._asdict(), reset=reset)

    def vjp(u: mx.array, x: mx.array, d: mx.array, *reset: mx.array) -> list[mx.array]:
        at = _one_of(reset)
        of_x, of_d = _mixed(x, d, u, *at, how), product_vjp(x, u, *at, how)
        return [of_x, of_d, *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, d, *reset), (dx, dd) = primals, tangents[:2]
        at = _one_of(reset)
        return _sum(
            None if dx is None else _second(x, d, dx, *at, how),
            None if dd is None else product_jvp(x, dd, *at, how),
        )

    return call(forward, vjp, jvp, x, tangent, *_given(reset))


def _mixed(
    x: mx.array, u: mx.array, c: mx.array, reset: mx.array | None, how: How
) -> mx.array:
    """The derivative of product_vjp(x, c) in x, in the direction of u.

    product_vjp is P R, with the exclusive products P and R[k] = c[k] + x[k+1] R[k+1].
    At a reset P is 1; the R before it is c alone."""
    x, u, c = map(_float64, (x, u, c))
    how = how.on_cpu()
    c = _of_inclusive(c, reset, how)
    own = how.with_own()
    factors = _after(x, own, 0)
    ends = None if reset is None else _after(reset, own, False)
    rest = recurrence(factors, c, None, ends, own.backwards())
    step = _after(u, own, 0) * _after(rest, own, 0)
    if ends is not None:
        step = mx.where(ends, 0, step)
    d_rest = recurrence(factors, step, None, ends, own.backwards())
    before = own.without_own()
    d_before = product_jvp(x, u, reset, before)
    return d_before * rest + product(x, reset, before) * d_rest


def _second(
    x: mx.array, u: mx.array, v: mx.array, reset: mx.array | None, how: How
) -> mx.array:
    """The second derivative of the products of x, in the directions of u and v.

    The first one is t[k] = x[k] t[k-1] + u[k] P[k], with the exclusive products P."""
    x, u, v = map(_float64, (x, u, v))
    how = how.on_cpu()
    before = how.without_own()
    step = v * product_jvp(x, u, reset, before) + u * product_jvp(x, v, reset, before)
    return recurrence(x, step, None, reset, how)


def total(x: mx.array, reset: mx.array | None, how: How) -> mx.array:
    """Cumulative sums, which start anew where reset is true."""

    def forward(x: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.scan(x, "sum", **how._asdict(), reset=reset)

    def vjp(c: mx.array, x: mx.array, *reset: mx.array) -> list[mx.array]:
        ends = _after(reset[0], how, False) if reset else None
        return [total(c, ends, how.backwards()), *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, *reset), d = primals, tangents[0]
        return mx.zeros_like(x) if d is None else total(d, *_one_of(reset), how)

    return call(forward, vjp, jvp, x, *_given(reset))


def extremum(x: mx.array, op: str, reset: mx.array | None, how: How) -> mx.array:
    """Cumulative maxima or minima. The element that has the value has the gradient."""
    own = how.with_own()

    def forward(x: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.scan(x, op, **how._asdict(), reset=reset)

    def taken(x: mx.array, reset: mx.array | None) -> mx.array:
        """Which elements the result takes: not those equal to it, nor after a NaN."""
        y = mx.stop_gradient(extremum(x, op, reset, own))
        before = _before(y, own, 0)
        new = mx.logical_and(y != before, mx.logical_not(mx.isnan(before)))
        new = mx.logical_or(new, _before(mx.zeros_like(new), own, True))
        return new if reset is None else mx.logical_or(new, reset)

    def vjp(c: mx.array, x: mx.array, *reset: mx.array) -> list[mx.array]:
        new = taken(x, *_one_of(reset))
        c = _of_inclusive(c, *_one_of(reset), how)
        sums = total(c, _after(new, own, False), own.backwards())
        return [mx.where(new, sums, 0), *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, *reset), d = primals, tangents[0]
        if d is None:
            return mx.zeros_like(x)
        new = taken(x, *_one_of(reset))
        result = total(mx.where(new, d, 0), new, own)
        return _as_asked(result, *_one_of(reset), how)

    return call(forward, vjp, jvp, x, *_given(reset))


def log_total(x: mx.array, reset: mx.array | None, how: How) -> mx.array:
    """Cumulative logarithms of sums of exponentials."""
    own = how.with_own().on_cpu()

    def forward(x: upsweep.array, reset: Any = None) -> upsweep.array:
        return upsweep.scan(x, "logaddexp", **how._asdict(), reset=reset)

    def shares(x: mx.array, reset: mx.array | None) -> tuple[mx.array, mx.array]:
        """Of each sum, the share of its own element and that of the sum before."""
        # Relative to the largest so far, sums are at least 1.
        size = mx.real(x) if x.dtype == mx.complex64 else x
        top = mx.stop_gradient(extremum(size, "max", reset, own))
        is_zero, is_infinite = top == -mx.inf, top == mx.inf
        base = mx.where(mx.isinf(top), 0, top)
        before = _before(top, own, -mx.inf)
        own_part = exp(mx.where(is_infinite, 0, x - base))
        decay = exp(mx.minimum(before, base) - base)
        if reset is not None:
            decay = mx.where(reset, 0, decay)
        decay = decay.astype(x.dtype)
        sums = recurrence(decay, own_part, None, None, own)
        rest = decay * _before(sums, own, 0)
        sums = mx.where(is_zero, 1, sums)
        share, rest = own_part / sums, rest / sums
        # Of an infinite sum an infinite part is all.
        stays = before == mx.inf
        if reset is not None:
            stays = mx.logical_and(stays, mx.logical_not(reset))
        return (
            mx.where(is_infinite, size == mx.inf, share),
            mx.where(is_infinite, stays, rest),
        )

    def vjp(c: mx.array, x: mx.array, *reset: mx.array) -> list[mx.array]:
        share, rest = shares(_float64(x), *_one_of(reset))
        c = _of_inclusive(_float64(c), *_one_of(reset), how)
        sums = recurrence(_after(rest, own, 0), c, None, None, own.backwards())
        return [share * sums, *map(mx.zeros_like, reset)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (x, *reset), d = primals, tangents[0]
        if d is None:
            return mx.zeros_like(x)
        share, rest = shares(_float64(x), *_one_of(reset))
        result = recurrence(rest, share * _float64(d), None, None, own)
        return _as_asked(result, *_one_of(reset), how)

    return call(forward, vjp, jvp, x, *_given(reset))


def exp(x: mx.array) -> mx.array:
    """Exponentials by NumPy: those of MLX in float64 have the error of float32."""

    def forward(x: upsweep.array) -> upsweep.array:
        return upsweep.asarray(np.exp(np.asarray(x)))

    def vjp(c: mx.array, x: mx.array) -> list[mx.array]:
        return [c * exp(x)]

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        result: mx.array = tangents[0] * exp(primals[0])
        return result

    return call(forward, vjp, jvp, x)


def recurrence(
    a: mx.array,
    b: mx.array,
    initial: mx.array | None,
    reset: mx.array | None,
    how: How,
) -> mx.array:
    """h[k] = a[k] h[k-1] + b[k]; initial lacks the axis."""

    def named(rest: Any) -> tuple[Any, Any]:
        """initial and reset, of those that are given."""
        return (
            None if initial is None else rest[0],
            None if reset is None else rest[-1],
        )

    def forward(
        a: upsweep.array, b: upsweep.array, *rest: upsweep.array
    ) -> upsweep.array:
        initial, reset = named(rest)
        return upsweep.linear_recurrence(
            a, b, **how._asdict(), initial=initial, reset=reset
        )

    def vjp(c: mx.array, a: mx.array, b: mx.array, *rest: mx.array) -> list[mx.array]:
        initial, reset = named(rest)
        c, a, b = map(_float32, (c, a, b))
        before = recurrence(a, b, _given_float32(initial), reset, how.without_own())
        factors = _after(a, how, 0) if how.inclusive else a
        ends = None if reset is None else _after(reset, how, False)
        back = recurrence(factors, c, None, ends, how.backwards())
        gradients = [back * before, back]
        if initial is not None:
            gradients.append(_of_initial(c, a, back, reset, how))
        if reset is not None:
            gradients.append(mx.zeros_like(reset))
        return gradients

    def jvp(primals: Arrays, tangents: Tangents) -> mx.array:
        (a, b, *rest), (da, db, *d_rest) = primals, tangents
        (initial, reset), (d_initial, _) = named(rest), named(d_rest)
        step = mx.zeros_like(b) if db is None else db
        if da is not None:
            before = recurrence(a, b, initial, reset, how.without_own())
            step = step + da * before
        return recurrence(a, step, d_initial, reset, how)

    return call(forward, vjp, jvp, a, b, *_given(initial), *_given(reset))


def _of_initial(
    c: mx.array, a: mx.array, back: mx.array, reset: mx.array | None, how: How
) -> mx.array:
    """The gradient of what a recurrence starts with."""
    if a.shape[how.axis] == 0:
        return mx.sum(a, how.axis)  # zeros
    gradient = _first(a, how) * _first(back, how)
    if not how.inclusive:
        gradient = gradient + _first(c, how)
    return gradient if reset is None else mx.where(_first(reset, how), 0, gradient)


def _of_inclusive(c: mx.array, reset: mx.array | None, how: How) -> mx.array:
    """The cotangent of the inclusive scan, from that of the scan that was asked for."""
    if how.inclusive:
        return c
    moved = _after(c, how, 0)
    return moved if reset is None else mx.where(_after(reset, how, False), 0, moved)


def _as_asked(d: mx.array, reset: mx.array | None, how: How) -> mx.array:
    """The tangent of the scan that was asked for, from that of the inclusive one."""
    if how.inclusive:
        return d
    moved = _before(d, how, 0)
    return moved if reset is None else mx.where(reset, 0, moved)


def _before(x: mx.array, how: How, first: Any) -> mx.array:
    """The elements before each one in scan order."""
    return _moved(x, how.axis, -1 if how.reverse else 1, first)


def _after(x: mx.array, how: How, last: Any) -> mx.array:
    """The elements after each one in scan order."""
    return _moved(x, how.axis, 1 if how.reverse else -1, last)


def _moved(x: mx.array, axis: int, step: int, fill: Any) -> mx.array:
    if x.shape[axis] == 0:
        return x
    kept = slice(None, -1) if step > 0 else slice(1, None)
    parts = [mx.full_like(_part(x, axis, slice(0, 1)), fill), _part(x, axis, kept)]
    return mx.concatenate(parts[::step], axis)


def without_first(x: mx.array, how: How) -> mx.array:
    """All elements but the first in scan order."""
    return _part(x, how.axis, slice(None, -1) if how.reverse else slice(1, None))


def _first(x: mx.array, how: How) -> mx.array:
    return _part(x, how.axis, -1 if how.reverse else 0)


def _part(x: mx.array, axis: int, index: Any) -> mx.array:
    where = (..., index, *(slice(None),) * (-1 - axis))
    part: mx.array = x[where]
    return part


def _given(value: mx.array | None) -> Arrays:
    return () if value is None else (value,)


def _one_of(values: Any) -> tuple[Any]:
    """The only one of the values, None if there is none."""
    return tuple(values) or (None,)


def _sum(*terms: mx.array | None) -> mx.array:
    first, *rest = (term for term in terms if term is not None)
    return sum(rest, first)


def _inexact(x: mx.array, how: How) -> tuple[mx.array, How]:
    """Integers as float64, on the CPU: derivatives up to 2^53 are exact."""
    if mx.issubdtype(x.dtype, mx.inexact):
        return x, how
    return _float64(x), how.on_cpu()


def _float32(x: mx.array) -> mx.array:
    """At least float32, so that what is in between can hold what a result can."""
    return x.astype(mx.float32) if x.dtype in (mx.float16, mx.bfloat16) else x


def _given_float32(x: mx.array | None) -> mx.array | None:
    return None if x is None else _float32(x)


def _float64(x: mx.array) -> mx.array:
    """float64, but for complex numbers, which have no wider dtype."""
    return x if x.dtype == mx.complex64 else x.astype(mx.float64)
