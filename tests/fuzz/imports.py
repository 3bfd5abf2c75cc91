"""Imports from bytes: capsules and buffers in which any field may be anything. A valid
description gives the elements, an invalid one an error, and the memory is released
once."""

import ctypes

import claims
import numpy as np
import upsweep
from descriptions import read
from lending import Buffer, Capsule

REFUSALS = (BufferError, TypeError, ValueError, MemoryError)
NOT_INTERESTING = -1  # to libFuzzer
MOST_LISTED = 4096


def padded(values, ndim, filler):
    """As many values as ndim says, because an importer may read that many."""
    if values is None or not 0 <= ndim <= claims.MOST_AXES:
        return values
    return (values + [filler] * ndim)[:ndim]


def export(description):
    """The exported memory, its source, and what it claims."""
    export_with = export_buffer if description.form == "buffer" else export_capsule
    return export_with(
        description,
        padded(description.shape, description.ndim, 1),
        padded(description.strides, description.ndim, 0),
        dict(description.fields),
    )


def address_of(exported, description):
    return description.data + (0 if description.is_absolute else exported.address)


def export_buffer(description, shape, strides, fields):
    exported = Buffer(description.content)
    suboffsets = padded(fields.pop("suboffsets"), description.ndim, -1)
    text = fields.pop("format")
    text = None if text is None else text.split(b"\0")[0]
    view = exported.described
    for name, value in fields.items():
        setattr(view, name, value)
    view.buf = address_of(exported, description)
    view.ndim = description.ndim
    view.format = exported.put(None if text is None else text + b"\0")
    view.shape = exported.put_integers(shape)
    view.strides = exported.put_integers(strides)
    view.suboffsets = exported.put_integers(suboffsets)
    claim = claims.of_buffer(view, text, shape, strides, suboffsets)
    return exported, exported.source(), claim


def export_capsule(description, shape, strides, fields):
    exported = Capsule(description.form, description.content)
    managed = exported.described
    tensor = managed.tensor
    said = fields.pop("said")
    if not fields.pop("deleter"):
        managed.deleter = None
    for name, value in fields.items():
        for struct in (managed, tensor, tensor.device, tensor.dtype):
            if hasattr(struct, name):
                setattr(struct, name, value)
    tensor.data = address_of(exported, description)
    tensor.ndim = description.ndim
    tensor.shape = exported.put_integers(shape)
    tensor.strides = exported.put_integers(strides)
    claim = claims.of_capsule(managed, said, shape, strides)
    return exported, exported.source(said), claim


def take(entry, copy, source):
    if entry == "array":
        return upsweep.array(source)
    return getattr(upsweep, entry)(source, copy=copy)


def one(data):
    description = read(data)
    exported, source, claim = export(description)
    memory = claims.memory_of(claim)
    is_copied, may_be_refused = False, True
    if memory is not None:
        # An importer cannot know how far memory reaches.
        if not memory.is_inside(exported.address, len(description.content)):
            exported.free()
            return NOT_INTERESTING
        entry, copy = description.entry, description.copy
        is_copied = entry == "array" or copy is True or memory.is_scattered()
        nbytes = memory.size * memory.itemsize
        if is_copied and memory.size > MOST_LISTED and nbytes < claims.NEVER:
            exported.free()
            return NOT_INTERESTING
        may_be_refused = (
            claim.may_be_refused
            or (is_copied and (nbytes >= claims.NEVER or copy is False))
            or max(memory.shape, default=0) >= claims.NEVER  # and no elements
        )
    expected = None if memory is None else elements_of(memory, is_copied)
    try:
        a = take(description.entry, description.copy, source)
    except REFUSALS as error:
        refusal = f"{type(error).__name__}: {error}"
    else:
        refusal = None
        assert memory is not None, f"accepted, as {a.dtype.name} of shape {a.shape}"
        check(a, memory, expected)
        del a
    assert refusal is None or may_be_refused, refusal
    del source
    exported.check_released()
    return 0


def elements_of(memory, is_copied):
    """The bytes of the elements, unless there are too many."""
    if memory.size > MOST_LISTED:
        return None
    itemsize = memory.itemsize
    found = b"".join(ctypes.string_at(at, itemsize) for at in memory.addresses())
    return bytes(map(bool, found)) if is_copied and memory.dtype == "bool_" else found


def check(a, memory, expected):
    assert a.dtype.name == memory.dtype, f"the dtype is {a.dtype.name}"
    assert a.shape == memory.shape, f"the shape is {a.shape}"
    if expected is None:
        return
    repr(a)
    if expected:  # NumPy refuses some empty ones
        found = np.asarray(a).tobytes()
        assert found == expected, f"got {found!r}, expected {expected!r}"
    sums = upsweep.cumsum(a)
    upsweep.eval(sums)
    assert sums.shape == (memory.shape if a.ndim == 1 else (memory.size,))
