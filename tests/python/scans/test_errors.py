"""Errors: their types and texts, and a library that is usable after each."""

import re

import numpy as np
import pytest
import upsweep
from support import OPS

A12 = upsweep.array([1, 2])
A22 = upsweep.ones((2, 2))
A23 = upsweep.ones((2, 3))

TEXTS = [
    (lambda: upsweep.array([1, 2]).item(), ValueError,
     "[convert] Only length-1 arrays can be converted to Python scalars."),
    (lambda: bool(A12), ValueError,
     "[convert] Only length-1 arrays can be converted to Python scalars."),
    (lambda: float(A12), ValueError,
     "[convert] Only length-1 arrays can be converted to Python scalars."),
    (lambda: upsweep.array([[1, 2], [3]]), ValueError,
     "Initialization encountered non-uniform length."),
    (lambda: A12.reshape(3), ValueError,
     "[reshape] Cannot reshape array of size 2 into shape (3)."),
    (lambda: A23.transpose(0, 0), ValueError, "[transpose] Repeat axes not allowed."),
    (lambda: A23.squeeze(0), ValueError,
     "[squeeze] Cannot squeeze axis 0 with size 2 which is not equal to 1."),
    (lambda: upsweep.expand_dims(A12, 5), IndexError,
     "[expand_dims] Axis 5 is out of bounds for array with 2 dimensions."),
    (lambda: upsweep.broadcast_to(upsweep.ones((3,)), (2,)), ValueError,
     "[broadcast_shapes] Shapes (3) and (2) cannot be broadcast."),
    (lambda: A12 == upsweep.ones((3,)), ValueError,
     "[broadcast_shapes] Shapes (2) and (3) cannot be broadcast."),
    (lambda: len(upsweep.array(1)), TypeError, "len() 0-dimensional array."),
    (lambda: iter(upsweep.array(1)), TypeError, "iter() 0-dimensional array."),
    (lambda: upsweep.zeros((-1, 2)), ValueError,
     "[full] Negative dimensions not allowed."),
    (lambda: A12[1, 2], ValueError, "Too many indices for array with 1 dimensions."),
    (lambda: A23.swapaxes(0, 5), IndexError, None),
    (lambda: A23.moveaxis(0, 5), IndexError, None),
    (lambda: A23.flatten(7), IndexError, None),
    (lambda: A23.transpose(0), ValueError, None),
    (lambda: A12.reshape(-1, -1), ValueError, None),
]  # fmt: skip


def usable():
    return upsweep.cumprod(upsweep.array([1, 2, 3])).tolist() == [1, 2, 6]


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_errors_have_the_texts_of_mlx(number):
    call, kind, text = TEXTS[number]
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == text or (text is None and str(caught.value))
    assert usable()


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("ndim", "axis"), [(2, 2), (2, -3), (0, 0), (0, -1), (1, 2**40)]
)
def test_axes_out_of_bounds(op, ndim, axis):
    a = upsweep.ones((2,) * ndim)
    text = f"[{op}] Axis {axis} is out of bounds for array with {ndim} dimensions."
    with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
        getattr(upsweep, op)(a, axis)
    with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
        getattr(a, op)(axis=axis)
    assert usable()


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"axis": "a"}, "axis"),
        ({"axis": 1.0}, "axis"),
        ({"axis": True}, "axis"),
        ({"reverse": 1}, "reverse"),
        ({"inclusive": None}, "inclusive"),
        ({"stream": "cpu"}, "stream"),
        ({"stream": 0}, "stream"),
        ({"dtype": upsweep.float32}, "dtype|arguments"),
    ],
)
def test_arguments_of_a_wrong_type_are_named(op, options, names):
    with pytest.raises(TypeError, match=names):
        getattr(upsweep, op)(A22, **options)
    assert usable()


@pytest.mark.parametrize("bad", [None, "text", object(), {1: 2}, [1, "a"], [[1], None]])
def test_inputs_that_are_no_arrays(bad):
    for f in (upsweep.cumprod, upsweep.array, upsweep.asarray):
        with pytest.raises(TypeError):
            f(bad)
    assert usable()


def test_positional_flags_are_refused():
    with pytest.raises(TypeError):
        upsweep.cumprod(A22, 0, True)
    with pytest.raises(TypeError):
        upsweep.cumprod(a=A22)
    with pytest.raises(TypeError):
        upsweep.cumprod()


@pytest.mark.parametrize("index", [2, -3, (0, 3), (0, -4), 2**40])
def test_indices_out_of_range_name_index_axis_and_extent(index):
    with pytest.raises(IndexError) as caught:
        A23[index]
    wrong, axis = (index[1], 1) if isinstance(index, tuple) else (index, 0)
    for part in (wrong, axis, A23.shape[axis]):
        assert re.search(rf"(?<!\d){part}\b", str(caught.value)), caught.value
    assert usable()


@pytest.mark.parametrize(
    "index", ["a", 1.0, [0, 1], np.array([0, 1]), np.array([True, False])]
)
def test_indices_that_are_not_basic_are_type_errors(index):
    with pytest.raises(TypeError, match=r"ind(ex|ices)"):
        A22[index]
    assert usable()


def test_arrays_cannot_be_assigned_to():
    with pytest.raises(TypeError):
        A22[0] = 1


def test_limits_must_be_numbers_of_bytes():
    for f in (upsweep.set_memory_limit, upsweep.set_cache_limit):
        with pytest.raises(ValueError, match="limit"):
            f(-1)
        with pytest.raises(TypeError, match="limit"):
            f("1")


def test_streams_that_do_not_exist():
    with pytest.raises(ValueError, match=r"device 3|no cpu device"):
        upsweep.cumprod(A22, stream=upsweep.Device(upsweep.cpu, 3))
    assert not upsweep.is_available(upsweep.Device(upsweep.cpu, 3))


def test_an_integer_too_large_for_any_dtype():
    with pytest.raises((OverflowError, ValueError)):
        upsweep.array(2**70)
    assert usable()
