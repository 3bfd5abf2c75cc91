"""DLPack capsules of either form, in which every field can have any value."""

import ctypes
import struct

from foreign.memory import GuardedMemory, ReleaseCount, address_of, integers

FLOAT32 = (2, 32, 1)
ONE_TWO_THREE = struct.pack("3f", 1, 2, 3)


class Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class DataType(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    _fields_ = [
        ("tensor", Tensor),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


class ManagedVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


# By the name of an unused capsule. Names of capsules must outlive them.
FORMS = {"dltensor": Managed, "dltensor_versioned": ManagedVersioned}
_NAMES = {}

_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# The capsule is passed as an address, because it has no references left.
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _api(name, *types):
    # Not as attributes of ctypes.pythonapi: other libraries set their types too.
    return ctypes.PYFUNCTYPE(*types)((name, ctypes.pythonapi))


_new = _api(
    "PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor
)
_get_name = _api("PyCapsule_GetName", ctypes.c_char_p, ctypes.c_void_p)
_get_pointer = _api(
    "PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p
)


@_Destructor
def _destroy(capsule):
    """As DLPack requires: a consumer renames the capsule and calls the deleter
    itself."""
    name = _get_name(capsule)
    form = FORMS.get((name or b"").decode())
    if form is not None:
        managed = form.from_address(_get_pointer(capsule, name))
        if managed.deleter:
            _Deleter(managed.deleter)(ctypes.addressof(managed))


# Some capsules live until the interpreter ends, after this module's names.
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_destroy))


class ExportedCapsule(ReleaseCount):
    """Memory exported through a capsule: three floats by default.

    content is what the memory holds; data, if given, replaces its address, or is None;
    name is the capsule's.
    """

    # Deleters must outlive the library, which may call them late, or twice.
    _kept = []  # noqa: RUF012

    def __init__(
        self,
        form="dltensor",
        *,
        content=ONE_TWO_THREE,
        shape=(3,),
        strides=(1,),
        ndim=None,
        device=(1, 0),
        dtype=FLOAT32,
        byte_offset=0,
        deleter=True,
        manager_ctx=None,
        version=(1, 0),
        flags=0,
        name="",
        **data,
    ):
        super().__init__()
        self._memory = GuardedMemory(content)
        self._shape, self._strides = integers(shape), integers(strides)
        self._deleter = _Deleter(self._delete)
        managed = FORMS[form](manager_ctx=manager_ctx)
        managed.tensor = Tensor(
            data.pop("data", self._memory.address),
            Device(*device),
            len(shape or ()) if ndim is None else ndim,
            DataType(*dtype),
            address_of(self._shape),
            address_of(self._strides),
            byte_offset,
        )
        assert not data, f"no fields of that name: {data}"
        if deleter:
            managed.deleter = ctypes.cast(self._deleter, ctypes.c_void_p)
        if form == "dltensor_versioned":
            managed.major, managed.minor = version
            managed.flags = flags
        self._managed = GuardedMemory(bytes(managed))
        name = form if name == "" else name
        label = None if name is None else _NAMES.setdefault(name, name.encode())
        self.capsule = _new(self._managed.address, label, _destroy)
        self.due = 1 if deleter and name == form else 0
        self._kept.append(self)

    def _delete(self, address):
        assert address == self._managed.address, "the deleter got another tensor"
        self.released += 1
        for guarded in (self._memory, self._shape, self._strides, self._managed):
            if guarded is not None:
                guarded.revoke()

    def name(self):
        """The capsule's name; one that starts with used_ marks a used capsule."""
        return _get_name(id(self.capsule)).decode()


class Producer:
    """An object whose __dlpack__ returns the answer; with error, it raises that if
    called with the keyword error_for, or always. It has __dlpack_device__ if device is
    given."""

    def __init__(self, answer, *, error=None, error_for=None, **device):
        self._answer = answer
        self._error = error
        self._error_for = error_for
        if device:
            self.__dlpack_device__ = lambda: device["device"]

    def __dlpack__(self, **keywords):
        if self._error and self._error_for in (None, *keywords):
            raise self._error("the producer's own words")
        return self._answer
