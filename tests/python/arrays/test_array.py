"""array: construction, dtypes, views, indexing, conversion and comparison."""

import copy
import enum
import math
import pickle

import numpy as np
import pytest
import upsweep
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, numpy_dtype
from values import kinds, make
from views import both, recipes


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "bool_"),
        (3, "int32"),
        (2**40, "int64"),
        (1.5, "float32"),
        (1 + 2j, "complex64"),
        ([], "float32"),
        ([1, 2.5], "float32"),
        ([True, 2], "int32"),
        ([[1, 2j]], "complex64"),
        (np.float64([1, 2]), "float64"),
        (np.int16(3), "int16"),
        (np.array([True]), "bool_"),
    ],
)
def test_dtypes_of_what_python_and_numpy_hold(value, name):
    for make_array in (upsweep.array, upsweep.asarray):
        assert make_array(value).dtype.name == name


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_are_themselves(name):
    dtype = getattr(upsweep, name)
    assert repr(dtype) == f"upsweep.{name}"
    assert dtype == getattr(upsweep, name)
    assert (
        dtype
        != upsweep.array(0, upsweep.uint8 if name != "uint8" else upsweep.int8).dtype
    )
    assert hash(dtype) == hash(getattr(upsweep, name))
    assert dtype.size == numpy_dtype(name).itemsize
    assert upsweep.zeros((2,), dtype).dtype is dtype


@pytest.mark.parametrize("name", DTYPES)
def test_attributes(name):
    a = upsweep.ones((2, 0, 3), getattr(upsweep, name))
    b = upsweep.ones([4, 5], getattr(upsweep, name))
    item = numpy_dtype(name).itemsize
    assert (a.shape, a.ndim, a.size, a.nbytes, a.itemsize) == ((2, 0, 3), 3, 0, 0, item)
    assert (b.shape, b.ndim, b.size, b.nbytes, b.itemsize) == (
        (4, 5),
        2,
        20,
        20 * item,
        item,
    )
    assert len(b) == 4


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_round_trip(name):
    for kind in kinds(numpy_dtype(name)):
        x = make(kind, numpy_dtype(name), (3, 4, 5))
        for a in (upsweep.array(x), upsweep.asarray(x)):
            assert a.dtype.name == name
            back = np.asarray(a)
            assert back.dtype == x.dtype
            assert back.tobytes() == x.tobytes()


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_views_are_those_of_numpy(name, data):
    base = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(numpy_dtype(name))
    x, a = both(base, data.draw(recipes(base.shape)), shared=False)
    assert a.shape == x.shape
    assert np.asarray(a).tobytes() == x.tobytes()
    if x.size:
        assert a.tolist() == x.tolist()


def test_indexing():
    x = np.arange(60).reshape(3, 4, 5)
    a = upsweep.asarray(x)
    indices = [
        (), 1, -1, (0, 2), (2, -1, 3), ..., (..., 2), (1, ...), None, (None, 1),
        (..., None), slice(1, None), slice(None, None, -1), (slice(None), 3),
        (slice(2, 0, -1), ..., slice(None, None, 2)), (slice(5, 9), 1),
        (np.int64(2), slice(None)),
    ]  # fmt: skip
    for index in indices:
        assert a[index].tolist() == x[index].tolist(), index
        assert a[index].shape == x[index].shape, index


def test_views_share_storage():
    before = upsweep.get_active_memory()
    a = upsweep.ones((1000, 1000))
    upsweep.synchronize()
    held = upsweep.get_active_memory()
    views = [a.T, a[::-2, 5:], a.reshape(-1), a.flatten(), a.reshape(10, 100, 1000)]
    views += [upsweep.broadcast_to(a, (7, 1000, 1000)), upsweep.expand_dims(a, 0)]
    assert upsweep.get_active_memory() == held >= before + a.nbytes
    del a
    assert upsweep.get_active_memory() == held
    del views
    assert upsweep.get_active_memory() == before


