"""Scans of arrays that lie in several processes or on several GPUs, by the contract of
a scan of the whole.

Each process has a block of the array, in the order of ranks along the scanned axis. It
reads its block once for a Carry. The processes exchange these, a few bytes for each
line, and then each scans its block from what comes before it.

    torch.distributed.init_process_group()
    products = upsweep.distributed.scan(block, "prod", -1)
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import numpy as np

import upsweep
from upsweep import _chunks, _groups

__all__ = ["scan"]

NAME = "distributed.scan"
# Bytes of the first message: what a process does, then its records if they fit. With
# few processes, all others need nothing else.
HEADER = 2048
MESSAGE = 8192
MOST_MESSAGES = 64


def scan(
    a: Any,
    /,
    op: str,
    axis: int | None = None,
    *,
    group: Any = None,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
    dtype: Any = None,
    skipna: bool = False,
) -> Any:
    """This process's block of a scan of all processes' blocks.

    Every process of the group calls it, with the same arguments but for a and reset. A
    block is scanned where its memory is: in main memory by the CPU, else by its GPU.
    The bits of the results depend on the blocks, the number of processes and the kinds
    of group and device, never on timing.

    Args:
        a: The block: a PyTorch tensor, a NumPy, CuPy or upsweep array, or anything else
            that upsweep takes. Blocks differ at most in their length along the axis,
            and may be empty.
        op: "prod", "sum", "max", "min" or "logaddexp".
        axis: The axis along which the blocks follow each other in the order of ranks,
            counted from the end when negative; None takes each block flat.
        group: A torch.distributed.ProcessGroup or an mpi4py.MPI.Intracomm. None is
            torch.distributed's default group.
        reverse: Scan from the last element of the last process to the first.
        inclusive: Whether an element counts in its own result.
        initial: What each line starts with: a number, an array of the shape of a
            without the axis, or a :class:`~upsweep.Carry`. That of the process where
            the scan starts counts.
        reset: A bool mask of the shape of a: where new segments start. For blocks in a
            GPU's memory only with CuPy arrays.
        dtype: The dtype to which a is converted first, and of the result.
        skipna: NaN counts as the identity. For blocks in a GPU's memory only with CuPy
            arrays.

    Returns:
        The block of the results, of the shape of a (flat if axis is None), as an array
        of a's library where that is PyTorch, NumPy or CuPy, else as an upsweep array.
        It must not be written to: NumPy refuses that, PyTorch and CuPy do not.

    Raises:
        RuntimeError: Another process failed or was called with other arguments; the
            message says which and why.
        TypeError, ValueError, IndexError: An argument cannot be used. Every process of
            the group raises an error then.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """
    members = _groups.wrap(group, a)
    try:
        block = _block(a)
        mask = None if reset is None else _block(reset)
        if axis is None:
            block, axis = block.reshape(-1), 0
            mask = None if mask is None else mask.reshape(-1)
        # upsweep's own errors, and the dtype of the result.
        one = upsweep.scan(
            _chunks.one_like(block),
            op,
            axis,
            reverse=reverse,
            inclusive=inclusive,
            dtype=_as_dtype(dtype),
            skipna=skipna,
            stream=_chunks.CPU,
        )
        _check_extras(block, mask, skipna)
        chunkwise = _chunks.Scan(
            op, axis % block.ndim, reverse, inclusive, one.dtype, skipna
        )
        lines = _chunks.line_shape(tuple(block.shape), chunkwise.axis)
        is_first = members.rank == (members.size - 1 if reverse else 0)
        start = chunkwise.start(lines, initial)  # to check it everywhere
        if members.size == 1:
            return _like(a, chunkwise.results(start, block, mask))
        summary = chunkwise.summarise(block, mask)
        if is_first:
            total = chunkwise.advance(start, summary, block, mask)
        else:
            total = summary.carry
        records = _Records(chunkwise)
        said = {
            "op": op,
            "axis": chunkwise.axis,
            "reverse": bool(reverse),
            "inclusive": bool(inclusive),
            "skipna": bool(skipna),
            "dtype": one.dtype.name,
            "shape without the axis": list(lines),
        }
        own = records.of(total, summary.restarts)
    except BaseException as error:  # an interrupt must not leave the others waiting
        text = f"{type(error).__name__}: {error}"
        _agree(members, {"error": text[: HEADER // 8]}, None)
        raise
    every = _agree(members, said, own)
    before, is_decided = _before(members, records, own, every, reverse)
    # Where a product may have left the range, only the elements can tell what it is.
    step = -1 if reverse else 1
    previous, following = members.rank - step, members.rank + step
    hands_on = 0 <= following < members.size and not is_decided[following]
    try:
        if not is_decided[members.rank]:
            before = members.receive(own, previous)
            if before["is_void"].any():
                raise RuntimeError(f"[{NAME}] A process before this one failed.")
        state = start if before is None else records.carry(before, start.shape)
        after = chunkwise.advance(state, summary, block, mask) if hands_on else None
    except BaseException:
        if hands_on:
            own["is_void"] = True
            members.send(own, following)
        raise
    if after is not None:
        members.send(records.of(after), following)
    return _like(a, chunkwise.results(state, block, mask))


@dataclasses.dataclass(frozen=True)
class _Records:
    """What processes tell each other of their blocks: a carry for each line, whether
    the line has a reset, so that what comes before does not count, and whether there is
    no carry because the process failed."""

    chunkwise: _chunks.Scan

    def of(self, carry: upsweep.Carry, restarts: Any = None) -> Any:
        """The records of a block, as one axis."""
        carries = np.asarray(carry).reshape(-1)
        fields = [("carry", carries.dtype), ("restarts", "?"), ("is_void", "?")]
        records = np.zeros(carries.size, fields)
        records["carry"] = carries
        if restarts is not None:
            records["restarts"] = restarts.reshape(-1)
        return records

    def carry(self, records: Any, shape: tuple[int, ...] | None = None) -> Any:
        """The carries, in a shape."""
        carries = np.ascontiguousarray(records["carry"])
        return upsweep.Carry(
            self.chunkwise.op,
            self.chunkwise.dtype,
            carries if shape is None else carries.reshape(shape),
            reverse=self.chunkwise.reverse,
        )

    def combine(self, left: Any, right: Any) -> Any:
        """The records of two blocks together."""
        both = right.copy()
        carries = np.asarray(self.carry(left).then(self.carry(right)))
        both["carry"] = np.where(right["restarts"], right["carry"], carries)
        both["restarts"] |= left["restarts"]
        return both


def _agree(members: Any, said: dict[str, Any], records: Any) -> list[Any]:
    """Tells all processes what this one does and, if there is room, its records; raises
    if one fails or does another. Returns what all of them sent."""
    text = json.dumps(said, ensure_ascii=False).encode().ljust(HEADER)
    message = np.zeros(HEADER + _room(members), np.uint8)
    message[:HEADER] = np.frombuffer(text, np.uint8)
    if records is not None and records.nbytes <= _room(members):
        message[HEADER : HEADER + records.nbytes] = records.view(np.uint8)
    every: list[Any] = members.gather(message)
    if records is None:
        return every
    for rank, other in enumerate(every):
        header = bytes(other[:HEADER])
        if header == text:
            continue
        theirs = json.loads(header)
        if "error" in theirs:
            raise RuntimeError(f"[{NAME}] Process {rank} failed: {theirs['error']}")
        for name, value in said.items():
            if theirs.get(name) != value:
                raise RuntimeError(
                    f"[{NAME}] All processes must have the same {name}: process "
                    f"{members.rank} has {value}, process {rank} {theirs.get(name)}."
                )
    return every


def _room(members: Any) -> int:
    """For records in a message, in bytes."""
    return MESSAGE - HEADER if members.size <= MOST_MESSAGES else 0


def _before(
    members: Any, records: _Records, own: Any, every: list[Any], reverse: bool
) -> tuple[Any, list[bool]]:
    """What the processes before this one amount to, None for the first one; and of
    which processes this is decided without their elements."""

    def is_decided(before: Any) -> bool:
        return before is None or bool((before["carry"]["decided"] != 0).all())

    if own.nbytes <= _room(members):
        order = range(members.size)
        befores: list[Any] = [None] * members.size
        total: Any = None
        for rank in reversed(order) if reverse else order:
            befores[rank] = total
            theirs = every[rank][HEADER : HEADER + own.nbytes].view(own.dtype)
            total = theirs if total is None else records.combine(total, theirs)
        return befores[members.rank], [is_decided(before) for before in befores]
    before = members.exscan(own, records.combine, reverse)
    flags = members.gather(np.array([is_decided(before)], np.uint8))
    return before, [bool(flag[0]) for flag in flags]


def _block(a: Any) -> Any:
    """The block as NumPy or CuPy can work with it, or as an upsweep array if it lies
    in another library's memory on a GPU."""
    if _chunks.is_numpy(a) or _chunks.is_cupy(a):
        return a
    block = upsweep.asarray(a)
    return np.asarray(block) if _chunks.device_of(block) == _chunks.CPU else block


