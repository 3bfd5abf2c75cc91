"""Tensors of a library with a GPU: upsweep's work runs on the library's current stream
and in its memory. The library is of this file, made of the CUDA driver's functions."""

import ctypes
import math

import numpy as np
import pytest
import upsweep
from foreign import capsules
from foreign.capsules import ExportedCapsule, ManagedVersioned
from test_exchange import FROM_OBJECT, TO_OBJECT, Api, Result, described_by
from upsweep import _core


def has_own_memory():
    if not upsweep.is_available(upsweep.gpu):
        return False
    with upsweep.stream(upsweep.gpu):
        return upsweep.zeros((1,)).__dlpack_device__()[0] == 2


pytestmark = pytest.mark.skipif(
    not has_own_memory(), reason="no GPU here has a memory of its own"
)
ALLOCATE = ctypes.PYFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.c_void_p,
)
STREAM = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)
)
SET_ERROR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}


class Driver:
    """What the library does with the driver, on the legacy stream."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        device, self.context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), device)

    def call(self, name, *arguments):
        assert getattr(self.library, name)(*arguments) == 0, name

    def allocate(self, nbytes):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(nbytes or 1))
        return address.value

    def write(self, address, values):
        self.copy("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), values, values)

    def read(self, address, values):
        self.copy("cuMemcpyDtoHAsync_v2", values, ctypes.c_uint64(address), values)

    def copy(self, name, to, source, values):
        places = [
            ctypes.c_void_p(each.ctypes.data) if each is values else each
            for each in (to, source)
        ]
        self.call(name, *places, ctypes.c_size_t(values.nbytes), None)
        event = ctypes.c_void_p()
        self.call("cuEventCreate", ctypes.byref(event), 0)
        self.call("cuEventRecord", event, None)
        self.call("cuEventSynchronize", event)

    def clear(self, address, nbytes):
        self.call("cuMemsetD8Async", ctypes.c_uint64(address), ctypes.c_ubyte(0),
                  ctypes.c_size_t(nbytes), None)  # fmt: skip


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    driver.call("cuCtxPushCurrent_v2", driver.context)
    yield driver
    driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


def exported(data, shape, dtype):
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return {
        "data": data, "shape": tuple(shape), "strides": tuple(strides),
        "dtype": dtype, "device": (2, 0),
    }  # fmt: skip


class Library:
    """Its functions. With `full`, it has no memory for results."""

    def __init__(self, driver):
        self.driver = driver
        self.full = False
        self.functions = (
            ALLOCATE(self._allocate),
            FROM_OBJECT(self._from_object),
            TO_OBJECT(self._to_object),
            STREAM(self._current_stream),
        )
        allocate, from_object, to_object, stream = self.functions
        address = {
            name: ctypes.cast(function, ctypes.c_void_p)
            for name, function in (("allocate", allocate), ("stream", stream))
        }
        self.api = Api(1, 3, None, address["allocate"], from_object, to_object, None,
                       address["stream"])  # fmt: skip
        self.type = described_by(self.api)

    def tensor(self, values):
        address = self.driver.allocate(values.nbytes)
        self.driver.write(address, values)
        kind = (CODES[values.dtype.kind], values.itemsize * 8, 1)
        tensor = self.type(**exported(address, values.shape, kind))
        tensor.address, tensor.nbytes = address, values.nbytes
        return tensor

    def again(self, result, like):
        """A result as a tensor."""
        kind = (CODES[like.dtype.kind], like.itemsize * 8, 1)
        return self.type(**exported(result.data, result.shape, kind))

    def read(self, result, dtype):
        assert result.device == (2, 0)
        values = np.empty(result.shape, dtype)
        self.driver.read(result.data, values)
        return values

    def _allocate(self, like, out, context, set_error):
        if self.full:
            SET_ERROR(set_error)(context, b"MemoryError", b"the library is full")
            return -1
        tensor = capsules.Tensor.from_address(like)
        shape = (ctypes.c_int64 * tensor.ndim).from_address(tensor.shape)[:]
        kind = (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes)
        data = self.driver.allocate(math.prod(shape) * tensor.dtype.bits // 8)
        memory = ExportedCapsule(
            "dltensor_versioned", name=None, **exported(data, shape, kind)
        )
        out[0] = memory._managed.address
        return 0

    def _from_object(self, tensor, out):
        tensor.memory.due = 1
        out[0] = tensor.memory._managed.address
        return 0

    def _to_object(self, managed, out):
        result = Result(ManagedVersioned.from_address(managed))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
        out[0] = id(result)
        return 0

    def _current_stream(self, device_type, device, out):
        assert (device_type, device) == (2, 0)
        out[0] = None  # CUDA's legacy stream
        return 0


@pytest.fixture
def library(driver):
    return Library(driver)


@pytest.mark.parametrize("n", [1, 3, 5000, 300_000])
def test_work_is_in_the_order_of_the_stream(library, n):
    x = np.full(n, 2, np.int32)
    tensor = library.tensor(x)
    result = _core.scan_tensors(tensor, "sum", 0, False, True, None, None)
    tensor.memory.check_released()
    # Nothing waits here, and the memory may be used again.
    library.driver.clear(tensor.address, tensor.nbytes)
    for _ in range(3):
        again = library.again(result, x)
        result = _core.scan_tensors(again, "max", 0, True, True, None, None)
    assert (library.read(result, np.int32) == 2 * n).all()


def test_every_function(library):
    x, c = np.float32([2, 3, 4]), np.float32([1, 0, 1])
    flags = np.array([0, 1, 0], np.int32)
    start = library.tensor(np.array(10, np.float32))
    for call, right in (
        (lambda a, b: _core.recurrence_tensors(a, b, 0, False, True, None, None),
         [1, 3, 13]),
        (lambda a, b: _core.recurrence_tensors(a, b, 0, False, True, start, None),
         [21, 63, 253]),
        (lambda a, b: _core.cumprod_vjp_tensors(a, b, 0, False, True, None),
         [13, 8, 6]),
        (lambda a, b: _core.cumprod_jvp_tensors(a, b, 0, False, True, None),
         [1, 3, 18]),
    ):  # fmt: skip
        result = call(library.tensor(x), library.tensor(c))
        assert library.read(result, np.float32).tolist() == right
    result = _core.scan_tensors(
        library.tensor(flags), "sum", 0, False, False, None, None
    )
    assert library.read(result, np.int32).tolist() == [0, 0, 1]


def test_what_the_cpu_computes(library):
    a, b = np.complex64([1j, 2]), np.complex64([1, 1j])
    result = _core.recurrence_tensors(
        library.tensor(a), library.tensor(b), 0, False, True, None, None
    )
    assert library.read(result, np.complex64).tolist() == [1, 2 + 1j]
    x, ones = np.float32([2, 3, 4]), np.ones(3, np.float32)
    reset = library.tensor(np.array([False, True, False]))
    result = _core.cumprod_vjp_tensors(
        library.tensor(x), library.tensor(ones), 0, False, True, reset
    )
    assert library.read(result, np.float32).tolist() == [1, 5, 3]


def test_empty_tensors(library):
    tensor = library.tensor(np.empty((0,), np.float32))
    result = _core.scan_tensors(tensor, "prod", 0, False, True, None, None)
    assert result.shape == [0]


def test_a_result_of_another_dtype_is_refused(library):
    tensor = library.tensor(np.int32([1, 2]))
    with pytest.raises(TypeError, match="The result is float32, but the first tensor"):
        _core.scan_tensors(tensor, "logaddexp", 0, False, True, None, None)
    tensor.memory.check_released()


def test_a_library_without_memory(library):
    library.full = True
    x, c = (library.tensor(np.float32([1, 2])) for _ in range(2))
    with pytest.raises(MemoryError, match="the library is full"):
        _core.cumprod_vjp_tensors(x, c, 0, False, True, None)
    for tensor in (x, c):
        tensor.memory.check_released()


def test_a_call_that_is_left_to_the_general_way_allocates_nothing(library):
    library.full = True
    for call, values, axis in (
        (_core.cumsum_tensor, np.array([True, False]), 0),
        (_core.logcumsumexp_tensor, np.int32([1, 2]), 0),
        (_core.cumprod_tensor, np.float32([1, 2]), 1),
    ):
        tensor = library.tensor(values)
        assert call(tensor, axis, False, True) is None
        tensor.memory.check_released()