def test_shapes_of_views():
    a = upsweep.asarray(np.arange(24).reshape(2, 3, 4))
    x = np.arange(24).reshape(2, 3, 4)
    pairs = [
        (a.T, x.T),
        (a.transpose(), x.transpose()),
        (a.transpose(1, 0, 2), x.transpose(1, 0, 2)),
        (a.transpose((2, 0, -2)), x.transpose((2, 0, -2))),
        (a.swapaxes(0, -1), x.swapaxes(0, -1)),
        (a.moveaxis(0, -1), np.moveaxis(x, 0, -1)),
        (a.reshape(6, -1), x.reshape(6, -1)),
        (a.reshape((4, 6)), x.reshape(4, 6)),
        (a.T.reshape(-1), x.T.reshape(-1)),
        (a.flatten(), x.reshape(-1)),
        (a.flatten(1), x.reshape(2, 12)),
        (a.flatten(0, 1), x.reshape(6, 4)),
        (a[:1].squeeze(), x[:1].squeeze()),
        (a[:, :1].squeeze(1), x[:, :1].squeeze(1)),
        (upsweep.expand_dims(a, (0, -1)), np.expand_dims(x, (0, -1))),
        (
            upsweep.broadcast_to(a[:, :1], (5, 2, 3, 4)),
            np.broadcast_to(x[:, :1], (5, 2, 3, 4)),
        ),
    ]
    for found, expected in pairs:
        assert found.shape == expected.shape
        assert found.tolist() == expected.tolist()
    assert upsweep.array(1).flatten().shape == (1,)


@pytest.mark.parametrize("source", DTYPES)
def test_astype(source):
    x = np.array([0, 1, 2, 3]).astype(numpy_dtype(source))
    for target in DTYPES:
        found = upsweep.asarray(x).astype(getattr(upsweep, target))
        with np.errstate(all="ignore"):
            expected = x.real if source == "complex64" and target != source else x
            expected = expected.astype(numpy_dtype(target))
        assert found.dtype.name == target
        assert found.tolist() == expected.tolist()


def test_astype_rounds_once_and_saturates():
    a = upsweep.array([300.7, -5, math.nan, math.inf])
    assert a.astype(upsweep.uint8).tolist() == [255, 0, 0, 255]
    x = np.float64(
        [1 + 2.0**-11 + 2.0**-40, 65519.99, 65520, 2.0**-25, 2.0**-25 * 1.01]
    )
    found = upsweep.asarray(x).astype(upsweep.float16)
    assert found.tolist() == [1 + 2.0**-10, 65504, math.inf, 0, 2.0**-24]


