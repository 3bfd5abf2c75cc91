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


def alongside(chunk: Any, x: Any) -> Any:
    """x, in the library of the chunk if that is CuPy."""
    if x is None or is_cupy(x) or not is_cupy(chunk):
        return x
    return module_of(chunk).asarray(x)


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


def before_last(reset: Any, axis: int, reverse: bool) -> Any:
    """Which elements come before the last reset of their line."""
    xp = module_of(reset)
    n = reset.shape[axis]
    # argmax finds the first one.
    if reverse:
        last = reset.argmax(axis)
    else:
        last = n - 1 - xp.flip(reset, axis).argmax(axis)
    shape = [1] * reset.ndim
    shape[axis] = n
    index = xp.arange(n).reshape(shape)
    last, some = xp.expand_dims(last, axis), xp.expand_dims(reset.any(axis), axis)
    return some & ((index > last) if reverse else (index < last))


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a chunk amounts to: a carry, of its elements from each line's last reset on,
    and which lines have a reset."""

    carry: upsweep.Carry
    restarts: Any = None  # None if no line has


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

    def summarise(self, chunk: Any, reset: Any) -> Summary:
        carry = self._carry(self._elements(chunk, reset), device_of(chunk), None)
        if reset is None or not reset.any():
            return Summary(carry)
        return Summary(carry, to_host(reset.any(self.axis)))

    def advance(
        self, state: upsweep.Carry, summary: Summary, chunk: Any, reset: Any
    ) -> upsweep.Carry:
        """The state after a chunk. Reads the chunk only where a result may have left
        the range of the dtype on the way."""
        if summary.restarts is not None:
            state = self._restarted(state, summary.restarts)
        after = state.then(summary.carry)
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
            reset=None if reset is None else to_upsweep(alongside(chunk, reset)),
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
        if reset is not None and reset.any():
            dropped = before_last(alongside(chunk, reset), self.axis, self.reverse)
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
