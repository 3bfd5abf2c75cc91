"""What the chunks of an array do to a scan of the whole: used where no one place
has all elements. A chunk is summarised on its own, the summaries are put together
in order, and then the chunk is scanned from what comes before it."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np

import upsweep

CPU = upsweep.Device(upsweep.cpu)
DLPACK_CPU = 1


def is_numpy(chunk: Any) -> bool:
    return type(chunk) is np.ndarray


def is_cupy(chunk: Any) -> bool:
    cupy = sys.modules.get("cupy")
    return cupy is not None and type(chunk) is cupy.ndarray


def module_of(chunk: Any) -> Any:
    return sys.modules["cupy"] if is_cupy(chunk) else np


def device_of(chunk: Any) -> upsweep.Device:
    if is_cupy(chunk):
        return upsweep.Device(upsweep.gpu, chunk.device.id)
    if isinstance(chunk, upsweep.array):
        kind, index = chunk.__dlpack_device__()
        return CPU if kind == DLPACK_CPU else upsweep.Device(upsweep.gpu, index)
    return CPU


def to_upsweep(chunk: Any) -> upsweep.array:
    return upsweep.from_dlpack(chunk) if is_cupy(chunk) else upsweep.asarray(chunk)


def like(chunk: Any, result: upsweep.array) -> Any:
    """The result as an array of the chunk's library, without a copy."""
    if isinstance(chunk, upsweep.array):
        return result
    return (
        module_of(chunk).from_dlpack(result) if is_cupy(chunk) else np.asarray(result)
    )


def to_host(chunk: Any) -> Any:
    return chunk.get() if is_cupy(chunk) else chunk


def numpy_dtype(dtype: upsweep.Dtype) -> Any:
    return np.asarray(upsweep.zeros((0,), dtype, stream=CPU)).dtype


def as_dtype(dtype: Any) -> Any:
    """upsweep's dtype for one of NumPy's; None and upsweep's are as they are."""
    if dtype is None or isinstance(dtype, upsweep.Dtype):
        return dtype
    return upsweep.asarray(np.empty(0, dtype)).dtype


def one_like(x: Any) -> Any:
    """A NumPy array of one element with as many axes and the dtype of x."""
    is_ours = isinstance(x.dtype, upsweep.Dtype)
    return np.ones((1,) * x.ndim, numpy_dtype(x.dtype) if is_ours else x.dtype)


