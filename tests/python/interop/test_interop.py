"""Memory shared with NumPy, PyTorch and JAX, without copies, exactly as long as it is
needed."""

import array as standard_array
import gc
import sys
import weakref

import numpy as np
import pytest
import upsweep
from support import DTYPES, numpy_dtype, run_python, stream_for


@pytest.fixture(autouse=True)
def _shared_memory():
    """Libraries see only copies of memory on devices that have their own."""
    device = upsweep.default_device()
    if upsweep.zeros((1,)).__dlpack_device__()[0] != 1:
        device = upsweep.cpu
    with upsweep.stream(device):
        yield


STANDARD = [d for d in DTYPES if d != "bfloat16"]


def address(a):
    """Where NumPy finds the first element."""
    return np.asarray(a).__array_interface__["data"][0]


class Owner(np.ndarray):
    """An array whose release can be observed."""


def watched(shape=(4, 5), dtype=np.float32):
    owner = np.ones(shape, dtype).view(Owner)
    return owner, weakref.ref(owner)


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_shares_both_ways(name):
    x = np.arange(24).reshape(4, 6).astype(numpy_dtype(name))
    for view in (
        x,
        x.T,
        x[::-1, 1::2],
        x[2:, 3],
        np.broadcast_to(x[:1], (3, 6)),
        x[1, 2],
    ):
        a = upsweep.asarray(view)
        assert address(a) == view.__array_interface__["data"][0] or view.ndim == 0
        back = np.asarray(a)
        assert back.dtype == x.dtype
        assert back.tolist() == view.tolist()
        assert not back.flags.writeable
        assert np.shares_memory(back, np.asarray(a))


def test_results_are_read_only_in_every_protocol():
    a = upsweep.cumprod(upsweep.array([1.0, 2.0]))
    view = memoryview(a)
    assert view.readonly
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(a)[0] = 5.0


