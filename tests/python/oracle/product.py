"""cumprod in exact arithmetic: the recurrence r_i of the contract.

A running product is kept as integer mantissa and exponent. The mantissa is cut
to KEEP bits when it has more than LIMIT: each cut changes it by less than
2^-127 of itself, so even 2^31 of them stay under 2^-96, far below an ulp of any
dtype (2^-53) and below the slack at the thresholds.
"""

import math
from fractions import Fraction

import numpy as np

from .formats import (
    FORMATS,
    INF,
    NAN,
    NEGATIVE_INF,
    NEGATIVE_ZERO,
    ZERO,
    less,
    show,
    to_float,
)

LIMIT, KEEP = 192, 128
# A complex product has one exponent for components of 2^128 and 2^-149, and the smaller
# must not vanish.
COMPLEX_LIMIT, COMPLEX_KEEP = 640, 512


class Range:
    """Where |q| leaves a format's range, and how close to that both branches of the
    contract are legal: a fraction 2^-slack of the threshold on either side."""

    def __init__(self, fmt, slack):
        p, one = fmt.precision, 1 << slack
        # q rounds to infinity from the largest finite number plus half an ulp,
        # and to zero up to half the smallest subnormal.
        overflow, self.overflow_exponent = 2 ** (p + 1) - 1, fmt.emax - p - slack
        self.overflow = (overflow * (one - 1), overflow * (one + 1))
        self.underflow = (one - 1, one + 1)
        self.underflow_exponent = fmt.tiny_exponent - 1 - slack
        # Tops (exponent of the leading bit, plus one) that are certainly inside.
        self.inside = range(fmt.tiny_exponent + 2, fmt.emax + 1)

    def overflows(self, m, e):
        """The legal answers to: does a product of magnitude m * 2**e overflow?"""
        low, high = self.overflow
        return self._answers(m, e, low, high, self.overflow_exponent)

    def survives(self, m, e):
        """The legal answers to: is it more than zero after rounding?"""
        low, high = self.underflow
        return self._answers(m, e, low, high, self.underflow_exponent)

    @staticmethod
    def _answers(m, e, low, high, exponent):
        if less(m, e, low, exponent):
            return (False,)
        if less(high, exponent, m, e):
            return (True,)
        return (False, True)


class Product:
    """Real products; a state is a number, special once out of the range."""

    bound = 1.0
    start = (1, 0)
    show = staticmethod(show)

    def __init__(self, fmt):
        self.fmt = fmt
        self.range = Range(fmt, slack=fmt.precision - 1)
        self.decode = self.decode_result = fmt.decode

    def step(self, state, x):
        m, e = state
        n, f = x
        if e is None or f is None:
            return [special_product(state, x)]
        m *= n
        e += f
        length = m.bit_length()
        if length > LIMIT:
            m >>= length - KEEP
            e += length - KEEP
            length = KEEP
        if e + length in self.range.inside:
            return [(m, e)]
        return self._near_the_edge(m, e)

    def _near_the_edge(self, m, e):
        overflows = self.range.overflows(abs(m), e)
        survives = self.range.survives(abs(m), e)
        states = []
        if True in overflows:
            states.append(INF if m > 0 else NEGATIVE_INF)
        if False in survives:
            states.append(ZERO if m > 0 else NEGATIVE_ZERO)
        if False in overflows and True in survives:
            states.append((m, e))
        return states

    def error(self, state, y):
        """In ulps. Zero and infinity are right only where the state is."""
        m, e = state
        n, f = y
        if e is None or f is None:
            return 0.0 if state == y else math.inf
        ulp = self.fmt.ulp_exponent(e + m.bit_length())
        if abs(f + n.bit_length() - e - m.bit_length()) > 2 * self.fmt.precision:
            return math.inf
        base = min(e, f, ulp)
        distance = abs((m << (e - base)) - (n << (f - base)))
        if (m < 0) != (n < 0):
            return math.inf
        return distance / (1 << (ulp - base))


def special_product(a, b):
    """IEEE's product where at least one factor is zero, infinite or NaN."""
    if NAN in (a, b):
        return NAN
    zero = any(v in (ZERO, NEGATIVE_ZERO) for v in (a, b))
    inf = any(v in (INF, NEGATIVE_INF) for v in (a, b))
    if zero and inf:
        return NAN
    negative = is_negative(a) != is_negative(b)
    if zero:
        return NEGATIVE_ZERO if negative else ZERO
    return NEGATIVE_INF if negative else INF


def is_negative(number):
    m, e = number
    return m.startswith("-") if e is None else m < 0


