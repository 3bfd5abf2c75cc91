"""cumsum, cummax, cummin and logcumsumexp against the oracle."""

import math

import ml_dtypes
import numpy as np
import pytest
import upsweep
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    DTYPES,
    FLOATS,
    INTEGERS,
    OPS,
    checked_scan,
    examples,
    numpy_dtype,
    stream_for,
)
from test_cumprod_property import cases
from values import make

# cumprod has files of its own, and the oracle of logcumsumexp is slow.
OTHERS = [op for op in OPS if op not in ("cumprod", "logcumsumexp")]


@pytest.mark.parametrize("op", OTHERS)
@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_they_keep_the_contract(op, name, data):
    x, a, options = data.draw(cases(numpy_dtype(name)))
    checked_scan(op, a, x, **options)


@pytest.mark.parametrize("name", ["bool_", *INTEGERS, *FLOATS])
@settings(max_examples=examples(25))
@given(data=st.data())
def test_logcumsumexp_keeps_the_contract(name, data):
    x, a, options = data.draw(cases(numpy_dtype(name)))
    checked_scan("logcumsumexp", a, x, **options)


@pytest.mark.parametrize("reverse", [False, True])
def test_logcumsumexp_of_complex_numbers(reverse):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(7, 300)) + 1j * rng.uniform(-0.5, 0.5, (7, 300))).astype(
        np.complex64
    )
    checked_scan("logcumsumexp", upsweep.asarray(x), x, axis=1, reverse=reverse)


LONG = [
    ("any_bits", "int16"),
    ("near_one", "float32"),
    ("near_one", "float64"),
    ("specials", "bfloat16"),
    ("log_normal", "float16"),
    ("turning", "complex64"),
]


@pytest.mark.parametrize("op", OTHERS)
@pytest.mark.parametrize(("kind", "name"), LONG)
def test_long_axes(op, kind, name):
    for shape, axis in [((2**15 + 1,), 0), ((2500, 9), 0), ((2, 1500, 5), 1)]:
        x = make(kind, numpy_dtype(name), shape)
        checked_scan(op, upsweep.asarray(x), x, axis=axis)
        checked_scan(
            op, upsweep.asarray(x), x, axis=axis, reverse=True, inclusive=False
        )


@pytest.mark.parametrize(("shape", "axis"), [((12345,), 0), ((2000, 4), 0)])
def test_logcumsumexp_of_long_axes(shape, axis):
    x = (10 * make("log_normal", numpy_dtype("float32"), shape)).astype(np.float32)
    checked_scan("logcumsumexp", upsweep.asarray(x), x, axis=axis)


@pytest.mark.parametrize("name", FLOATS)
def test_sums_that_cancel_keep_their_bound(name):
    rng = np.random.default_rng(5)
    x = rng.normal(size=4001).astype(numpy_dtype(name))
    x[2001:] = -x[2000:0:-1]
    checked_scan("cumsum", upsweep.asarray(x), x)


def test_sums_that_leave_the_range_stay_out():
    for name in FLOATS:
        dtype = numpy_dtype(name)
        x = np.ones(40000, dtype)
        x[30000:30002] = ml_dtypes.finfo(dtype).max
        x[30005:30008] = ml_dtypes.finfo(dtype).min
        checked_scan("cumsum", upsweep.asarray(x), x)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", DTYPES)
def test_shapes_without_elements_and_without_axes(op, name):
    dtype = numpy_dtype(name)
    for shape in [(0,), (0, 3), (3, 0), (2, 0, 4)]:
        x = np.zeros(shape, dtype)
        for axis in [None, *range(len(shape))]:
            checked_scan(op, upsweep.asarray(x), x, axis=axis)
    one = np.array(1, dtype)
    assert checked_scan(op, upsweep.asarray(one), one) <= 4
    found = getattr(upsweep, op)(upsweep.asarray(one), stream=stream_for(name))
    assert found.shape == (1,)


@pytest.mark.parametrize("op", OPS)
def test_the_method_is_the_function(op):
    a = upsweep.array([[0.5, 1.5], [2.0, 3.0]])
    options = {"axis": 0, "reverse": True, "inclusive": False}
    method = getattr(a, op)(**options)
    assert method.tolist() == getattr(upsweep, op)(a, **options).tolist()


@pytest.mark.parametrize(
    ("op", "identity"),
    [
        ("cumprod", 1),
        ("cumsum", 0),
        ("cummax", -math.inf),
        ("cummin", math.inf),
        ("logcumsumexp", -math.inf),
    ],
)
def test_identities_are_those_of_mlx(op, identity):
    a = upsweep.array([5.0, 6.0])
    assert getattr(upsweep, op)(a, inclusive=False).tolist()[0] == identity


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(40, 66), (3, 2000), (300, 20)])
def test_sums_of_short_numbers_are_rounded_once(name, shape):
    """Sums next to halfway between two numbers, closer than a float can resolve."""
    step = float(ml_dtypes.finfo(numpy_dtype(name)).eps) * 2048
    x = np.zeros(shape, numpy_dtype(name))
    x[..., 0], x[..., 1], x[..., 2] = 2048, step / 2, 2.0**-14
    x[1::2] *= -1
    for axis, a in ((1, x), (0, np.ascontiguousarray(x.T))):
        checked_scan("cumsum", upsweep.asarray(a), a, axis=axis)
        checked_scan("cumsum", upsweep.asarray(a), a, axis=axis, inclusive=False)


def test_complex_numbers_need_the_alignment_of_their_parts():
    raw = np.arange(1 + 2 * 40 * 30, dtype=np.float32)
    x = raw[1:].view(np.complex64).reshape(40, 30)
    assert x.ctypes.data % 8 == 4 or raw.ctypes.data % 8 == 4
    for op in ("cumsum", "cummax"):
        for a in (x, x.T, x[:, ::2]):
            checked_scan(op, a, a, axis=0)
            checked_scan(op, a, a, axis=1)
