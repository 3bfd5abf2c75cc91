"""What arrays print: the fewest digits that give a number back, and the options."""

import math
import random

import numpy as np
import pytest
import upsweep
from support import numpy_dtype

FLOATS = ["float16", "bfloat16", "float32", "float64"]


@pytest.fixture(autouse=True)
def options():
    before = upsweep.set_printoptions()
    yield
    upsweep.set_printoptions(**before)


def shown(*values, dtype="float32"):
    """The numbers between the brackets."""
    text = repr(upsweep.array(list(values), dtype))
    assert text.startswith("array([")
    return text[len("array([") : text.index("]")]


def bit_patterns(dtype):
    """Finite numbers of every magnitude, and the ends of the range."""
    bits = 8 * numpy_dtype(dtype).itemsize
    draw = random.Random(1)
    numbers = [draw.getrandbits(bits) for _ in range(300)]
    numbers += [0, 1, 2, 2 ** (bits - 1), 2 ** (bits - 1) + 1]
    x = np.array(numbers, f"uint{bits}").view(numpy_dtype(dtype))
    return x[np.isfinite(x)]


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_printed_reads_back(dtype):
    upsweep.set_printoptions(edgeitems=1000)
    x = bit_patterns(dtype)
    words = shown(*x.tolist(), dtype=dtype).split(", ")
    back = np.array([float(word) for word in words]).astype(numpy_dtype(dtype))
    assert back.tobytes() == x.tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_fewer_digits_do_not_read_back(dtype):
    for value in bit_patterns(dtype).astype(float).tolist():
        word = shown(value, dtype=dtype)
        digits = word.lstrip("-").partition("e")[0].replace(".", "").strip("0")
        if len(digits) > 1:
            shorter = float(f"{value:.{len(digits) - 2}e}")
            assert np.float64(shorter).astype(numpy_dtype(dtype)) != value, word


def test_neighbours_of_one_differ():
    assert shown(0.9999999, 1.0000001) == "0.9999999, 1.0000001"
    below, above = np.nextafter(1.0, [0, 2])
    assert shown(below, above, dtype="float64") == (
        "0.9999999999999999, 1.0000000000000002"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (100000, "100000"),
        (1e6, "1e+06"),
        (1234567, "1234567"),
        (16777216, "16777216"),
        (1e22, "1e+22"),
        (1.5e-7, "1.5e-07"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e-45, "1e-45"),
        (3.4028235e38, "3.4028235e+38"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_layout(value, text):
    assert shown(value) == text


def test_complex_numbers():
    assert repr(upsweep.array([1 / 3 - 2j])) == (
        "array([0.33333334-2j], dtype=complex64)"
    )


def test_precision_counts_significant_digits():
    upsweep.set_printoptions(precision=3)
    assert shown(1 / 3, 2, 1234.5, 99.96) == "0.333, 2, 1.23e+03, 100"
    assert "0.333+2j" in repr(upsweep.array([1 / 3 + 2j]))
    assert shown(123456, dtype="int32") == "123456"


def test_the_ends_of_axes():
    assert repr(upsweep.arange(6)) == "array([0, 1, 2, 3, 4, 5], dtype=int32)"
    assert shown(*range(7), dtype="int8") == "0, 1, 2, ..., 4, 5, 6"
    upsweep.set_printoptions(edgeitems=1)
    assert shown(*range(7), dtype="int8") == "0, ..., 6"
    assert shown(1, 2, dtype="int8") == "1, 2"
    assert repr(upsweep.zeros((3, 3), "int8")) == (
        "array([[0, ..., 0],\n       ...,\n       [0, ..., 0]], dtype=int8)"
    )


def test_options_are_given_back_and_return_to_their_defaults():
    assert upsweep.set_printoptions(precision=4) == {"precision": None, "edgeitems": 3}
    before = upsweep.set_printoptions(edgeitems=2)
    assert before == {"precision": 4, "edgeitems": 3}
    assert upsweep.set_printoptions(**before) == {"precision": None, "edgeitems": 2}
    assert upsweep.set_printoptions() == before


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"precision": 0}, ValueError),
        ({"precision": 101}, ValueError),
        ({"precision": 2.5}, TypeError),
        ({"edgeitems": 0}, ValueError),
        ({"edgeitems": None}, TypeError),
    ],
)
def test_bad_options_are_named_and_change_nothing(options, error):
    (name,) = options
    with pytest.raises(error, match=rf"^\[set_printoptions\] {name} "):
        upsweep.set_printoptions(**options)
    assert upsweep.set_printoptions() == {"precision": None, "edgeitems": 3}


def test_a_format_of_one_element():
    a = upsweep.array([0.5, 2.0])
    assert f"{a[0]:.3f}" == "0.500"
    assert f"{upsweep.array(7):04d}" == "0007"
    assert f"{upsweep.array(True)}" == "array(True, dtype=bool_)"
    assert f"{a}" == str(a) == repr(a)
    with pytest.raises(TypeError, match=r"^\[format\] The format '\.3f' is for one"):
        f"{a:.3f}"
    with pytest.raises(ValueError, match="format code"):
        f"{a[0]:d}"
