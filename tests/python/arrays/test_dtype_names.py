"""Names and NumPy's dtypes where a dtype is wanted, and the way back to NumPy."""

import ml_dtypes
import numpy as np
import pytest
import upsweep
from support import DTYPES, numpy_dtype

CALLS = [
    lambda dtype: upsweep.array([0, 1], dtype).dtype,
    lambda dtype: upsweep.asarray([0, 1], dtype=dtype).dtype,
    lambda dtype: upsweep.zeros(2, dtype).dtype,
    lambda dtype: upsweep.ones(2, dtype).dtype,
    lambda dtype: upsweep.full(2, 1, dtype).dtype,
    lambda dtype: upsweep.array([0, 1], upsweep.uint8).astype(dtype).dtype,
    lambda dtype: upsweep.scan([0, 1], "max", dtype=dtype).dtype,
    lambda dtype: upsweep.cumulative_prod([0, 1], dtype=dtype).dtype,
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", DTYPES)
def test_what_names_a_dtype(name, call):
    wanted = getattr(upsweep, name)
    theirs = numpy_dtype(name)
    for named in (wanted, name, theirs.name, theirs, theirs.type):
        with upsweep.stream(upsweep.cpu):  # GPUs have no float64
            assert call(named) is wanted, named


def test_python_names_one_dtype():
    assert upsweep.zeros(1, bool).dtype is upsweep.bool_


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_makes_the_dtype_of_the_same_name(name):
    dtype = getattr(upsweep, name)
    found = np.dtype(dtype)
    assert found == numpy_dtype(name)
    assert dtype.dtype == found  # what NumPy before 2.4 reads
    assert np.zeros(2, dtype).dtype == found
    assert upsweep.zeros(1, found).dtype is dtype


def test_bfloat16_is_that_of_ml_dtypes():
    assert np.dtype(upsweep.bfloat16) == np.dtype(ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    "bad",
    [
        "float",
        "Float32",
        "",
        "dtype",
        float,
        int,
        object(),
        np.float32(1),
        np.dtype("complex128"),
        np.dtype(">f4" if np.little_endian else "<f4"),
        np.longdouble,
        np.ones(2, np.float32),
        3,
    ],
)
def test_what_names_none_is_shown_with_the_way_out(bad):
    for call, name in (
        (lambda: upsweep.array([1], bad), "array"),
        (lambda: upsweep.array(1).astype(bad), "astype"),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        text = str(caught.value)
        assert text.startswith(f"[{name}] dtype must be ")
        assert repr(bad) in text
        assert "upsweep.float32" in text


def test_a_dtype_stands_where_numpy_wants_one():
    a = upsweep.array([1.5, 2.5])
    assert np.asarray(a, dtype=upsweep.float64).dtype == np.float64
    assert np.can_cast(np.float32, a.dtype)
    assert np.dtype(np.float32) == a.dtype
    assert a.dtype == np.dtype(np.float32)