def test_numpy_2_copy_keyword():
    a = upsweep.array([1.0, 2.0])
    assert address(np.asarray(a, copy=False)) == address(a)
    copied = np.array(a, copy=True)
    assert address(copied) != address(a)
    copied[0] = 9
    assert a.tolist() == [1, 2]
    assert np.asarray(a, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(a, dtype=np.float64, copy=False)
    assert a.__array__().dtype == np.float32
    assert a.__array__(np.dtype(np.int64)).tolist() == [1, 2]
    assert np.array_equal(np.add(a, 1), [2, 3])


@pytest.mark.parametrize("name", STANDARD)
def test_buffer_protocol_out(name):
    x = np.arange(24).reshape(2, 3, 4).astype(name.rstrip("_"))
    a = upsweep.asarray(x)[:, ::-1]
    view = memoryview(a)
    assert view.shape == (2, 3, 4)
    assert view.nbytes == x.nbytes
    assert view.tobytes() == x[:, ::-1].tobytes()
    assert view.format == memoryview(x).format


@pytest.mark.parametrize("source", [bytes, bytearray, memoryview])
def test_buffer_protocol_in_of_bytes(source):
    a = upsweep.asarray(source(b"\1\2\3"))
    assert a.dtype is upsweep.uint8
    assert upsweep.cumprod(a).tolist() == [1, 2, 6]


def test_buffer_protocol_in_of_the_standard_library():
    for code, name in [
        ("d", "float64"),
        ("f", "float32"),
        ("q", "int64"),
        ("B", "uint8"),
    ]:
        values = standard_array.array(code, [1, 2, 3])
        a = upsweep.asarray(values)
        assert a.dtype.name == name
        sums = upsweep.cumsum(a, stream=stream_for(name))
        assert sums.tolist() == [1, 3, 6]
        assert address(a) == values.buffer_info()[0]


def test_an_exported_buffer_keeps_its_memory():
    view = memoryview(upsweep.cumsum(upsweep.ones((1000,))))
    gc.collect()
    upsweep.clear_cache()
    assert view[999] == 1000.0


@pytest.mark.parametrize("name", STANDARD)
def test_dlpack_with_numpy(name):
    x = np.arange(12).reshape(3, 4).astype(name.rstrip("_"))
    a = upsweep.from_dlpack(x.T)
    assert a.tolist() == x.T.tolist()
    assert address(a) == x.__array_interface__["data"][0]
    back = np.from_dlpack(a[1::2])
    assert back.tolist() == x.T[1::2].tolist()
    assert address(back) == address(a[1::2])
    assert not back.flags.writeable


def test_dlpack_of_negative_strides_is_a_copy():
    a = upsweep.array([1, 2, 3])[::-1]
    assert np.from_dlpack(a).tolist() == [3, 2, 1]
    with pytest.raises(BufferError, match="negative strides"):
        a.__dlpack__(copy=False)


def test_dlpack_device():
    a = upsweep.array([1.0])
    assert a.__dlpack_device__() == (1, 0)
    assert "dltensor" in repr(a.__dlpack__())
    versioned = a.__dlpack__(max_version=(1, 0))
    assert "dltensor_versioned" in repr(versioned)


@pytest.mark.parametrize("name", STANDARD)
def test_torch_shares_both_ways(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.arange(12).reshape(3, 4).to(getattr(torch, name.rstrip("_")))
    for view in (t, t.T, t[1:, ::2]):
        for a in (upsweep.from_dlpack(view), upsweep.asarray(view)):
            assert a.tolist() == view.tolist()
            assert address(a) == view.data_ptr()
            assert torch.from_dlpack(a).data_ptr() == view.data_ptr()
    result = upsweep.cumprod(t, 0, stream=stream_for(name))
    assert torch.from_dlpack(result).tolist() == result.tolist()


def test_torch_bfloat16_shares_both_ways():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.tensor([1.5, 2, 3], dtype=torch.bfloat16)
    a = upsweep.asarray(t)
    assert a.dtype is upsweep.bfloat16
    assert a.tolist() == [1.5, 2, 3]
    result = torch.from_dlpack(upsweep.cumprod(t))
    assert result.dtype == torch.bfloat16
    assert result.tolist() == [1.5, 3, 9]


def test_torch_tensors_with_gradients_say_so():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.ones(3, requires_grad=True)
    with pytest.raises(
        (BufferError, RuntimeError, ValueError, TypeError), match="grad"
    ):
        upsweep.cumprod(t)
    assert upsweep.cumprod(t.detach()).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int32", "complex64", "bool_"])
def test_jax_shares_both_ways(name):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.default_device(jax.devices("cpu")[0]):
        j = jax.numpy.arange(12).reshape(3, 4).astype(name)
    for a in (upsweep.from_dlpack(j), upsweep.asarray(j)):
        assert a.dtype.name == name
        assert a.tolist() == j.tolist()
        assert address(a) == j.unsafe_buffer_pointer()
    result = upsweep.cumprod(j, axis=1)
    back = jax.dlpack.from_dlpack(result)
    assert back.tolist() == result.tolist()
    assert str(back.dtype) == name.rstrip("_")


def test_asarray_copy_keyword():
    x = np.ones(3, np.float32)
    assert address(upsweep.asarray(x, copy=False)) == address(x)
    assert address(upsweep.asarray(x, copy=True)) != address(x)
    with pytest.raises(ValueError, match="copy"):
        upsweep.asarray(x, upsweep.float64, copy=False)
    with pytest.raises(ValueError, match="copy"):
        upsweep.asarray([1, 2], copy=False)


def test_foreign_byte_order_says_what_to_do():
    swapped = np.arange(5, dtype=np.float32).astype(">f4")
    with pytest.raises(TypeError, match="byte order"):
        upsweep.asarray(swapped)


def test_unaligned_elements_are_copied_not_misread():
    raw = np.zeros(21, np.uint8)
    unaligned = raw[1:].view(np.float32)
    unaligned[:] = [1, 2, 3, 4, 5]
    assert upsweep.cumprod(unaligned).tolist() == [1, 2, 6, 24, 120]


def test_dtypes_that_no_array_holds_are_type_errors():
    for x in (np.ones(2, np.complex128), np.array(["a"]), np.array([object()])):
        with pytest.raises(TypeError, match=r"complex128|<U1|str|object|dtype"):
            upsweep.asarray(x)


def test_inputs_may_change_as_soon_as_the_call_returns():
    x = np.ones(2**22, np.float32)
    stream = upsweep.new_stream(upsweep.cpu)
    for value in range(2, 6):
        x[:] = 1
        y = upsweep.cumprod(x, stream=stream)
        x[:] = value
        assert np.asarray(y)[-1] == 1


def test_the_owner_goes_when_the_last_view_goes():
    owner, alive = watched()
    a = upsweep.asarray(owner)
    views = [
        a[1:],
        a.T,
        np.asarray(a),
        memoryview(a),
        upsweep.from_dlpack(np.from_dlpack(a)),
    ]
    del owner, a
    gc.collect()
    while views:
        assert alive() is not None
        views.pop()
        gc.collect()
    assert alive() is None


def test_work_under_way_keeps_its_input():
    owner, alive = watched((2**22,))
    stream = upsweep.new_stream(upsweep.cpu)
    y = upsweep.cumsum(upsweep.asarray(owner), stream=stream)
    del owner
    gc.collect()
    assert np.asarray(y)[-1] == 2**22
    upsweep.synchronize(stream)
    gc.collect()
    assert alive() is None


def test_scans_and_conversions_keep_reference_counts():
    x = np.ones(10, np.float32)
    objects = [x, upsweep.float32, upsweep.cpu, None, True]
    before = [sys.getrefcount(o) for o in objects]
    for _ in range(1000):
        a = upsweep.asarray(x)
        upsweep.cumprod(a, axis=0, reverse=True, stream=upsweep.cpu).tolist()
        upsweep.cumprod(x)
        np.asarray(upsweep.array(x))
        np.from_dlpack(a)
        memoryview(a).release()
        with pytest.raises(IndexError):
            upsweep.cumprod(x, axis=3)
    del a
    gc.collect()
    after = [sys.getrefcount(o) for o in objects]
    assert all(abs(b - a) < 20 for a, b in zip(before, after, strict=True))


def test_unused_capsules_free_what_they_hold():
    owner, alive = watched()
    a = upsweep.asarray(owner)
    capsules = [a.__dlpack__(), a.__dlpack__(max_version=(1, 0))]
    del owner, a
    assert alive() is not None
    capsules.clear()
    gc.collect()
    assert alive() is None


# In a process without NumPy: importing it fails.
WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import upsweep
try:
    upsweep.cumprod([1, 2]).__array__()
except ModuleNotFoundError as error:
    assert isinstance(error.__cause__, ImportError)
    print(error)
"""


def test_a_missing_numpy_names_the_way_out():
    assert "pip install 'upsweep[numpy]'" in run_python("-c", WITHOUT_NUMPY)
