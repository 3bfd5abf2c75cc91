"""Binary floating-point formats: elements as exact numbers.

A number is (m, e) with the value m * 2**e for an integer m other than zero, or
(name, None) with one of the five names below.
"""

import math
from typing import NamedTuple

import numpy as np

ZERO, NEGATIVE_ZERO = ("+0", None), ("-0", None)
INF, NEGATIVE_INF, NAN = ("+inf", None), ("-inf", None), ("nan", None)


class Format(NamedTuple):
    """Precision in bits with the hidden one; exponents of the largest and of the
    smallest normal binade; the unsigned type that holds the bits."""

    precision: int
    emax: int
    emin: int
    bits: str

    @property
    def tiny_exponent(self):
        """The smallest subnormal is 2 to this power."""
        return self.emin - self.precision + 1

    def ulp_exponent(self, top):
        """The exponent of the ulp of numbers in [2**(top-1), 2**top)."""
        return max(top - 1, self.emin) - self.precision + 1

    def decode(self, values):
        """The numbers of a 1-d array of this format."""
        bits = np.ascontiguousarray(values).view(self.bits).astype(np.uint64)
        fraction_bits = self.precision - 1
        width = 8 * np.dtype(self.bits).itemsize
        negative = (bits >> np.uint64(width - 1)) != 0
        field = (bits >> np.uint64(fraction_bits)).astype(np.int64)
        field &= 2 * self.emax + 1
        fraction = (bits & np.uint64(2**fraction_bits - 1)).astype(np.int64)
        mantissa = np.where(field > 0, fraction | (1 << fraction_bits), fraction)
        exponent = np.maximum(field, 1) - self.emax - fraction_bits
        mantissa[negative] *= -1
        numbers = list(zip(mantissa.tolist(), exponent.tolist(), strict=True))
        special = (field == 2 * self.emax + 1) | (mantissa == 0)
        for i in np.flatnonzero(special).tolist():
            if field[i] == 0:
                numbers[i] = NEGATIVE_ZERO if negative[i] else ZERO
            elif fraction[i]:
                numbers[i] = NAN
            else:
                numbers[i] = NEGATIVE_INF if negative[i] else INF
        return numbers


FORMATS = {
    "float16": Format(11, 15, -14, "uint16"),
    "bfloat16": Format(8, 127, -126, "uint16"),
    "float32": Format(24, 127, -126, "uint32"),
    "float64": Format(53, 1023, -1022, "uint64"),
}


def less(m, e, n, f):
    """Whether m * 2**e < n * 2**f."""
    base = min(e, f)
    return m << (e - base) < n << (f - base)


def to_float(m, e):
    """The double nearest to zero from m * 2**e; ±inf past its range."""
    excess = max(abs(m).bit_length() - 53, 0)
    top = abs(m) >> excess
    if top and e + excess + top.bit_length() > 1024:
        return math.copysign(math.inf, m)
    return math.copysign(math.ldexp(top, e + excess), m)


def show(number):
    m, e = number
    return m if e is None else repr(to_float(m, e))
