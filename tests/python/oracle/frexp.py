"""cumprod_frexp: products without a range, as mantissas and exponents."""

import math

import numpy as np

from .formats import FORMATS, show
from .product import KEEP, LIMIT, special_product

# Exponents stay there.
MOST = 2**30


def pairs(mantissa, exponent):
    """The two results as one array."""
    mantissa, exponent = np.asarray(mantissa), np.asarray(exponent)
    both = np.empty(
        mantissa.shape, [("mantissa", mantissa.dtype), ("exponent", np.int64)]
    )
    both["mantissa"], both["exponent"] = mantissa, exponent
    return both


class Frexp:
    """A state is (m, e), the product m * 2**e, or a special number."""

    bound = 1.0
    start = (1, 0)
    show = staticmethod(show)

    def __init__(self, dtype):
        self.fmt = FORMATS[dtype]
        self.decode = self.fmt.decode

    def decode_result(self, both):
        mantissa = both["mantissa"]
        numbers = FORMATS[mantissa.dtype.name].decode(mantissa)
        return list(zip(numbers, both["exponent"].tolist(), strict=True))

    def step(self, state, x):
        m, e = state
        n, f = x
        if e is None or f is None:
            return [special_product(state, x)]
        m, e = m * n, e + f
        excess = m.bit_length() - KEEP
        if excess > LIMIT - KEEP:
            m, e = m >> excess, e + excess
        return [(m, e)]

    def error(self, state, y):
        """In ulps of a mantissa, which is from 0.5 to below 1."""
        m, e = state
        (n, f), exponent = y
        if e is None or f is None:
            return 0.0 if state == (n, f) and exponent == 0 else math.inf
        if f + n.bit_length() != 0 or (m < 0) != (n < 0):
            return math.inf
        top = e + m.bit_length()
        if abs(top) >= MOST:
            e += (MOST if top > 0 else -MOST) - top
            top = e + m.bit_length()
        if abs(exponent - top) > 1:
            return math.inf
        f += exponent
        ulp = top - self.fmt.precision
        base = min(e, f, ulp)
        distance = abs((m << (e - base)) - (n << (f - base)))
        return distance / (1 << (ulp - base))
