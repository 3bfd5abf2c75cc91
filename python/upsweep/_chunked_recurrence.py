"""A linear recurrence of chunks, as _chunks has scans."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import upsweep
from upsweep._chunks import (
    CPU,
    alongside,
    before_last,
    device_of,
    is_cupy,
    like,
    line_shape,
    module_of,
    numpy_dtype,
    to_host,
    to_upsweep,
)
from upsweep._wide import Wide

STEP = 1000  # powers of two, of which float64 has that many both ways


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a chunk makes of a state: factor * state + term; and which lines have a
    reset, None if no line has. The first two are None where an element is not finite,
    and for complex64: then only the elements can tell."""

    factor: Wide | None
    term: Wide | None
    restarts: Any


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A linear recurrence of chunks of a and b, which broadcast. The state before a
    chunk is h of each line, as a Wide; complex64 has nothing wider, and its state is
    rounded to it."""

    axis: int
    reverse: bool
    inclusive: bool
    dtype: upsweep.Dtype  # of the results

    def start(self, lines: tuple[int, ...], initial: Any) -> Any:
        """The state before the first chunk."""
        initial = to_host(initial)
        kind = numpy_dtype(self.dtype)
        # For upsweep's own errors.
        nothing: Any = np.zeros((*lines[: self.axis], 0, *lines[self.axis :]), kind)
        upsweep.linear_recurrence(
            nothing, nothing, self.axis, initial=initial, stream=CPU
        )
        value = np.asarray(0 if initial is None else initial).astype(kind)
        state = np.broadcast_to(value, lines)
        return state if self._is_complex() else Wide.of(state)

    def part(self, state: Any, lines: tuple[slice, ...]) -> Any:
        """The state of some of the lines."""
        return state[lines]

    def summarise(self, a: Any, b: Any, reset: Any) -> Summary:
        a, b, reset = self._together(a, b, reset)
        restarts = None
        if reset is not None and reset.any():
            restarts = to_host(reset.any(self.axis))
        if self._is_complex():
            return Summary(None, None, restarts)
        a, b = self._last_segment(a, b, reset)
        if not all(bool(module_of(each).isfinite(each).all()) for each in (a, b)):
            return Summary(None, None, restarts)
        return Summary(self._factor(a), self._term(a, b), restarts)

    def advance(self, state: Any, summary: Summary, a: Any, b: Any, reset: Any) -> Any:
        """The state after a chunk. Reads the chunk only where its summary lacks the
        factor."""
        if summary.restarts is not None:
            state = self._zero_where(summary.restarts, state)
        if summary.factor is not None and summary.term is not None:
            return summary.factor.times(state).plus(summary.term)
        a, b, reset = self._together(a, b, reset)
        a, b = self._last_segment(a, b, reset)
        if self._is_complex():
            return self._end(state, a, b)
        return Wide.of(self._end(state.value(), a, b))

    def results(self, state: Any, a: Any, b: Any, reset: Any) -> Any:
        a, b, reset = self._together(a, b, reset)
        xp, dtype = module_of(a), self.dtype
        if self._is_complex():
            h = self._follow(state, a, b, reset, self.inclusive)
            return like(a, h.astype(dtype, stream=device_of(a)))
        with np.errstate(over="ignore", under="ignore"):
            value = state.value()
            rounded = value.astype(numpy_dtype(dtype))
        is_exact = np.array_equal(rounded, value, equal_nan=True)
        if state.fits() and (is_exact or (is_cupy(a) and np.isfinite(rounded).all())):
            h = self._follow(rounded, a, b, reset, self.inclusive)
            return like(a, h.astype(dtype, stream=device_of(a)))
        # In float64, which only the CPU has.
        wide_a, wide_b = (self._wide(to_host(each)) for each in (a, b))
        reset = to_host(reset)
        if state.fits():
            wide = self._follow(value, wide_a, wide_b, reset, self.inclusive)
        else:
            wide = self._far_results(state, wide_a, wide_b, reset)
        return xp.asarray(np.asarray(wide.astype(dtype, stream=CPU)))

    def _far_results(self, state: Wide, a: Any, b: Any, reset: Any) -> upsweep.array:
        """From a state that float64 does not have: elements in front of the others
        lead to it, because within one call the exponents of h have no bounds."""
        factors, terms = [np.zeros(state.exponent.shape)], [state.mantissa]
        left = state.exponent
        while left.any():
            step = np.clip(left, -STEP, STEP)
            left = left - step
            factors.append(np.ldexp(1.0, step))
            terms.append(np.zeros(step.shape))
        n = len(factors)

        def joined(front: Any, x: Any) -> Any:
            parts = [np.stack(front, self.axis), x]
            if self.reverse:
                parts = [np.flip(parts[0], self.axis), x][::-1]
            return np.concatenate(parts, self.axis)

        if reset is not None:
            reset = joined([np.zeros(state.exponent.shape, bool)] * n, reset)
        zero = np.zeros(state.exponent.shape)
        h = self._follow(
            zero, joined(factors, a), joined(terms, b), reset, self.inclusive
        )
        at = [slice(None)] * a.ndim
        at[self.axis] = slice(None, -n) if self.reverse else slice(n, None)
        return h[tuple(at)]

    def _factor(self, a: Any) -> Wide:
        """The product of a along the axis."""
        carry = upsweep.carry(
            to_upsweep(a), "prod", self.axis, reverse=self.reverse, stream=device_of(a)
        )
        mantissa, exponent = map(np.asarray, carry.mantissa_exponent())
        return Wide.of(mantissa, exponent)

    def _term(self, a: Any, b: Any) -> Wide:
        """h after the last element, from zero. Where it leaves the range, it is put
        together from those of two halves. All elements are finite."""
        term = self._end(np.zeros(line_shape(a.shape, self.axis)), a, b)
        if np.isfinite(term).all():
            return Wide.of(term)
        middle = a.shape[self.axis] // 2
        halves = [self._cut(a, b, None, middle), self._cut(a, b, middle, None)]
        first, second = reversed(halves) if self.reverse else halves
        return (
            self._factor(second[0]).times(self._term(*first)).plus(self._term(*second))
        )

    def _cut(self, a: Any, b: Any, begin: Any, end: Any) -> tuple[Any, Any]:
        """A part along the axis."""
        at = [slice(None)] * a.ndim
        at[self.axis] = slice(begin, end)
        return a[tuple(at)], b[tuple(at)]

    def _is_complex(self) -> bool:
        return bool(self.dtype == upsweep.complex64)

    def _together(self, a: Any, b: Any, reset: Any) -> tuple[Any, Any, Any]:
        """In one library, of one shape."""
        chunk = a if is_cupy(a) else b
        a, b, reset = (alongside(chunk, each) for each in (a, b, reset))
        xp = module_of(a)
        shape = np.broadcast_shapes(a.shape, b.shape)
        return xp.broadcast_to(a, shape), xp.broadcast_to(b, shape), reset

    def _wide(self, a: Any) -> Any:
        """The elements in the dtype, and then in float64 where there is that."""
        device = device_of(a)
        narrow = to_upsweep(a).astype(self.dtype, stream=device)
        if self._is_complex() or is_cupy(a):
            return like(a, narrow)
        return np.asarray(narrow.astype(upsweep.float64, stream=CPU))

    def _last_segment(self, a: Any, b: Any, reset: Any) -> tuple[Any, Any]:
        """The chunk as _wide has it, zero before the last reset of a line."""
        a, b = self._wide(a), self._wide(b)
        if reset is None or not reset.any():
            return a, b
        before = before_last(reset, self.axis, self.reverse)
        xp = module_of(a)
        return xp.where(before | reset, a.dtype.type(0), a), xp.where(
            before, b.dtype.type(0), b
        )

    def _zero_where(self, lines: Any, state: Any) -> Any:
        if isinstance(state, Wide):
            return state.where(~lines)
        return np.where(lines, state.dtype.type(0), state)

    def _end(self, state: Any, a: Any, b: Any) -> Any:
        """h after the last element."""
        if a.shape[self.axis] == 0:
            return state
        h = like(a, self._follow(state.astype(a.dtype), a, b, None, True))
        last = to_host(h.take(0 if self.reverse else -1, self.axis))
        return last.astype(state.dtype)

    def _follow(
        self, state: Any, a: Any, b: Any, reset: Any, inclusive: bool
    ) -> upsweep.array:
        # Both may be of integers, which the recurrence computes in float32.
        dtype = upsweep.float64 if a.dtype == np.float64 else self.dtype
        device = device_of(a)
        return upsweep.linear_recurrence(
            to_upsweep(a).astype(dtype, stream=device),
            to_upsweep(b).astype(dtype, stream=device),
            self.axis,
            reverse=self.reverse,
            inclusive=inclusive,
            initial=state,
            reset=None if reset is None else to_upsweep(reset),
            stream=device,
        )
