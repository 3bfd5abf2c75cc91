"""cumulative_sum and cumulative_prod: what the array API standard (2023.12) states."""

import numpy as np
import oracle
import pytest
import upsweep
from hypothesis import given, settings
from hypothesis import strategies as st
from support import DTYPES, FLOATS, INTEGERS, dtype_name, examples, numpy_dtype
from test_cumprod_property import draw_views
from test_scan_options import SHAPES

FUNCTIONS = {"cumulative_sum": "cumsum", "cumulative_prod": "cumprod"}
NUMERIC = [*INTEGERS, *FLOATS, "complex64"]


def default_dtype(name):
    """The default integer dtype of the kind, which no integer here exceeds; floats keep
    theirs. The standard says nothing about bool_, which counts as signed."""
    if name.startswith("uint"):
        return "uint64"
    return "int64" if name in ["bool_", *INTEGERS] else name


@pytest.fixture(autouse=True)
def cpu():
    """These functions have no stream, and float64 needs the CPU."""
    before = upsweep.default_device()
    upsweep.set_default_device(upsweep.cpu)
    yield
    upsweep.set_default_device(before)


@st.composite
def cases(draw, name):
    shape = draw(SHAPES.filter(len))
    x, a = draw_views(draw, numpy_dtype(name), st.just(shape))
    if x.ndim == 0:
        x, a = x.reshape(1), a.reshape(1)
    options = {}
    if x.ndim != 1 or draw(st.booleans()):
        options["axis"] = draw(st.integers(-x.ndim, x.ndim - 1))
    if draw(st.booleans()):
        options["include_initial"] = draw(st.booleans())
    return x, a, options


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_results_are_those_of_the_standard(function, name, data):
    x, a, options = data.draw(cases(name))
    result = getattr(upsweep, function)(a, **options)
    assert result.dtype.name == default_dtype(name)
    check_result(function, x, result, default_dtype(name), options)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", NUMERIC)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_dtype_is_that_of_the_result(function, name, data):
    x, a, options = data.draw(cases(name))
    dtype = data.draw(st.sampled_from(NUMERIC))
    result = getattr(upsweep, function)(a, dtype=getattr(upsweep, dtype), **options)
    assert result.dtype.name == dtype
    check_result(function, x, result, dtype, options)


def check_result(function, x, result, dtype, options):
    axis = options.get("axis", 0)
    initial = options.get("include_initial", False)
    shape = list(x.shape)
    shape[axis] += initial
    assert result.shape == tuple(shape)
    y = np.asarray(result)
    if initial:
        first = 0 if function == "cumulative_sum" else 1
        assert np.all(np.take(y, 0, axis=axis) == first)
    oracle.check(
        FUNCTIONS[function],
        x,
        y,
        axis=axis,
        dtype=numpy_dtype(dtype),
        include_initial=initial,
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_axis_is_needed_unless_there_is_one(function):
    f = getattr(upsweep, function)
    assert f(upsweep.ones((3,))).shape == (3,)
    for shape in ((2, 3), (1, 1), (0, 3), (2, 3, 4)):
        with pytest.raises(ValueError, match=rf"^\[{function}\].*\baxis\b"):
            f(upsweep.ones(shape))
    for axis in (None, 0, -1):
        with pytest.raises((ValueError, IndexError), match=rf"^\[{function}\]"):
            f(upsweep.array(1.0), axis=axis)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("ndim", "axis"), [(1, 1), (1, -2), (2, 2), (3, -4)])
def test_axes_out_of_bounds(function, ndim, axis):
    with pytest.raises(IndexError, match=rf"^\[{function}\] Axis {axis} is out of"):
        getattr(upsweep, function)(upsweep.ones((2,) * ndim), axis=axis)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_options_are_keywords_and_x_is_positional(function):
    f = getattr(upsweep, function)
    x = upsweep.ones((3,))
    for call in (lambda: f(x, 0), lambda: f(x=x), lambda: f()):
        with pytest.raises(TypeError):
            call()
    for options, names in [
        ({"axis": 0.0}, "axis"),
        ({"dtype": "float"}, "dtype"),
        ({"include_initial": 1}, "include_initial"),
        ({"reverse": True}, "reverse"),
    ]:
        with pytest.raises(TypeError, match=names):
            f(x, **options)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", NUMERIC)
def test_arrays_without_elements(function, name):
    f = getattr(upsweep, function)
    for shape, axis in [((0,), 0), ((0, 3), 0), ((3, 0), 0), ((2, 0, 3), 1)]:
        x = np.zeros(shape, numpy_dtype(name))
        assert f(x, axis=axis).shape == shape
        options = {"axis": axis, "include_initial": True}
        result = f(x, **options)
        assert result.dtype.name == default_dtype(dtype_name(x))
        check_result(function, x, result, default_dtype(name), options)


def test_sums_and_products_do_not_wrap_in_the_dtype_of_small_integers():
    assert upsweep.cumulative_sum(np.int8([100, 100])).tolist() == [100, 200]
    assert upsweep.cumulative_prod(np.uint8([100, 100])).tolist() == [100, 10000]
    assert upsweep.cumulative_sum(np.array([True, True])).tolist() == [1, 2]
    wrapped = upsweep.cumulative_sum(np.int8([100, 100]), dtype=upsweep.int8)
    assert wrapped.tolist() == [100, -56]