def line_shape(shape: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """Without the axis."""
    return shape[:axis] + shape[axis + 1 :]


def segments_after(reset: Any, axis: int, reverse: bool) -> tuple[Any, Any]:
    """Which lines have a reset, and which elements come before their line's last."""
    xp = module_of(reset)
    n = reset.shape[axis]
    if n == 0:
        return xp.zeros(line_shape(reset.shape, axis), bool), reset
    has_reset = reset.any(axis)
    # argmax finds the first one.
    if reverse:
        last = reset.argmax(axis)
    else:
        last = n - 1 - xp.flip(reset, axis).argmax(axis)
    shape = [1] * reset.ndim
    shape[axis] = n
    index = xp.arange(n).reshape(shape)
    last, some = xp.expand_dims(last, axis), xp.expand_dims(has_reset, axis)
    return has_reset, some & ((index > last) if reverse else (index < last))


@dataclasses.dataclass(frozen=True)
class Scan:
    """A scan of chunks. The state before a chunk is a Carry of its lines."""

    op: str
    axis: int
    reverse: bool
    inclusive: bool
    dtype: upsweep.Dtype  # of the results
    skipna: bool = False

    def start(self, lines: tuple[int, ...], initial: Any) -> upsweep.Carry:
        """The state before the first chunk."""
        shape = [*lines[: self.axis], 0, *lines[self.axis :]]
        nothing = upsweep.zeros(shape, self.dtype, stream=CPU)
        return self._carry(nothing, CPU, initial)

    def part(self, state: upsweep.Carry, lines: tuple[slice, ...]) -> upsweep.Carry:
        """The state of some of the lines."""
        return self._carry_of(np.asarray(state)[lines])

    def summarise(self, chunk: Any, reset: Any) -> upsweep.Carry:
        """What the chunk's elements, or those from the last reset on, amount to."""
        return self._carry(self._elements(chunk, reset), device_of(chunk), None)

    def advance(
        self, state: upsweep.Carry, summary: upsweep.Carry, chunk: Any, reset: Any
    ) -> upsweep.Carry:
        """The state after a chunk. Reads the chunk only where a result may have left
        the range of the dtype on the way."""
        if reset is not None:
            has_reset, _ = segments_after(reset, self.axis, self.reverse)
            state = self._restarted(state, to_host(has_reset))
        after = state.then(summary)
        if after.is_decided:
            return after
        return self._carry(self._elements(chunk, reset), device_of(chunk), state)

    def results(self, state: upsweep.Carry, chunk: Any, reset: Any) -> Any:
        results = upsweep.scan(
            to_upsweep(chunk),
            self.op,
            self.axis,
            reverse=self.reverse,
            inclusive=self.inclusive,
            initial=state,
            reset=None if reset is None else to_upsweep(reset),
            dtype=self.dtype,
            skipna=self.skipna,
            stream=device_of(chunk),
        )
        return like(chunk, results)

    def identity(self) -> Any:
        """The element that changes nothing, as a NumPy scalar."""
        nothing = upsweep.zeros((0,), self.dtype, stream=CPU)
        element = upsweep.scan(nothing, self.op, include_initial=True, stream=CPU)
        return np.asarray(element)[0]

    def _carry(self, a: Any, device: upsweep.Device, initial: Any) -> upsweep.Carry:
        return upsweep.carry(
            a, self.op, self.axis, reverse=self.reverse, initial=initial, stream=device
        )

    def _elements(self, chunk: Any, reset: Any) -> Any:
        """As the scan computes with them, without those before a line's last reset."""
        a = to_upsweep(chunk)
        if a.dtype != self.dtype:
            a = a.astype(self.dtype, stream=device_of(chunk))
        dropped = None
        if reset is not None:
            _, dropped = segments_after(reset, self.axis, self.reverse)
        xp = module_of(chunk)
        if self.skipna and chunk.dtype.kind not in "biu":
            nan = xp.isnan(chunk)
            dropped = nan if dropped is None else dropped | nan
        if dropped is None or not dropped.any():
            return a
        return to_upsweep(
            xp.where(dropped, xp.asarray(self.identity()), like(chunk, a))
        )

    def _restarted(self, state: upsweep.Carry, lines: Any) -> upsweep.Carry:
        """The state, with that of some lines the identity."""
        records = np.array(np.asarray(state))
        nothing = upsweep.zeros((0,), self.dtype, stream=CPU)
        records[lines] = np.asarray(upsweep.carry(nothing, self.op, stream=CPU))
        return self._carry_of(records)

    def _carry_of(self, records: Any) -> upsweep.Carry:
        return upsweep.Carry(self.op, self.dtype, records, reverse=self.reverse)


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A linear recurrence of chunks of a and b, which broadcast. The state before a
    chunk is h of each line. It is float64, and so is the arithmetic of a narrower chunk
    that it enters; complex64 and GPUs have nothing wider, and round it to the dtype."""

    axis: int
    reverse: bool
    inclusive: bool
    dtype: upsweep.Dtype  # of the results

    def start(self, lines: tuple[int, ...], initial: Any) -> Any:
        """The state before the first chunk."""
        value = np.asarray(0 if initial is None else initial)
        kind = np.complex64 if self.dtype == upsweep.complex64 else np.float64
        return np.broadcast_to(value.astype(kind), lines)

    def part(self, state: Any, lines: tuple[slice, ...]) -> Any:
        """The state of some of the lines."""
        return state[lines]

    def summarise(self, a: Any, b: Any, reset: Any) -> tuple[Any, Any] | None:
        """What the chunk makes of a state: the a and b of a * state + b. None where
        only the elements can tell."""
        if not self._has_wide(a):
            return None
        a, b = self._last_segment(a, b, reset)
        shape = np.broadcast_shapes(a.shape, b.shape)
        decay = upsweep.carry(
            np.broadcast_to(a, shape),
            "prod",
            self.axis,
            reverse=self.reverse,
            stream=CPU,
        )
        added = self._end(np.zeros(line_shape(shape, self.axis)), a, b)
        summary = np.asarray(decay.value()), added
        return summary if all(np.isfinite(part).all() for part in summary) else None

    def advance(
        self, state: Any, summary: tuple[Any, Any] | None, a: Any, b: Any, reset: Any
    ) -> Any:
        """The state after a chunk. Reads the chunk only where its summary is None or
        the state is not finite."""
        if reset is not None:
            has_reset, _ = segments_after(reset, self.axis, self.reverse)
            state = np.where(to_host(has_reset), state.dtype.type(0), state)
        if summary is None or not np.isfinite(state).all():
            return self._end(state, *self._last_segment(a, b, reset))
        with np.errstate(over="ignore", under="ignore"):
            after = summary[0] * state + summary[1]
        # The elements can come back from where their combination overflows.
        if np.isfinite(after).all():
            return after
        return self._end(state, *self._last_segment(a, b, reset))

    def results(self, state: Any, a: Any, b: Any, reset: Any) -> Any:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            rounded = state.astype(numpy_dtype(self.dtype))
        if self._has_wide(a) and not np.array_equal(rounded, state, equal_nan=True):
            results = self._follow(
                state, self._wide(a), self._wide(b), reset, self.inclusive
            )
        else:
            results = self._follow(rounded, a, b, reset, self.inclusive)
        return like(a, results.astype(self.dtype, stream=device_of(a)))

    def _has_wide(self, a: Any) -> bool:
        """Whether float64 is at hand."""
        return self.dtype != upsweep.complex64 and not is_cupy(a)

    def _wide(self, a: Any) -> Any:
        if not self._has_wide(a):
            return a
        wide = to_upsweep(a).astype(upsweep.float64, stream=CPU)
        return np.asarray(wide)

    def _last_segment(self, a: Any, b: Any, reset: Any) -> tuple[Any, Any]:
        """The chunk in float64, zero before the last reset of a line."""
        a, b = self._wide(a), self._wide(b)
        if reset is None or not reset.any():
            return a, b
        _, before = segments_after(reset, self.axis, self.reverse)
        xp = module_of(reset)
        return xp.where(before | reset, a.dtype.type(0), a), xp.where(
            before, b.dtype.type(0), b
        )

    def _end(self, state: Any, a: Any, b: Any) -> Any:
        """h after the last element."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        if shape[self.axis] == 0:
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
