"""The kernels that copy, with the parameters that a host may give them: elements
that lie far apart, the last threads, and a result that is too short."""

import ctypes
import sys

import numpy as np
import pytest
from scans import Refused, memory
from test_kernels import Sparse

MAX_AXES, ITEMS = 31, 4
KINDS = ["bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32",
         "int64", "float16", "bfloat16", "float32", "float64", "complex64"]  # fmt: skip


class CopyAxis(ctypes.Structure):
    _fields_ = [
        ("step", ctypes.c_int64),
        *((f, ctypes.c_uint32) for f in ("extent", "multiplier", "shift")),
    ]


class CopyParams(ctypes.Structure):
    _fields_ = [
        ("in_start", ctypes.c_int64), ("out_start", ctypes.c_int64),
        ("nan_as", ctypes.c_uint64),
        ("axis", CopyAxis * MAX_AXES),
        *((f, ctypes.c_uint32) for f in (
            "axes", "count", "in_size", "out_size", "source", "to", "quiets",
            "replaces_nan")),
    ]  # fmt: skip


def copy(engine, x, y, chosen=None):
    """Copies the elements of x to the contiguous y."""
    p = CopyParams()
    (whole, p.in_start), (result, p.out_start) = memory(x), memory(y)
    for i, (extent, stride) in enumerate(
        zip(reversed(x.shape), reversed(x.strides), strict=True)
    ):
        bits = (extent - 1).bit_length()
        inverse = -(-(1 << (31 + bits)) // extent)
        p.axis[i] = CopyAxis(stride // x.itemsize, extent, inverse, bits - 1)
    p.axes, p.count = x.ndim, x.size
    p.in_size, p.out_size = x.itemsize, y.itemsize
    p.source, p.to = KINDS.index(x.dtype.name), KINDS.index(y.dtype.name)
    p.quiets = 1
    kernel = "copy_bits" if x.dtype == y.dtype else "copy_numbers"
    groups = -(-x.size // (engine.tuning.threads * ITEMS))
    nothing = memory(np.zeros(16, np.uint8))[0]
    bindings = [whole, result, (ctypes.addressof(p), ctypes.sizeof(p))]
    return engine.run(kernel, [*bindings, nothing, nothing], groups, chosen)


@pytest.mark.parametrize("to", ["uint16", "float64", "complex64"])
@pytest.mark.parametrize("seed", range(3))
def test_each_element_is_moved_once(engine, to, seed):
    engine.set_seed(seed)
    x = np.random.default_rng(seed).integers(0, 2**16, (9, 61, 13)).astype(np.uint16)
    for view in (x, x.T, x[::-1, ::2], x[:2, :2, :2]):
        y = np.empty(view.shape, to)
        moved = copy(engine, view, y)
        assert np.array_equal(y, view)
        # The last threads may read the last element again.
        assert moved[0] <= view.nbytes + engine.tuning.threads * ITEMS * x.itemsize
        assert moved[1] == y.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's MAP_NORESERVE")
@pytest.mark.parametrize("backwards", [False, True])
def test_elements_that_lie_far_apart(engine, backwards):
    far = 2**32 + 96
    base = Sparse(3 * far + 4096).array
    x = np.lib.stride_tricks.as_strided(base.view(np.int32), (3, 50), (far, 8))
    x[:] = np.arange(-75, 75).reshape(3, 50)
    view = x[::-1, ::-1] if backwards else x
    for to in (np.int32, np.float32):
        y = np.empty(view.shape, to)
        copy(engine, view, y)
        assert np.array_equal(y, view)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's MAP_NORESERVE")
def test_the_last_threadgroup_of_2_31_elements(engine):
    n = 2**31
    x, y = Sparse(n).array, Sparse(2 * n).array.view(np.uint16)
    size = engine.tuning.threads * ITEMS
    x[-size:] = np.arange(size) % 251
    copy(engine, x, y, [n // size - 1])
    assert np.array_equal(y[-size:], x[-size:])


def test_a_copy_outside_the_result_is_refused(engine):
    x = np.ones(5000, np.float32)
    y = np.empty(4990, np.float32)
    with pytest.raises(Refused, match="outside buffer 1"):
        copy(engine, x, y)