def _check_extras(block: Any, mask: Any, skipna: bool) -> None:
    if mask is not None and mask.shape != block.shape:
        raise ValueError(
            f"[{NAME}] reset has shape {tuple(mask.shape)}; a mask must have that of "
            f"the block, {tuple(block.shape)}."
        )
    if mask is not None and mask.dtype not in (np.bool_, upsweep.bool_):
        raise TypeError(f"[{NAME}] reset must be a bool mask, not of {mask.dtype}.")
    if isinstance(block, upsweep.array) and (mask is not None or skipna):
        raise TypeError(
            f"[{NAME}] reset and skipna of a block in a GPU's memory need CuPy: give "
            "cupy.from_dlpack(a)."
        )


def _as_dtype(dtype: Any) -> Any:
    """upsweep's dtype for one of NumPy's or PyTorch's."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(dtype, torch.dtype):
        name = str(dtype).removeprefix("torch.")
        dtype = getattr(upsweep, {"bool": "bool_"}.get(name, name), name)
    return _chunks.as_dtype(dtype)


def _like(a: Any, results: Any) -> Any:
    """The results as an array of a's library."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(a, torch.Tensor):
        return torch.from_dlpack(_chunks.to_upsweep(results))
    if isinstance(a, upsweep.array):
        return _chunks.to_upsweep(results)
    return results