class ComplexProduct:
    """complex64 products. A state is (a, b, e), the Gaussian integer a + bi times 2**e,
    while the product is in the range; then (re, im), two floats that follow the
    textbook formula. The contract does not say in which precision that formula is
    evaluated, which matters if one of its products overflows, so the oracle follows
    both single and double.
    """

    bound = 4.0
    start = (1, 0, 0)

    def __init__(self):
        self.fmt = FORMATS["float32"]
        # An error of 4 * 2^-24 of the norm, on the larger component.
        self.range = Range(self.fmt, slack=21)

    def decode(self, values):
        re, im = self.fmt.decode(values.real), self.fmt.decode(values.imag)
        as_floats = values.tolist()
        return list(map(gaussian, re, im, as_floats))

    decode_result = decode

    def step(self, state, x):
        if len(state) == 2:
            return self._saturated(state, floats(x))
        if len(x) == 2:
            possible = (self._textbook(z, x) for z in neighbours(*floats(state)))
            return list(dict.fromkeys(s for states in possible for s in states))
        a, b, e = state
        c, d, f = x
        re, im, e = a * c - b * d, a * d + b * c, e + f
        size = max(abs(re), abs(im))
        excess = size.bit_length() - COMPLEX_KEEP
        if excess > COMPLEX_LIMIT - COMPLEX_KEEP:
            re, im, e, size = re >> excess, im >> excess, e + excess, size >> excess
        if size == 0:
            return [(0.0, 0.0)]
        if e + size.bit_length() in self.range.inside:
            return [(re, im, e)]
        states = []
        over = [
            (re_over, im_over)
            for re_over in self.range.overflows(abs(re), e)
            for im_over in self.range.overflows(abs(im), e)
        ]
        for re_over, im_over in over:
            if re_over or im_over:
                states.append((self._out(re, e, re_over), self._out(im, e, im_over)))
        if states:
            states += self._textbook(floats(state), floats(x))
        survives = self.range.survives(size, e)
        if False in survives:
            states.append((0.0, 0.0))
        if (False, False) in over and True in survives:
            states.append((re, im, e))
        return list(dict.fromkeys(states))

    @staticmethod
    def _out(m, e, over):
        return math.copysign(math.inf, m) if over else to_float(m, e)

    def _saturated(self, state, x):
        finite = math.isfinite(x[0]) and math.isfinite(x[1])
        if state == (math.nan, math.nan) or (state == (0.0, 0.0) and finite):
            return [state]
        return self._textbook(state, x)

    @staticmethod
    def _textbook(z, w):
        states = []
        with np.errstate(all="ignore"):
            for real in (np.float32, np.float64):
                (a, b), (c, d) = (map(real, v) for v in (z, w))
                product = np.float32(a * c - b * d), np.float32(a * d + b * c)
                # NaN differs from itself; one object lets states be compared.
                states.append(
                    tuple(math.nan if np.isnan(v) else float(v) for v in product)
                )
        # The formula is only used once the product is saturated, or saturates.
        return [s for s in states if not all(map(math.isfinite, s)) or not any(s)]

    def error(self, state, y):
        """In units of 2^-24 of the norm, rounding to subnormals not counted."""
        if state == (0.0, 0.0):
            return 0.0 if not any(floats(y)) else math.inf
        if len(state) == 2:
            return 0.0 if all(map(same_class, state, floats(y))) else math.inf
        if len(y) == 2 and not all(map(math.isfinite, y)):
            return math.inf
        a, b, e = state
        c, d, f = y if len(y) == 3 else (0, 0, e)
        # 64 bits are enough for a distance and a norm; e is the common exponent.
        cut = max(abs(a), abs(b)).bit_length() - 64
        if cut > 0:
            a, b, e = a >> cut, b >> cut, e + cut
        if f < e:
            a, b, e = a << (e - f), b << (e - f), f
        c, d = c << (f - e), d << (f - e)
        square = a * a + b * b
        difference = (a - c) ** 2 + (b - d) ** 2
        # The square of the error that rounding to a subnormal may add.
        tiny = Fraction(4) ** (self.fmt.tiny_exponent - e)
        try:
            distance = math.sqrt(difference / square)
            rounding = math.sqrt(tiny / square)
        except OverflowError:  # y is this far from one of several states
            return 0.0 if difference <= tiny else math.inf
        return max(distance - rounding, 0.0) * 2**24

    def show(self, state):
        return str(complex(*floats(state)))


def gaussian(re, im, value):
    """A finite element other than zero as (a, b, e), any other as two floats."""
    if not (math.isfinite(value.real) and math.isfinite(value.imag) and value):
        return (value.real, value.imag)
    (a, e), (b, f) = (v if v[1] is not None else (0, None) for v in (re, im))
    base = min(x for x in (e, f) if x is not None)
    return (
        a << (e - base) if e is not None else 0,
        b << (f - base) if f is not None else 0,
        base,
    )


def neighbours(re, im):
    """The legal running products before an infinite factor: if a component is within
    the error of the norm, it may be zero or have either sign."""
    size = max(abs(re), abs(im)) * 2.0**-20
    return [
        (a, b)
        for a in ((re,) if abs(re) > size or not re else (re, 0.0, -re))
        for b in ((im,) if abs(im) > size or not im else (im, 0.0, -im))
    ]


def floats(state):
    if len(state) == 2:
        return state
    a, b, e = state
    return to_float(a, e), to_float(b, e)


def same_class(expected, got):
    """Infinities by sign, NaN as NaN. Beside an infinite component the norm bounds
    nothing, so any finite number is right there."""
    if math.isnan(expected) or math.isinf(expected):
        return repr(expected) == repr(got)
    return math.isfinite(got)
