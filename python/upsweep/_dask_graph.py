"""The graph of a scan of Dask arrays."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

import upsweep
from upsweep import _chunks

# Of a state for each line; of all states that are kept until the end.
STATE_BYTES, KEPT_BYTES = 152, 1 << 26
WRAP = "wrap it with dask.array.from_array."


def checked(name: str, **arrays: Any) -> tuple[da.Array, ...]:
    """Dask arrays whose chunks can be scanned."""
    for argument, x in arrays.items():
        if not isinstance(x, da.Array):
            raise TypeError(
                f"[{name}] {argument} must be a Dask array, not {type(x).__name__}; "
                + WRAP
            )
        if any(np.isnan(size) for sizes in x.chunks for size in sizes):
            raise ValueError(
                f"[{name}] {argument} has chunks of unknown size; call "
                f"{argument}.compute_chunk_sizes() first."
            )
        kind = type(x._meta)
        if not _chunks.is_numpy(x._meta) and not _chunks.is_cupy(x._meta):
            raise TypeError(
                f"[{name}] The chunks of {argument} are {kind.__module__}."
                f"{kind.__qualname__}, but must be arrays of NumPy or CuPy; convert "
                f"them with {argument}.map_blocks(numpy.asarray)."
            )
    return tuple(arrays.values())


def of_one_library(name: str, **arrays: Any) -> None:
    """Refuses Dask arrays of chunks of different libraries."""
    found = {
        argument: type(x._meta).__module__
        for argument, x in arrays.items()
        if isinstance(x, da.Array)
    }
    if len(set(found.values())) > 1:
        text = " and ".join(f"those of {a} of {m}" for a, m in found.items())
        raise TypeError(
            f"[{name}] All chunks must be arrays of one library, but {text}; convert "
            "them with map_blocks."
        )


def build(
    name: str,
    chunkwise: Any,
    inputs: list[da.Array],
    initial: Any,
    reset: Any,
) -> da.Array:
    """The graph of a scan. Each chunk has a summary, a state before it, and results."""
    ndim, axis = max(x.ndim for x in inputs), chunkwise.axis
    if len(inputs) == 1:
        chunks = inputs[0].chunks
    else:
        chunks, inputs = _unified(inputs, ndim)
    shape = tuple(map(sum, chunks))
    names = ("x",) if len(inputs) == 1 else ("a", "b")
    arrays = dict(zip(names, inputs, strict=True))
    if reset is not None:
        if not isinstance(reset, da.Array):
            reset = np.asarray(reset)
            # An empty list has no integers to tell its dtype.
            of_offsets = reset.dtype.kind in "iu" or (
                reset.dtype != bool and reset.size == 0
            )
            if of_offsets:
                reset = _mask_of_offsets(name, reset, chunks, chunkwise.reverse)
        reset = _as_mask(name, reset, chunks)
        arrays["reset"] = reset
    start_of, more = _starts(name, chunkwise, initial, shape, chunks)
    checked(name, **arrays, **more)
    metas = [x._meta for x in inputs]
    meta = next(filter(_chunks.is_cupy, metas), metas[0])
    if _chunks.is_cupy(meta) and chunkwise.dtype == upsweep.float64:
        raise ValueError(
            f"[{name}] float64 is not supported on the GPU; convert the chunks with "
            "astype('float32'), or bring them to the CPU with map_blocks(cupy.asnumpy)."
        )

    token = tokenize(chunkwise, [a.name for a in arrays.values()], initial)
    results = f"{name}-{token}"
    summaries, states = f"summary-{results}", f"state-{results}"

    def blocks(index: tuple[int, ...]) -> list[Any]:
        """The keys of one block of all arrays. Those that broadcast have one block."""
        keys: list[Any] = []
        for x in arrays.values():
            of_x = zip(index[ndim - x.ndim :], x.numblocks, strict=True)
            keys.append((x.name, *(i if n > 1 else 0 for i, n in of_x)))
        return keys if reset is not None else [*keys, None]

    def key(part: str, index: tuple[int, ...]) -> tuple[Any, ...]:
        return (part, *index)

    graph: dict[Any, Any] = {}
    lines = _chunks.line_shape(tuple(map(len, chunks)), axis)
    order = range(len(chunks[axis]))
    states_bytes = STATE_BYTES * len(order) * math.prod(_chunks.line_shape(shape, axis))
    stride = states_bytes // KEPT_BYTES + 1
    for line in np.ndindex(*lines):
        before: tuple[int, ...] | None = None
        kept = []
        for block in reversed(order) if chunkwise.reverse else order:
            index = (*line[:axis], block, *line[axis:])
            state = key(states, index)
            if before is None:
                graph[state] = start_of(line)
            else:
                summary = key(summaries, before)
                graph[summary] = (chunkwise.summarise, *blocks(before))
                graph[state] = (
                    chunkwise.advance,
                    key(states, before),
                    summary,
                    *blocks(before),
                )
            graph[key(results, index)] = (chunkwise.results, state, *blocks(index))
            if block % stride == 0:
                kept.append(state)
            before = index
        if before is not None:
            # So that they live until the end: if a worker dies, the chain goes on from
            # those that others have.
            last = key(results, before)
            graph[last] = (_without_kept, *graph[last], kept)
    return da.Array(
        HighLevelGraph.from_collections(
            results, graph, dependencies=[*arrays.values(), *more.values()]
        ),
        results,
        chunks,
        meta=_chunks.module_of(meta).empty(
            (0,) * ndim, _chunks.numpy_dtype(chunkwise.dtype)
        ),
    )


def _without_kept(function: Any, *arguments: Any) -> Any:
    """Calls a function without its last argument."""
    return function(*arguments[:-1])


def rechunked(x: da.Array, chunks: Any) -> da.Array:
    """x in other chunks. Dask itself fails at some arrays that have empty chunks."""
    if x.chunks == chunks:
        return x
    if x.size == 0:
        return da.empty_like(x, chunks=chunks)
    return without_empty_chunks(x).rechunk(chunks)


def without_empty_chunks(x: da.Array) -> da.Array:
    """x, which has elements."""
    return x.rechunk(tuple(tuple(filter(None, sizes)) for sizes in x.chunks))


def is_per_line(initial: Any) -> bool:
    """Whether there is an initial value for each line."""
    is_lazy = isinstance(initial, da.Array)
    return is_lazy or isinstance(initial, upsweep.Carry) or np.ndim(initial) > 0


def _unified(inputs: list[da.Array], ndim: int) -> tuple[Any, list[da.Array]]:
    """The chunks of arrays that broadcast, and the arrays in these chunks. There is one
    block where an extent is 1, as that may be broadcast."""
    plain = [
        rechunked(x, tuple((n,) for n in x.shape))
        if x.size == 0
        else without_empty_chunks(x)
        for x in inputs
    ]
    axes = [tuple(range(ndim - x.ndim, ndim)) for x in inputs]
    sizes, unified = da.core.unify_chunks(
        *itertools.chain.from_iterable(zip(plain, axes, strict=True))
    )
    return tuple(sizes[i] for i in range(ndim)), unified


def _starts(
    name: str, chunkwise: Any, initial: Any, shape: Any, chunks: Any
) -> tuple[Any, dict[str, da.Array]]:
    """A function of the index of a block of lines that gives the task of their first
    state; and the Dask array that it uses, if there is one."""
    lines = _chunks.line_shape(shape, chunkwise.axis)
    line_chunks = _chunks.line_shape(chunks, chunkwise.axis)

    def extents(line: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sizes[i] for sizes, i in zip(line_chunks, line, strict=True))

    if isinstance(initial, da.Array):
        if initial.ndim and initial.shape != lines:
            raise ValueError(
                f"[{name}] initial has shape {initial.shape}; it must be a scalar or "
                f"have shape {lines}, that of the array without the axis."
            )
        # For upsweep's own error about the dtype.
        chunkwise.start((1,) * len(lines), np.ones((1,) * len(lines), initial.dtype))
        each = rechunked(initial, line_chunks if initial.ndim else ())
        return (
            lambda line: (
                functools.partial(chunkwise.start, extents(line)),
                (each.name, *(line if each.ndim else ())),
            )
        ), {"initial": each}
    if is_per_line(initial):
        whole = chunkwise.start(lines, initial)
        edges = [list(itertools.accumulate((0, *sizes))) for sizes in line_chunks]

        def part(line: tuple[int, ...]) -> Any:
            at = zip(edges, line, strict=True)
            return chunkwise.part(whole, tuple(slice(e[i], e[i + 1]) for e, i in at))

        return part, {}
    return (
        lambda line: (functools.partial(chunkwise.start, extents(line)), initial)
    ), {}


def _as_mask(name: str, reset: Any, chunks: Any) -> da.Array:
    """A mask in the chunks of the scanned array."""
    shape = tuple(map(sum, chunks))
    if reset.dtype != bool:
        raise TypeError(
            f"[{name}] reset must be a bool mask, not a {type(reset).__name__} of "
            f"{reset.dtype}; offsets must be a list or NumPy array of integers."
        )
    if reset.shape != shape:
        raise ValueError(
            f"[{name}] reset has shape {reset.shape}; a mask must have that of the "
            f"array, {shape}."
        )
    if isinstance(reset, da.Array):
        return rechunked(reset, chunks)
    return da.from_array(reset, chunks=chunks)


def _mask_of_offsets(name: str, offsets: Any, chunks: Any, reverse: bool) -> da.Array:
    if len(chunks) != 1 or offsets.ndim != 1:
        raise ValueError(
            f"[{name}] reset holds offsets, which only an array of one axis can have; "
            "give a bool mask instead."
        )
    n, offsets = sum(chunks[0]), offsets.astype(np.int64)
    if offsets.size and (
        (np.diff(offsets) < 0).any() or offsets[0] < 0 or offsets[-1] > n
    ):
        raise ValueError(
            f"[{name}] reset has offsets that decrease or do not lie between 0 and {n}."
        )
    # Backwards, a segment starts at its last element.
    elements = offsets - reverse
    elements = elements[(elements >= 0) & (elements < n)]
    mask = f"reset-{tokenize(elements, chunks)}"
    graph, begin = {}, 0
    for i, size in enumerate(chunks[0]):
        first, last = np.searchsorted(elements, [begin, begin + size])
        graph[mask, i] = (_mark, size, elements[first:last] - begin)
        begin += size
    return da.Array(graph, mask, chunks, dtype=bool)


def _mark(size: int, elements: Any) -> Any:
    mask = np.zeros(size, bool)
    mask[elements] = True
    return mask
