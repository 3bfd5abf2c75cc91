"""C memory that is exported with any description: AddressSanitizer reports reads beyond
it, or after its release."""

import ctypes
import gc
import time

import upsweep
from foreign.buffers import Exporter, View
from foreign.capsules import FORMS, Producer

_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.free.argtypes = [ctypes.c_void_p]

_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
_api.Py_IncRef.argtypes = [ctypes.py_object]

# Capsules do not copy their names.
NAMES = {form: form.encode() for form in FORMS}
SECONDS = 10


class ExportedMemory:
    """Memory with some content, and its description. Both are freed on release."""

    def __init__(self, content):
        self._blocks = []
        self.due = 0
        self.released = 0
        self.address = self.put(content)

    def put(self, content):
        """The address of a copy; None is NULL."""
        if content is None:
            return None
        address = _libc.malloc(len(content))
        ctypes.memmove(address, content, len(content))
        self._blocks.append(address)
        return address

    def put_integers(self, values):
        return self.put(None if values is None else bytes(_integers(values)))

    def free(self):
        for address in self._blocks:
            _libc.free(address)
        self._blocks = []

    def release(self):
        self.released += 1
        self.free()

    def check_released(self):
        """Waits until nothing uses it; another thread may be releasing it."""
        deadline = time.monotonic() + SECONDS
        while self.released < self.due and time.monotonic() < deadline:
            gc.collect()
            upsweep.synchronize()
            time.sleep(0.001)
        assert self.released == self.due, f"{self.released} times, due {self.due}"
        self.free()


def _integers(values):
    return (ctypes.c_int64 * len(values))(*values)


_capsules = {}  # by the addresses of their managed tensors


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _delete(address):
    exported = _capsules.get(address)
    if exported is not None:
        exported.release()


class Capsule(ExportedMemory):
    """An export through DLPack: a managed tensor that the caller fills in."""

    def __init__(self, form, content):
        super().__init__(content)
        self._form = form
        self.described = FORMS[form]()
        self.described.deleter = ctypes.cast(_delete, ctypes.c_void_p)

    def source(self, device):
        self._managed = self.put(bytes(self.described))
        _capsules[self._managed] = self
        self._capsule = _api.PyCapsule_New(self._managed, NAMES[self._form], None)
        said = {} if device is None else {"device": device}
        return Producer(self._capsule, **said)

    def check_released(self):
        # The consumer releases a capsule that it took; otherwise this does.
        name = _api.PyCapsule_GetName(self._capsule).decode()
        assert name in (self._form, f"used_{self._form}"), f"the name is {name}"
        self.due = int(name != self._form and bool(self.described.deleter))
        super().check_released()
        del _capsules[self._managed]


class Buffer(ExportedMemory):
    """An export through the buffer protocol: a view that the caller fills in."""

    def __init__(self, content):
        super().__init__(content)
        self.described = View()

    def source(self):
        return Exporter(self)

    def fill(self, exporter, view):
        ctypes.pointer(view)[0] = self.described
        _api.Py_IncRef(exporter)
        view.obj = id(exporter)
        self.due += 1
        return 0

    def release_view(self, view):
        self.release()