def test_item_and_tolist_give_python_values():
    assert upsweep.array([[7]]).item() == 7
    assert isinstance(upsweep.array(7).item(), int)
    assert isinstance(upsweep.array(True).item(), bool)
    assert isinstance(upsweep.array(0.5).item(), float)
    assert isinstance(upsweep.array(1j).item(), complex)
    assert upsweep.array(2.5).tolist() == 2.5
    assert upsweep.array([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert upsweep.zeros((2, 0)).tolist() == [[], []]
    assert upsweep.asarray(np.uint64([2**64 - 1])).tolist() == [2**64 - 1]
    assert float(upsweep.array(2)) == 2.0
    assert int(upsweep.array([3.0])) == 3
    assert bool(upsweep.array([[True]]))
    assert [row.tolist() for row in upsweep.array([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


def test_repr():
    assert repr(upsweep.array([1, 2.5])) == "array([1, 2.5], dtype=float32)"
    assert repr(upsweep.array([[True, False]])) == "array([[True, False]], dtype=bool_)"
    assert repr(upsweep.array(1 + 2j)) == "array(1+2j, dtype=complex64)"
    assert repr(upsweep.array(3)) == "array(3, dtype=int32)"
    assert repr(upsweep.array([])) == "array([], dtype=float32)"
    assert repr(upsweep.array([0.1, math.inf, math.nan])).count("inf") == 1
    assert "..." in repr(upsweep.arange(100000))
    assert len(repr(upsweep.ones((300, 300, 3)))) < 10000


def test_comparison_is_elementwise_and_broadcasts():
    a = upsweep.array([[1, 2], [3, 4]])
    assert (a == a).tolist() == [[True, True], [True, True]]
    assert (a == upsweep.array([1, 4])).tolist() == [[True, False], [False, True]]
    assert (a != 2).tolist() == [[True, False], [True, True]]
    assert (a == 2.0).dtype is upsweep.bool_
    nan = upsweep.array(math.nan)
    assert not bool(nan == nan)
    assert bool(nan != nan)
    assert (a == np.array([1, 2])).tolist() == [[True, True], [False, False]]


def test_comparison_is_exact_across_dtypes():
    assert not bool(
        upsweep.asarray(np.int64(2**53 + 1)) == upsweep.asarray(np.float64(2**53))
    )
    assert not bool(
        upsweep.asarray(np.uint64(2**64 - 1)) == upsweep.asarray(np.int64(-1))
    )
    assert not bool(
        upsweep.asarray(np.float32(0.1)) == upsweep.asarray(np.float64(0.1))
    )
    assert bool(upsweep.array(2) == upsweep.array(2 + 0j))


def test_array_equal_and_allclose():
    a = upsweep.array([1.0, math.nan])
    assert bool(upsweep.array_equal([1, 2], [1.0, 2.0]))
    assert not bool(upsweep.array_equal([1, 2], [[1, 2]]))
    assert not bool(upsweep.array_equal(a, a))
    assert bool(upsweep.array_equal(a, a, equal_nan=True))
    assert bool(
        upsweep.allclose(upsweep.array([1.0, 1e-9]), upsweep.array([1.000001, 0]))
    )
    assert not bool(upsweep.allclose(upsweep.array([1.0]), upsweep.array([1.1])))
    assert bool(upsweep.allclose(upsweep.array([1.0]), upsweep.array([1.1]), rtol=0.2))
    assert bool(upsweep.allclose(a, a, equal_nan=True))
    assert not bool(upsweep.allclose(a, a))


def test_constructors():
    assert upsweep.zeros((2, 3)).tolist() == [[0, 0, 0]] * 2
    assert upsweep.ones(3, upsweep.int8).tolist() == [1, 1, 1]
    assert upsweep.full((2, 2), 7).tolist() == [[7, 7], [7, 7]]
    assert upsweep.full((2, 2), upsweep.array([1.5, 2])).tolist() == [[1.5, 2]] * 2
    assert upsweep.full(2, 1, upsweep.complex64).dtype is upsweep.complex64
    assert repr(upsweep.arange(5)) == "array([0, 1, 2, 3, 4], dtype=int32)"
    assert upsweep.arange(2, 11, 3).tolist() == [2, 5, 8]
    assert upsweep.arange(3, 0, -1).tolist() == [3, 2, 1]
    assert upsweep.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert upsweep.arange(1.0).dtype is upsweep.float32
    assert upsweep.arange(2**40, 2**40 + 2).dtype is upsweep.int64
    assert upsweep.arange(3, dtype=upsweep.float64).dtype is upsweep.float64
    assert upsweep.arange(5, 0).shape == (0,)
    nested = upsweep.array([upsweep.array([1, 2]), upsweep.array([3, 4])])
    assert nested.tolist() == [[1, 2], [3, 4]]
    assert upsweep.array([[1, 2]], upsweep.float16).dtype is upsweep.float16


@pytest.mark.parametrize("name", DTYPES)
def test_copies_and_pickles(name):
    x = np.arange(12).reshape(3, 4).astype(numpy_dtype(name))[::-1, ::2]
    a = upsweep.asarray(x)
    for b in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert b.dtype is a.dtype
        assert b.tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(a.dtype)) is a.dtype


def test_array_copies_and_asarray_shares():
    x = np.ones(3)
    copied, shared = upsweep.array(x), upsweep.asarray(x)
    x[0] = 5
    assert copied.tolist() == [1, 1, 1]
    assert shared.tolist() == [5, 1, 1]


class Real(float):
    """A subclass of float."""


class Imaginary(complex):
    """A subclass of complex."""


class Colour(enum.IntEnum):
    RED = 2


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (Real(1.5), "float32"),
        (Imaginary(2j), "complex64"),
        (Colour.RED, "int32"),
        (np.float64(1.5), "float64"),
        (np.float32(1.5), "float32"),
        (np.bool_(True), "bool_"),
    ],
)
def test_subclasses_of_numbers(number, name):
    for a in (upsweep.array(number), upsweep.asarray([number])[0]):
        assert a.dtype.name == name
        assert a.item() == number
    assert upsweep.array([number, 3])[1].item() == 3
    assert upsweep.full((2,), number).tolist() == [number, number]


def test_a_complex128_of_numpy_is_still_refused():
    with pytest.raises(TypeError, match="complex128"):
        upsweep.array(np.complex128(1j))


@pytest.mark.parametrize("kind", ["array", "Dtype", "Device", "Stream"])
@pytest.mark.filterwarnings("ignore:nanobind")
def test_objects_that_only_new_has_made(kind):
    made = getattr(upsweep, kind)
    empty = made.__new__(made)
    a = upsweep.array([1.0])
    calls = {
        "array": [
            lambda: empty.shape, lambda: repr(empty), lambda: empty == a,
            lambda: a == empty, lambda: upsweep.cumsum(empty), lambda: bool(empty),
            lambda: upsweep.array([empty]), lambda: upsweep.eval([empty]),
            lambda: pickle.dumps(empty), lambda: copy.copy(empty), lambda: empty[0],
            lambda: upsweep.from_dlpack(empty), lambda: np.asarray(empty),
            lambda: upsweep.zeros(empty), lambda: upsweep.cumsum(a, axis=empty),
        ],
        "Dtype": [
            lambda: empty.name, lambda: repr(empty), lambda: upsweep.zeros(3, empty),
            lambda: upsweep.array([1], empty), lambda: a.astype(empty),
            lambda: pickle.dumps(empty), lambda: upsweep.asarray(a, empty),
        ],
        "Device": [
            lambda: empty.type, lambda: upsweep.synchronize(empty),
            lambda: upsweep.Device(upsweep.cpu) == empty,
            lambda: upsweep.is_available(empty), lambda: upsweep.stream(empty),
            lambda: upsweep.cumsum(a, stream=empty), lambda: hash(empty),
        ],
        "Stream": [
            lambda: empty.device, lambda: upsweep.synchronize(empty),
            lambda: upsweep.default_stream(upsweep.cpu) == empty,
            lambda: upsweep.set_default_stream(empty), lambda: upsweep.stream(empty),
            lambda: upsweep.cumsum(a, stream=empty), lambda: hash(empty),
        ],
    }  # fmt: skip
    for call in calls[kind]:
        with pytest.raises((TypeError, BufferError)):
            call()
    assert upsweep.cumsum(a).tolist() == [1]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ((), TypeError),
        ((b"",), TypeError),
        (("x", (1,), upsweep.float32), TypeError),
        ((b"1234", "x", upsweep.float32), TypeError),
        ((b"1234", (1,), "float"), TypeError),
        ((b"1234", (1,), upsweep.float32, 0), TypeError),
        ((b"1234", (2,), upsweep.float32), ValueError),
        ((b"1234", (-1,), upsweep.float32), ValueError),
        ((b"1234", (-1, -1), upsweep.float32), ValueError),
        ((b"", (2**40, 2**40), upsweep.float32), ValueError),
        ((b"", (2**62,), upsweep.float32), ValueError),
        ((b"1234", (1,) * 65, upsweep.float32), ValueError),
    ],
)
def test_states_that_no_array_has(state, error):
    a = upsweep.array.__new__(upsweep.array)
    with pytest.raises(error):
        a.__setstate__(state)
    a.__setstate__((b"\0\0\x80?", (1,), upsweep.float32))
    assert a.tolist() == [1]


@pytest.mark.filterwarnings("ignore:nanobind")
def test_an_array_is_filled_once():
    a = upsweep.array([1.0])
    with pytest.raises(TypeError):
        a.__setstate__((b"\0\0\0\0", (1,), upsweep.float32))
    with pytest.raises(TypeError):
        a.__init__([2.0])
    assert a.tolist() == [1]


def test_empty_arrays_of_extents_beyond_counting():
    shape = (2**40, 2**40, 0, 2**40)
    a = upsweep.zeros(shape)
    assert a.size == 0
    assert a.shape == shape
    for view in (a, a[2**39], a[:, 5], a[:, :: 2**38], a.T, a.flatten(), a[..., 3]):
        assert view.size == 0
        assert upsweep.cumsum(view, 0).shape == view.shape
        assert view.astype(upsweep.int8).size == 0
        assert bool(upsweep.array_equal(view, view))
        assert pickle.loads(pickle.dumps(view)).shape == view.shape
    assert upsweep.cumprod(a).shape == (0,)
