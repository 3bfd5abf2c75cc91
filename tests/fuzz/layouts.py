"""Layouts from bytes: extents, and byte strides of any sign, including 0, with elements
that lie apart, overlap, or are unaligned."""

import math
from typing import NamedTuple

# Boundaries of kernels, blocks and tiles, and their neighbours.
LANDMARKS = [8, 16, 32, 64, 128, 256, 512, 1024, 4096, 8192, 16384, 32768, 65536]
EXTENTS = [
    1,
    *list(range(18)) * 4,  # mostly few
    *(mark + beside for mark in LANDMARKS[1:] for beside in (-1, 0, 1)),
]
MOST_BYTES = 1 << 19


class Layout(NamedTuple):
    shape: tuple
    strides: tuple
    offset: int  # to the element of index zero
    nbytes: int  # enough for all elements


def read_shape(source, ndim, most):
    """Extents whose product is at most `most`."""
    shape = []
    for _ in range(ndim):
        extent = source.pick(EXTENTS)
        shape.append(min(extent, most // max(math.prod(shape), 1)))
    return tuple(shape)


def read_layout(source, shape, itemsize, most=MOST_BYTES, *, skewed=True):
    """Strides for a shape, axis by axis in any order. If not skewed, elements lie whole
    elements apart."""
    order = read_order(source, len(shape))
    skew = source.byte()  # bytes between neighbours
    lead = source.byte() % 16 if skew & 64 else 0
    skew = skew % 16 if skewed and skew & 128 else 0
    strides = [0] * len(shape)
    reach = itemsize  # of the axes so far
    for axis in order:
        kind, gap = source.byte(), source.byte() * itemsize
        dense = reach + skew
        stride = [dense, dense, dense + gap, gap, 0][kind % 5]
        farthest = max(shape[axis] - 1, 0)
        if reach + stride * farthest > most:
            stride = dense if reach + dense * farthest <= most else 0
        reach += stride * farthest
        strides[axis] = -stride if kind & 128 else stride
    before = sum(
        -stride * (extent - 1)
        for stride, extent in zip(strides, shape, strict=True)
        if stride < 0 and extent
    )
    return Layout(shape, tuple(strides), lead + before, lead + reach)


def read_order(source, count):
    """A permutation; C order for zeros."""
    number = source.byte()
    left, order = list(range(count))[::-1], []
    while left:
        number, at = divmod(number, len(left))
        order.append(left.pop(at))
    return order


def offsets(layout):
    """The offsets of all elements, in C order."""
    found = [layout.offset]
    for extent, stride in zip(layout.shape, layout.strides, strict=True):
        found = [at + i * stride for at in found for i in range(extent)]
    return found
