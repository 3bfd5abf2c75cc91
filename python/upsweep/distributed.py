"""Scans of arrays that lie in several processes or on several GPUs, by the contract of
a scan of the whole.

Each process has a block of the array, in the order of ranks along the scanned axis. It
reads its block once for a Carry. The processes exchange these, a few bytes for each
line, and then each scans its block from what comes before it.

    torch.distributed.init_process_group()
    products = upsweep.distributed.scan(block, "prod", -1)
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import upsweep
from upsweep import _chunks, _groups

__all__ = ["scan"]

NAME = "distributed.scan"
HEADER = 2048  # bytes


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
    The bits of the results depend on the blocks and the number of processes, on
    nothing else.

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

    Raises:
        RuntimeError: Another process failed or was called with other arguments; the
            message says which and why.
        TypeError, ValueError, IndexError: An argument cannot be used. Every process of
            the group raises an error then, so that none waits for ever.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """
    members = _groups.wrap(group)
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
            dtype=_chunks.as_dtype(dtype),
            skipna=skipna,
            stream=_chunks.CPU,
        )
        _check_extras(block, mask, skipna)
        chunkwise = _chunks.Scan(
            op, axis % block.ndim, reverse, inclusive, one.dtype, skipna
        )
        lines = _chunks.line_shape(tuple(block.shape), chunkwise.axis)
        is_first = members.rank == (members.size - 1 if reverse else 0)
        start = chunkwise.start(lines, initial if is_first else None)
        summary = chunkwise.summarise(block, mask)
        if is_first:
            total = chunkwise.advance(start, summary, block, mask)
        else:
            total = summary
        said = {
            "op": op,
            "axis": chunkwise.axis,
            "reverse": bool(reverse),
            "dtype": one.dtype.name,
            "shape without the axis": list(lines),
        }
    except Exception as error:
        _agree(members, {"error": f"{type(error).__name__}: {error}"}, error)
        raise
    _agree(members, said, None)
    state = _state_before(members, chunkwise, start, summary, total, block, mask)
    return _like(a, chunkwise.results(state, block, mask))


def _agree(members: Any, said: dict[str, Any], error: Exception | None) -> None:
    """Tells all processes what this one does; raises if one fails or does another."""
    text = json.dumps(said).encode()[:HEADER].ljust(HEADER)
    every = members.gather(np.frombuffer(bytearray(text), np.uint8))
    if error is not None:
        return
    for rank, header in enumerate(every):
        other = bytes(header)
        if other == text:
            continue
        try:
            theirs = json.loads(other)
        except ValueError:  # too long for a header
            theirs = {"error": other.decode(errors="replace")}
        if "error" in theirs:
            raise RuntimeError(f"[{NAME}] Process {rank} failed: {theirs['error']}")
        for name, value in said.items():
            if theirs.get(name) != value:
                raise RuntimeError(
                    f"[{NAME}] All processes must have the same {name}: process "
                    f"{members.rank} has {value}, process {rank} {theirs.get(name)}."
                )


def _state_before(
    members: Any,
    chunkwise: _chunks.Scan,
    start: upsweep.Carry,
    summary: upsweep.Carry,
    total: upsweep.Carry,
    block: Any,
    mask: Any,
) -> upsweep.Carry:
    """What the lines amount to before this process's block."""
    carries = np.asarray(total).reshape(-1)
    records = np.empty(carries.size, [("carry", carries.dtype), ("restarts", np.bool_)])
    records["carry"] = carries
    records["restarts"] = False
    if mask is not None:
        restarts, _ = _chunks.segments_after(mask, chunkwise.axis, chunkwise.reverse)
        records["restarts"] = _chunks.to_host(restarts).reshape(-1)

    def carry_of(some: Any) -> upsweep.Carry:
        return upsweep.Carry(
            chunkwise.op, chunkwise.dtype, some, reverse=chunkwise.reverse
        )

    def combine(left: Any, right: Any) -> Any:
        both = right.copy()
        carries = np.asarray(carry_of(left["carry"]).then(carry_of(right["carry"])))
        both["carry"] = np.where(right["restarts"], right["carry"], carries)
        both["restarts"] |= left["restarts"]
        return both

    before = members.exscan(records, combine, chunkwise.reverse)
    # Where a product may have left the range, only the elements can tell what it is.
    is_decided = before is None or bool((before["carry"]["decided"] != 0).all())
    every = members.gather(np.array([is_decided], np.uint8))
    step = -1 if chunkwise.reverse else 1
    previous, following = members.rank - step, members.rank + step
    if not is_decided:
        before = members.receive(records, previous)
    if before is None:
        state = start
    else:
        state = carry_of(before["carry"].reshape(start.shape))
    if 0 <= following < members.size and not every[following][0]:
        after = chunkwise.advance(state, summary, block, mask)
        records["carry"] = np.asarray(after).reshape(-1)
        members.send(records, following)
    return state


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


def _like(a: Any, results: Any) -> Any:
    """The results as an array of a's library."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(a, torch.Tensor):
        return torch.from_dlpack(_chunks.to_upsweep(results))
    if isinstance(a, upsweep.array):
        return _chunks.to_upsweep(results)
    return results
