"""What an importer should make of a description of memory, decided in Python's
integers, which never overflow."""

import struct
from typing import NamedTuple

import numpy as np
from descriptions import CODES
from support import DTYPES, numpy_dtype

MOST_AXES = 64
MOST_BYTES = (1 << 63) - 1
MOST_ADDRESS = (1 << 64) - 1
# More than any machine has.
NEVER = 1 << 44


class Claim(NamedTuple):
    """A description in C's terms: strides in bytes, the address of the first
    element."""

    ndim: int
    shape: list | None
    strides: list | None
    data: int
    byte_offset: int
    dtype: str | None  # if upsweep has it
    is_unusable: bool  # for another reason
    may_be_refused: bool = False  # also, although it makes sense


class Memory(NamedTuple):
    """The memory that a valid claim describes."""

    dtype: str
    shape: tuple
    strides: list
    first: int

    @property
    def itemsize(self):
        return numpy_dtype(self.dtype).itemsize

    @property
    def size(self):
        return int(np.prod(self.shape, dtype=object))

    def is_inside(self, start, nbytes):
        """Whether all elements lie inside."""
        if self.size == 0:
            return True
        low, high = self.bounds()
        return start <= low and high <= start + nbytes

    def bounds(self):
        reaches = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        low = self.first + sum(r for r in reaches if r < 0)
        return low, self.first + sum(r for r in reaches if r > 0) + self.itemsize

    def is_scattered(self):
        """Whether elements are not aligned, or not whole elements apart."""
        if self.size == 0:
            return False
        alignment = 4 if self.dtype == "complex64" else self.itemsize
        steps = [s for n, s in zip(self.shape, self.strides, strict=True) if n > 1]
        return self.first % alignment != 0 or any(s % self.itemsize for s in steps)

    def addresses(self):
        """The addresses of all elements, in C order."""
        found = [self.first] if self.size else []
        for extent, stride in zip(self.shape, self.strides, strict=True):
            found = [at + i * stride for at in found for i in range(extent)]
        return found


def memory_of(claim):
    """The memory described, or None if the claim makes no sense."""
    if claim.is_unusable or claim.dtype is None:
        return None
    if not 0 <= claim.ndim <= MOST_AXES or (claim.ndim and claim.shape is None):
        return None
    shape = tuple((claim.shape or [])[: claim.ndim])
    itemsize = numpy_dtype(claim.dtype).itemsize
    if any(extent < 0 for extent in shape):
        return None
    if claim.strides is None:
        strides, step = [], itemsize
        for extent in shape[::-1]:
            strides.insert(0, step)
            step *= extent
    else:
        strides = claim.strides[: claim.ndim]
    strides = [s if n > 1 else 0 for n, s in zip(shape, strides, strict=True)]
    memory = Memory(claim.dtype, shape, strides, claim.data + claim.byte_offset)
    if memory.size == 0:
        return memory
    if claim.data == 0 or memory.size * itemsize > MOST_BYTES:
        return None
    if any(not -MOST_BYTES - 1 <= stride <= MOST_BYTES for stride in strides):
        return None
    low, high = memory.bounds()
    if low <= 0 or high > MOST_ADDRESS or high - low > MOST_BYTES:
        return None
    return memory


DL_DTYPES = {
    (4 if name == "bfloat16" else CODES[numpy_dtype(name).kind],
     8 * numpy_dtype(name).itemsize, 1): name
    for name in DTYPES
}  # fmt: skip
CPU, CUDA_HOST = 1, 3


def of_capsule(managed, said, shape, strides):
    tensor = managed.tensor
    kind = (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes)
    dtype = DL_DTYPES.get(kind)
    itemsize = 1 if dtype is None else numpy_dtype(dtype).itemsize
    types = {tensor.device.type} | ({said[0]} if said else set())
    major = getattr(managed, "major", 1)
    return Claim(
        tensor.ndim,
        shape,
        None if strides is None else [stride * itemsize for stride in strides],
        tensor.data or 0,
        tensor.byte_offset,
        dtype,
        is_unusable=major > 1 or not types <= {CPU, CUDA_HOST},
        # The version before 1 had no such capsule, and the CPU is one.
        may_be_refused=major < 1 or tensor.device.id != 0 or bool(said and said[1]),
    )


KINDS = {"?": "b", "b": "i", "h": "i", "i": "i", "l": "i", "q": "i", "n": "i",
         "B": "u", "H": "u", "I": "u", "L": "u", "Q": "u", "N": "u",
         "e": "f", "f": "f", "d": "f", "Zf": "c", "F": "c"}  # fmt: skip


def of_buffer(view, text, shape, strides, suboffsets):
    dtype, is_doubtful = dtype_of(text, view.itemsize)
    nbytes = view.itemsize
    for extent in (shape or [])[: max(view.ndim, 0)]:
        nbytes *= extent
    is_indirect = any(n >= 0 for n in (suboffsets or [])[: max(view.ndim, 0)])
    is_short = view.len != nbytes
    return Claim(
        view.ndim,
        shape,
        strides,
        view.buf or 0,
        0,
        dtype,
        # With strides, the length means nothing.
        is_unusable=is_indirect or (is_short and strides is None),
        may_be_refused=is_doubtful or is_short,
    )


def dtype_of(text, itemsize):
    """The dtype of a format, and whether the struct module would disagree."""
    text = "B" if text is None else text.decode(errors="replace")
    order, letter = ("", text) if text[:1] not in "@=<>!" else (text[:1], text[1:])
    if letter not in KINDS or (order and order in ">!" and itemsize > 1):
        return None, False
    try:
        native = struct.calcsize(text if KINDS[letter] != "c" else f"{order}2f")
        is_doubtful = letter == "F" or native != itemsize
    except struct.error:
        native, is_doubtful = struct.calcsize(letter), True
    if itemsize != native and not (letter in "lLnN" and itemsize in (4, 8)):
        return None, False
    for name in DTYPES:
        dtype = numpy_dtype(name)
        if (dtype.kind, dtype.itemsize) == (KINDS[letter], itemsize):
            return name, is_doubtful
    return None, False
