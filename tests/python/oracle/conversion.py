"""Conversion between dtypes: what a scan does first with dtype, and with an initial
value. Rounds once, to nearest even; integers saturate and take NaN as zero."""

import math

import numpy as np

from .formats import FORMATS, INF, NAN, NEGATIVE_INF, NEGATIVE_ZERO


@np.errstate(invalid="ignore")  # bfloat16 has signalling NaNs
def convert(values, dtype):
    """The array in a NumPy dtype."""
    values, dtype = np.asarray(values), np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if dtype.kind == "b":
        return np.asarray(values != 0)
    if dtype.kind == "c":
        real = convert(values.real, np.float32)
        imag = convert(values.imag, np.float32)
        pairs = np.stack([real, imag], axis=-1)
        return pairs.view(dtype).reshape(values.shape)
    if values.dtype.kind == "c":
        values = values.real
    if dtype.name in FORMATS:
        fmt = FORMATS[dtype.name]
        bits = [encoded(fmt, n) for n in numbers(values.reshape(-1))]
        flat = np.array(bits, fmt.bits).view(dtype)
    elif values.dtype.kind in "biu":
        return values.astype(dtype)
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        as_doubles = values.astype(np.float64).reshape(-1).tolist()
        flat = np.array([truncated(v, low, high) for v in as_doubles], dtype)
    return flat.reshape(values.shape)


def numbers(values):
    """As Format.decode has them, also of integers."""
    if values.dtype.name in FORMATS:
        return FORMATS[values.dtype.name].decode(values)
    return [(int(v), 0) if v else ("+0", None) for v in values.tolist()]


def encoded(fmt, number):
    """The bits of the nearest number of a format."""
    m, e = number
    width = 8 * np.dtype(fmt.bits).itemsize
    fraction_bits = fmt.precision - 1
    infinity = (2 * fmt.emax + 1) << fraction_bits
    if e is None:
        magnitude = {INF: infinity, NEGATIVE_INF: infinity,
                     NAN: infinity | 1 << (fraction_bits - 1)}  # fmt: skip
        negative = number in (NEGATIVE_ZERO, NEGATIVE_INF)
        return magnitude.get(number, 0) | negative << (width - 1)
    ulp = fmt.ulp_exponent(e + abs(m).bit_length())
    units = shifted_to_even(abs(m), ulp - e)
    # The hidden bit of a normal number adds one to the exponent's field, and a
    # carry into the next binade another one.
    field = max(ulp - fmt.tiny_exponent, 0)
    bits = min((field << fraction_bits) + units, infinity)
    return bits | (m < 0) << (width - 1)


def shifted_to_even(m, places):
    """m / 2**places, rounded."""
    if places <= 0:
        return m << -places
    quotient, rest = m >> places, m & ((1 << places) - 1)
    half = 1 << (places - 1)
    return quotient + (rest > half or (rest == half and quotient & 1 == 1))


def truncated(value, low, high):
    if math.isnan(value):
        return 0
    if math.isinf(value):
        return high if value > 0 else low
    return min(max(int(value), low), high)
