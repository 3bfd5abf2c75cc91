"""An exporter of buffers in which every field can have any value."""

import ctypes
import struct

from foreign.memory import GuardedMemory, ReleaseCount, address_of, integers

ONE_TWO_THREE = struct.pack("3f", 1, 2, 3)


class View(ctypes.Structure):
    """A Py_buffer."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


BF_GETBUFFER, BF_RELEASEBUFFER = 1, 2
TPFLAGS_BASETYPE = 1 << 10


@ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(View), ctypes.c_int)
def _get(exporter, view, flags):
    return exporter.exported.fill(exporter, view.contents)


@ctypes.PYFUNCTYPE(None, ctypes.py_object, ctypes.POINTER(View))
def _release(exporter, view):
    exporter.exported.release_view(view.contents)


def _make_type():
    # Python classes can have a buffer only from Python 3.12 on.
    slots = (_Slot * 3)(
        _Slot(BF_GETBUFFER, ctypes.cast(_get, ctypes.c_void_p)),
        _Slot(BF_RELEASEBUFFER, ctypes.cast(_release, ctypes.c_void_p)),
        _Slot(0, None),
    )
    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(_Spec)]
    return make(_Spec(b"foreign.Buffer", 0, 0, TPFLAGS_BASETYPE, slots))


class Exporter(_make_type()):
    """An object whose buffers are those of an ExportedBuffer."""

    def __init__(self, exported):
        self.exported = exported


class ExportedBuffer(ReleaseCount):
    """Memory exported through buffers: three floats by default.

    content is what the memory holds; buf, if given, replaces its address, or is None.
    If status is not 0, nothing is exported, and no error says so; if owned is not True,
    the view names no object that owns it.
    """

    def __init__(
        self,
        *,
        content=ONE_TWO_THREE,
        format=b"f",
        itemsize=4,
        shape=(3,),
        strides=None,
        suboffsets=None,
        ndim=None,
        readonly=1,
        owned=True,
        status=0,
        **others,
    ):
        super().__init__()
        self._content, self._format = content, format
        self._arrays = {"shape": shape, "strides": strides, "suboffsets": suboffsets}
        self._ndim = len(shape or ()) if ndim is None else ndim
        self._itemsize, self._readonly = itemsize, readonly
        self._owned, self._status = owned, status
        self._others = others  # fields that override what follows from the rest
        self._out = {}

    def fill(self, exporter, view):
        if self._status != 0:
            return self._status
        memory = GuardedMemory(self._content)
        arrays = {k: integers(v, ctypes.c_ssize_t) for k, v in self._arrays.items()}
        format = None if self._format is None else GuardedMemory(self._format + b"\0")
        fields = {
            "buf": memory.address,
            "len": len(self._content),
            "itemsize": self._itemsize,
            "readonly": self._readonly,
            "ndim": self._ndim,
            "format": address_of(format),
            **{k: address_of(v) for k, v in arrays.items()},
            **self._others,
        }
        for name, value in fields.items():
            setattr(view, name, value)
        if self._owned:
            self.due += 1
            self._out[self.due] = [memory, format, *arrays.values()]
            view.internal = self.due
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(exporter))
            view.obj = id(exporter)
        return 0

    def release_view(self, view):
        """Releases each view once; a second time is an error."""
        self.released += 1
        for guarded in self._out.pop(view.internal):
            if guarded is not None:
                guarded.revoke()
