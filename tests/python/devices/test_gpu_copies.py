"""Copies of views and conversions between all dtypes: bit for bit the same on every
device, and right by exact arithmetic."""

import copy
import itertools
from fractions import Fraction

import numpy as np
import pytest
import upsweep
from support import DTYPES, INTEGERS, bits, numpy_dtype

# Where the processors have the input, a GPU takes more elements only.
MANY = 1024
# Fraction bits and the lowest and highest exponent of normal numbers.
FORMATS = {
    "float16": (10, -14, 15),
    "bfloat16": (7, -126, 127),
    "float32": (23, -126, 127),
    "float64": (52, -1022, 1023),
}


def to_bytes(x):
    return np.ascontiguousarray(x).tobytes()


def any_bits(name, n, seed=0):
    """Elements of random bits, and those near which conversions change."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, n * dtype.itemsize, np.uint8).view(dtype)
    if name == "bool_":
        return np.concatenate([raw, np.array([0, 1, 2, 255], np.uint8).view(bool)])
    if name in INTEGERS:
        ends = np.iinfo(dtype)
        powers = [s * 2**k + d for k in range(64) for s in (1, -1) for d in (-1, 0, 1)]
        # Half way between two floats of each format, and next to that.
        for _, low in itertools.product(range(3), (7, 10, 23, 52)):
            top = int(rng.integers(2**low, 2 ** (low + 1)))
            powers += [((2 * top + 1) << k) + d for k in range(0, 60 - low, 3)
                       for d in (-1, 0, 1)]  # fmt: skip
        inside = [p for p in powers if ends.min <= p <= ends.max]
        return np.concatenate([raw, np.array(inside, dtype)])
    if name == "complex64":
        parts = any_bits("float32", 2 * n, seed)
        zeros = np.array([0, 1j, complex(0, np.nan), -0.0], dtype)
        return np.concatenate([parts[: len(parts) // 2 * 2].view(dtype), zeros])
    # Also floats of all magnitudes, ends of integers, and ties of shorter formats.
    near = [s * m * 2.0**e for e in range(-160, 140, 7) for s in (1, -1)
            for m in (1, 1.5, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-11,
                      1 + 3 * 2.0**-11, 1 + 2.0**-24, 2 - 2.0**-9)]  # fmt: skip
    near += [s * (2.0**k + d) for k in (7, 8, 15, 16, 31, 32, 63, 64)
             for s in (1, -1) for d in (-1, -0.5, 0, 0.5)]  # fmt: skip
    near += [0.0, -0.0, np.inf, -np.inf, 65519.999, 65520.0, 3.4028235e38, 3.4028236e38,
             0.5, -0.5, 0.99, 2.0**-149, 2.0**-150, 2.0**-25, 3 * 2.0**-26]  # fmt: skip
    with np.errstate(over="ignore"):
        return np.concatenate([raw, np.array(near).astype(dtype)])


def nearest(x, fraction_bits, lowest, highest):
    """The float of a format that is nearest to a Fraction, ties to even."""
    if x == 0:
        return 0.0
    n, d = abs(x.numerator), x.denominator
    exponent = n.bit_length() - d.bit_length()
    if Fraction(2) ** exponent > abs(x):
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, lowest) - fraction_bits)
    rounded = round(abs(x) / unit) * unit
    magnitude = np.inf if rounded >= Fraction(2) ** (highest + 1) else float(rounded)
    return magnitude if x > 0 else -magnitude


def real_to_float(x, name):
    if isinstance(x, float) and (x == 0 or not np.isfinite(x)):
        return x
    return nearest(Fraction(x), *FORMATS[name])


def real_to_integer(x, ends):
    if isinstance(x, int):
        return (x - ends.min) % 2 ** (ends.bits) + ends.min  # wraps
    if np.isnan(x):
        return 0
    if np.isinf(x):
        return ends.max if x > 0 else ends.min
    return min(max(int(x), ends.min), ends.max)


def converted(x, name):
    """What a conversion gives, from exact arithmetic."""
    dtype = numpy_dtype(name)
    if x.dtype == np.complex64:
        if name == "bool_":
            return (x.real != 0) | (x.imag != 0)
        return converted(x.real, name)
    if x.dtype == bool:
        values = [int(v) for v in x.view(np.uint8) != 0]
    elif x.dtype.kind in "iu":
        values = x.tolist()
    else:
        values = x.astype(np.float64).tolist()
    if name == "bool_":
        return np.array([v != 0 for v in values])
    if name in INTEGERS:
        return np.array([real_to_integer(v, np.iinfo(dtype)) for v in values], dtype)
    part = "float32" if name == "complex64" else name
    return np.array([real_to_float(v, part) for v in values]).astype(dtype)


def same_numbers(a, b):
    """Equal with the signs of zeros; NaNs are all the same."""
    if a.dtype.kind == "c":
        return same_numbers(a.real, b.real) and same_numbers(a.imag, b.imag)
    if a.dtype.kind in "biu":
        return np.array_equal(a, b)
    nan = np.isnan(a.astype(float))
    if not np.array_equal(nan, np.isnan(b.astype(float))):
        return False
    return np.array_equal(bits(a)[~nan], bits(b)[~nan])


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_conversions(name, to):
    x = any_bits(name, 100)
    dtype = getattr(upsweep, to)
    expected = converted(x, to) if name != to else None
    # So many that a GPU takes them.
    times = MANY // x.size + 1
    x = np.tile(x, times)
    found = np.asarray(upsweep.asarray(x).astype(dtype))
    assert found.dtype == numpy_dtype(to)
    if name != to:
        assert same_numbers(found, np.tile(expected, times))
    # The payloads of NaNs too.
    on_cpu = upsweep.asarray(x).astype(dtype, stream=upsweep.cpu)
    assert to_bytes(found) == to_bytes(on_cpu)


VIEWS = [
    lambda lib, x: x,
    lambda lib, x: x.T,
    lambda lib, x: x[::-1],
    lambda lib, x: x[::2, ::-3],
    lambda lib, x: x.transpose(1, 0, 2)[:, ::-1],
    lambda lib, x: x[3:4, 2:, 1],
    lambda lib, x: x[5, 5, 5],
    lambda lib, x: x[:0],
    lambda lib, x: lib.broadcast_to(x[:, :1], x.shape),
    lambda lib, x: lib.broadcast_to(x[0, 0, 0], (70, 33, 5)),
]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("view", range(len(VIEWS)))
@pytest.mark.parametrize("name", ["uint8", "bfloat16", "int32", "float64", "complex64"])
def test_copies_of_views(name, view):
    n = 30 * 21 * 10 * numpy_dtype(name).itemsize
    raw = np.random.default_rng(1).integers(0, 256, n, np.uint8)
    whole = raw.view(numpy_dtype(name)).reshape(30, 21, 10)
    x = VIEWS[view](np, whole)
    # The first copy is where the default device computes.
    here = copy.copy(upsweep.asarray(whole))
    for a in (VIEWS[view](upsweep, here), upsweep.asarray(x)):
        copied = copy.copy(a)
        assert copied.shape == x.shape
        assert to_bytes(copied) == to_bytes(x)
        # And with a conversion on the way.
        assert np.array_equal(a.astype(upsweep.bool_), x != 0)


def test_views_of_the_results_of_scans():
    x = np.arange(24000, dtype=np.int32).reshape(20, 30, 40)
    total = upsweep.cumsum(x, 1)
    expected = np.cumsum(x, 1, dtype=np.int32)
    a = total.transpose(2, 0, 1)[::-1, ::3]
    view = expected.transpose(2, 0, 1)[::-1, ::3]
    assert np.array_equal(copy.copy(a), view)
    assert np.array_equal(a.astype(upsweep.int64), view)
    found = upsweep.logcumsumexp(a, 2)
    floats = upsweep.logcumsumexp(view.astype(np.float32), 2)
    assert to_bytes(found) == to_bytes(floats)


@pytest.mark.parametrize("axes", [13, 17])
def test_more_axes_than_a_scan_takes(axes):
    x = np.random.default_rng(2).integers(0, 2**16, (2,) * axes, np.uint16)
    order = [*range(0, axes, 2), *range(1, axes, 2)]
    view = x.transpose(order)[..., ::-1]
    assert to_bytes(copy.copy(upsweep.asarray(view))) == to_bytes(view)
    found = upsweep.cumsum(upsweep.asarray(view != 0), axes // 2)
    assert np.array_equal(found, np.cumsum(view != 0, axes // 2, dtype=np.int32))


def test_what_is_filled():
    assert upsweep.zeros((3, 50000), upsweep.float64).tolist() == [[0] * 50000] * 3
    ones = np.asarray(upsweep.ones((40001,), upsweep.bfloat16))
    assert (bits(ones) == 0x3F80).all()
    row = np.arange(7, dtype=np.int16)
    filled = upsweep.full((300, 7), upsweep.array(row), upsweep.complex64)
    assert np.array_equal(filled, np.broadcast_to(row, (300, 7)))
