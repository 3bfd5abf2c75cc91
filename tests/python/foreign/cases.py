"""The cases that run in processes of their own, and their legal outcomes."""

import ctypes
import gc
import importlib
import itertools
import re
import struct  # noqa: F401 - for expressions
import sys
from array import array
from dataclasses import dataclass, field
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import upsweep

from foreign import buffers, capsules

ENTRIES = {
    "asarray": upsweep.asarray,
    "from_dlpack": upsweep.from_dlpack,
    "cumsum": upsweep.cumsum,
}


@dataclass(frozen=True)
class Raises:
    """An error of one of these types, whose text has the words. It names the operation
    unless it comes from the other library."""

    types: tuple
    words: str
    own: bool = True

    def check(self, error, entry):
        text = str(error)
        assert type(error) in self.types, f"{type(error).__name__}: {text}"
        assert re.search(self.words, text), f"{self.words!r} is not in: {text}"
        if self.own:
            assert text.startswith(f"[{entry}] "), text


def malformed(words):
    return Raises((BufferError,), words)


@dataclass(frozen=True)
class Gives:
    """These values or, if that is equally valid, an error."""

    values: object = field(default_factory=lambda: [1, 2, 3])
    dtype: str = "float32"
    shape: tuple | None = None
    or_else: Raises | None = None

    def check(self, result, entry):
        values = np.array(self.values, object)
        shape = values.shape if self.shape is None else self.shape
        dtype = self.dtype
        if entry == "cumsum":
            values = np.array([*itertools.accumulate(values.ravel().tolist())], object)
            shape = values.shape
            dtype = "int32" if dtype == "bool_" else dtype
        assert result.dtype.name == dtype
        assert result.shape == shape
        if values.size:
            assert result.tolist() == values.tolist()


def attempt(entry, x, expected, options):
    """The result, or None after a legal error."""
    refused = expected if isinstance(expected, Raises) else expected.or_else
    try:
        result = ENTRIES[entry](x, **options)
    except BaseException as error:
        if refused is None:
            raise
        refused.check(error, entry)
        return None
    if isinstance(expected, Raises):
        raise AssertionError(f"accepted: {result.dtype.name} {result.shape}")
    expected.check(result, entry)
    return result


def check_well():
    assert upsweep.cumsum([1, 2, 3]).tolist() == [1, 3, 6]


def dlpack(entry, expected, fields, producer=(), options=()):
    """Imports a capsule with these fields, and releases it."""
    exported = capsules.ExportedCapsule(**fields)
    source = capsules.Producer(exported.capsule, **dict(producer))
    result = attempt(entry, source, expected, dict(options))
    name = fields.get("name", fields.get("form", "dltensor"))
    # Only an import refused because it needs a copy was taken and released.
    may_be_taken = "copy" in dict(options)
    if name is not None and (result is not None or not may_be_taken):
        assert exported.name() == (name if result is None else f"used_{name}")
    if name is not None and exported.name() == name:
        assert exported.released == 0, "released, although its capsule still has it"
    exported.capsule = source = None
    gc.collect()
    if result is not None:
        expected.check(result, entry)  # its memory still exists
    result = None
    exported.check_released()
    check_well()
    exported.check_released()


def dlpack_by_every_entry(fields, expected):
    for entry in ENTRIES:
        dlpack(entry, expected, fields)


def buffer(entry, expected, fields, options=(), capsule=None):
    """Imports a buffer with these fields, and releases it. With fields of a capsule,
    its exporter implements DLPack too."""
    exports = [buffers.ExportedBuffer(**fields)]
    source = buffers.Exporter(exports[0])
    if capsule is not None:
        exports.append(capsules.ExportedCapsule(**capsule))
        source.__dlpack__ = capsules.Producer(exports[1].capsule).__dlpack__
        exports[1].capsule = None
    result = attempt(entry, source, expected, dict(options))
    source = None
    gc.collect()
    if result is not None:
        expected.check(result, entry)
    result = None
    for _ in range(2):
        for exported in exports:
            exported.check_released()
        check_well()


def twice(entry, form):
    """Imports one capsule twice."""
    exported = capsules.ExportedCapsule(form)
    source = capsules.Producer(exported.capsule)
    first = attempt(entry, source, Gives(), {})
    used = Raises((TypeError, BufferError), "capsule")
    assert attempt(entry, source, used, {}) is None
    Gives().check(first, entry)
    exported.capsule = source = first = None
    exported.check_released()


def expression(entries, expected, source, imports=(), options=()):
    """Imports the value of an expression by each of the entries."""
    for entry in entries:
        attempt(entry, evaluate(source, *imports), expected, dict(options))
        gc.collect()
        check_well()


def evaluate(source, *imports):
    """The value of an expression that may use this module's names and the imports, each
    by the last component of its name."""
    names = {n.split(".")[-1]: importlib.import_module(n) for n in imports}
    return eval(source, globals() | names)


def released(view):
    view.release()
    return view


def closed(file):
    file.close()
    return file


def refusing(error):
    """An object of Python 3.12 that refuses its buffer with an error of its own."""

    class Refuses:
        def __buffer__(self, flags):
            raise error("the exporter's own words")

    return Refuses()


def structure(base):
    """A C type without a dtype."""
    fields = [("a", ctypes.c_float), ("b", ctypes.c_int32)]
    return type("Structure", (base,), {"_fields_": fields})


def swapped(kind):
    """A C type in foreign byte order."""
    little = sys.byteorder == "little"
    return kind.__ctype_be__ if little else kind.__ctype_le__


def shared_memory(entry):
    memory = SharedMemory(create=True, size=12)
    try:
        view = memory.buf.cast("f")
        view[:] = memoryview(array("f", [1, 2, 3]))
        result = attempt(entry, view, Gives(), {})
        Gives().check(result, entry)
        del result
        gc.collect()
        view.release()
        memory.close()  # an error while an array still held it
    finally:
        memory.unlink()


def fake_tensor():
    """A PyTorch tensor that has only a shape and a dtype."""
    fake = importlib.import_module("torch._subclasses.fake_tensor")
    torch = importlib.import_module("torch")
    with fake.FakeTensorMode():
        return torch.ones(3)


def tensor_without_storage():
    tensor = importlib.import_module("torch").ones(3)
    tensor.untyped_storage().resize_(0)
    return tensor


def own_argument(name, value, types):
    """Passes a bad argument to the __dlpack__ of an array."""
    try:
        made = upsweep.array([1.0, 2.0, 3.0]).__dlpack__(**{name: evaluate(value)})
    except Exception as error:
        Raises(types, name).check(error, "__dlpack__")
    else:
        raise AssertionError(f"accepted: {made}")
    check_well()
