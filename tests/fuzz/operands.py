"""Arrays from bytes, of any dtype, shape and strides, for functions of several."""

from typing import NamedTuple

import numpy as np
from elements import fill, read_filling
from layouts import Layout, read_layout, read_shape
from support import numpy_dtype

MOST = 20_000


class Operand(NamedTuple):
    dtype: str
    layout: Layout
    filling: tuple
    data: bytes


def read_operand(source, dtype, shape=None):
    """An operand of this shape, or of any."""
    if shape is None:
        shape = limited(read_shape(source, source.byte() % 5, MOST))
    layout = read_layout(source, shape, numpy_dtype(dtype).itemsize)
    filling = read_filling(source, dtype)
    return Operand(dtype, layout, filling, source.few_bytes())


def limited(shape):
    """Few lines along any axis, also if there are no elements."""
    room, extents = MOST, []
    for extent in shape:
        extents.append(min(extent, room))
        room //= max(extents[-1], 1)
    return tuple(extents)


def view_of(operand):
    """The memory, no larger than necessary, and the view of it."""
    dtype, layout = numpy_dtype(operand.dtype), operand.layout
    memory = np.zeros(layout.nbytes, np.uint8)
    itemsize = dtype.itemsize
    start = layout.offset % itemsize
    whole = (layout.nbytes - start) // itemsize * itemsize
    fill(memory[start : start + whole], operand.dtype, operand.filling, operand.data)
    return memory, np.ndarray(
        layout.shape, dtype, memory, layout.offset, layout.strides
    )


def values_of(view):
    """What the elements mean: any byte of a bool_ but 0 is true."""
    x = view.copy()
    return x.view(np.uint8) != 0 if x.dtype == bool else x
