"""Tensors of a library that exchanges them by functions in C, as DLPack has them: a
library of this file, whose functions and tensors can be bad in every way."""

import ctypes
import struct

import numpy as np
import pytest
from foreign.capsules import ExportedCapsule, ManagedVersioned
from foreign.tables import marks
from upsweep import _core

pytestmark = marks

FROM_OBJECT = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_void_p)
)
TO_OBJECT = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
)
NAME = b"dlpack_exchange_api"
OTHER_NAME = b"dltensor"

_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", _api))


class Api(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("older", ctypes.c_void_p),
        ("allocate", ctypes.c_void_p),
        ("from_object", FROM_OBJECT),
        ("to_object", TO_OBJECT),
        ("view", ctypes.c_void_p),
        ("stream", ctypes.c_void_p),
    ]


class Tensor:
    """Of that library: memory with the fields of ExportedCapsule."""

    def __init__(self, **fields):
        # Its capsule, without a name, owns nothing.
        self.memory = ExportedCapsule("dltensor_versioned", name=None, **fields)


class Result:
    """A tensor that the library makes of what it is given."""

    def __init__(self, managed):
        self.address = ctypes.addressof(managed)
        tensor = managed.tensor
        self.flags = managed.flags
        self.device = (tensor.device.type, tensor.device.id)
        sizes = ctypes.POINTER(ctypes.c_int64)
        self.shape, self.strides = (
            ctypes.cast(each, sizes)[: tensor.ndim]
            for each in (tensor.shape, tensor.strides)
        )
        self.data = tensor.data

    def values(self):
        """Its floats, which may be written to."""
        return (ctypes.c_float * self.shape[-1]).from_address(self.data)

    def release(self):
        managed = ManagedVersioned.from_address(self.address)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(managed.deleter)(self.address)


@FROM_OBJECT
def _from_object(tensor, out):
    tensor.memory.due = 1
    out[0] = tensor.memory._managed.address
    return 0


# Of what is no buffer, an error in C.
_fails = ctypes.cast(_api.PyObject_GetBuffer, FROM_OBJECT)


@TO_OBJECT
def _to_object(managed, out):
    result = Result(ManagedVersioned.from_address(managed))
    _api.Py_IncRef(ctypes.py_object(result))
    out[0] = id(result)
    return 0


def api(major=1, older=None, from_object=_from_object):
    address = None if older is None else ctypes.addressof(older)
    found = Api(major, 3, address, None, from_object, _to_object)
    found.kept = older
    return found


def described_by(described, name=NAME):
    """The type of a tensor of the library, which describes itself in this way."""
    capsule = _new(ctypes.addressof(described), name, None)
    fields = {"__dlpack_c_exchange_api__": capsule, "kept": (described, name)}
    return type("Tensor", (Tensor,), fields)


GOOD = api()
Good = described_by(GOOD)


def test_results_belong_to_the_library():
    tensor = Good(content=struct.pack("6f", *range(6)), shape=(2, 3), strides=(1, 2))
    before = _core.get_active_memory()
    result = _core.cumsum_tensor(tensor, 0, False, True)  # [[0, 2, 4], [1, 5, 9]]
    tensor.memory.check_released()
    assert (result.shape, result.strides) == ([2, 3], [3, 1])
    assert (result.flags, result.device) == (0, (1, 0))
    assert list((ctypes.c_float * 6).from_address(result.data)) == [0, 2, 4, 1, 5, 9]
    assert _core.get_active_memory() > before
    result.release()
    assert _core.get_active_memory() == before


def test_general_scans_go_from_tensor_to_tensor():
    def floats(*values):
        return Good(
            content=struct.pack(f"{len(values)}f", *values), shape=(len(values),)
        )

    start = Good(content=struct.pack("f", 10), shape=(), strides=())
    for call, right in (
        (_core.scan_tensors(Good(), "sum", 0, False, True, start, None), [11, 13, 16]),
        (
            _core.recurrence_tensors(Good(), Good(), 0, False, True, None, None),
            [1, 4, 15],
        ),
        (
            _core.cumprod_vjp_tensors(Good(), floats(1, 0, 1), 0, False, True, None),
            [7, 3, 2],
        ),
        (
            _core.cumprod_jvp_tensors(Good(), floats(1, 0, 1), 0, False, True, None),
            [1, 2, 8],
        ),
    ):
        assert list(call.values()) == right
        call.release()


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_scans_go_from_tensor_to_tensor(flags):
    tensor = Good(flags=flags)  # read-only, too
    result = _core.cumsum_tensor(tensor, -1, False, True)
    assert list(result.values()) == [1, 3, 6]
    tensor.memory.check_released()
    result.release()
    back = _core.cumprod_tensor(Good(), 0, True, False)
    assert list(back.values()) == [6, 3, 1]
    back.release()


INEXACT = [
    (1, False, True),
    (-2, False, True),
    (2**70, False, True),
    (None, False, True),
    (0.0, False, True),
    (True, False, True),
    (np.int64(0), False, True),
    (0, 0, True),
    (0, False, None),
    (0, np.bool_(False), True),
]


@pytest.mark.parametrize("options", INEXACT, ids=repr)
def test_inexact_options_go_the_general_way(options):
    tensor = Good()
    assert _core.cumprod_tensor(tensor, *options) is None
    tensor.memory.check_released()


def test_a_number_has_no_axis():
    assert _core.cumsum_tensor(Good(shape=(), strides=()), 0, False, True) is None


BAD_TENSORS = [
    ({"device": (2, 999)}, BufferError, "device"),
    ({"version": (2, 0)}, BufferError, "version"),
    ({"dtype": (2, 8, 1)}, TypeError, "float8"),
    ({"dtype": (5, 128, 1)}, TypeError, "complex128"),
    ({"data": None}, BufferError, "data is NULL"),
    ({"shape": (-1,)}, BufferError, "shape"),
    ({"shape": None, "ndim": 1}, BufferError, "shape"),
    ({"ndim": 65}, ValueError, "64 dimensions"),
]


@pytest.mark.parametrize(("fields", "error", "words"), BAD_TENSORS)
def test_bad_tensors_are_refused_and_released(fields, error, words):
    for call in (
        lambda tensor: _core.cummax_tensor(tensor, 0, False, True),
        lambda tensor: _core.cumprod_vjp_tensors(tensor, Good(), 0, False, True, None),
    ):
        tensor = Good(**fields)
        with pytest.raises(error, match=rf"^\[(cummax|cumprod_vjp)\] .*{words}"):
            call(tensor)
        tensor.memory.check_released()


def test_unaligned_elements_are_copied():
    content = struct.pack("3f", 1, 2, 3) + b"-"  # which ends a page
    tensor = Good(content=content)
    result = _core.cumsum_tensor(tensor, 0, False, True)
    tensor.memory.check_released()
    assert list(result.values()) == [1, 3, 6]
    result.release()


BAD_TYPES = [
    object,
    list,
    type("Instance", (), {"__init__": lambda self: vars(self).update(vars(Good))}),
    type("NoCapsule", (), {"__dlpack_c_exchange_api__": 5}),
    described_by(GOOD, OTHER_NAME),
    described_by(api(major=2)),
    described_by(api(major=0)),
    described_by(api(major=3, older=api(major=2))),
]


@pytest.mark.parametrize("kind", BAD_TYPES)
def test_types_without_the_functions_are_refused(kind):
    for call in (
        lambda x: _core.cumsum_tensor(x, 0, False, True),
        lambda x: _core.scan_tensors(x, "sum", 0, False, True, None, None),
    ):
        with pytest.raises(TypeError, match="has no __dlpack_c_exchange_api__"):
            call(kind())


def test_older_functions_are_found():
    tensor = described_by(api(major=2, older=GOOD))()
    result = _core.cumsum_tensor(tensor, 0, False, True)
    assert list(result.values()) == [1, 3, 6]
    result.release()


def test_errors_of_the_library_pass():
    tensor = described_by(api(from_object=_fails))()
    for call in (
        lambda: _core.scan_tensors(tensor, "sum", 0, False, True, None, None),
        lambda: _core.cumsum_tensor(tensor, 0, False, True),
    ):
        with pytest.raises(TypeError, match=r"^a bytes-like object is required"):
            call()
