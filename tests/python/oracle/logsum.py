"""logcumsumexp with mpmath, whose exponents have no limit: within 4 ulp of
max(|y|, 1). Imaginary parts of complex logarithms count modulo 2 pi."""

import math

import mpmath

from .formats import FORMATS

CONTEXT = mpmath.mp.clone()
CONTEXT.prec = 160


def logarithm(number):
    """mpmath squares the parts of a complex number and adds them in one integer, which
    has no room for all magnitudes."""
    if not isinstance(number, CONTEXT.mpc) or 0 in (number.real, number.imag):
        return CONTEXT.log(number)
    gap = CONTEXT.mag(number.real) - CONTEXT.mag(number.imag)
    if abs(gap) < 4 * CONTEXT.prec:
        return CONTEXT.log(number)
    sign = CONTEXT.sign(number.imag)
    if gap > 0:
        turn = 0 if number.real > 0 else sign * CONTEXT.pi
        angle = turn + number.imag / number.real
        return CONTEXT.mpc(CONTEXT.log(abs(number.real)), angle)
    angle = sign * CONTEXT.pi / 2 - number.real / number.imag
    return CONTEXT.mpc(CONTEXT.log(abs(number.imag)), angle)


class LogSum:
    bound = 4.0
    start = CONTEXT.mpf(0)

    def __init__(self, dtype, result_dtype):
        self.complex = result_dtype == "complex64"
        self.fmt = FORMATS["float32" if self.complex else result_dtype]

    def decode(self, values):
        if values.dtype.name == "bfloat16":
            values = values.astype("float32")
        convert = CONTEXT.mpc if self.complex else CONTEXT.mpf
        return [convert(v) for v in values.tolist()]

    decode_result = decode

    def step(self, state, x):
        return [state + CONTEXT.exp(x)]

    def error(self, state, y):
        if state == 0:
            return 0.0 if y == CONTEXT.ninf else math.inf
        if not CONTEXT.isfinite(state):
            same = y == state or (CONTEXT.isnan(state) and CONTEXT.isnan(y))
            return 0.0 if same else math.inf
        expected = logarithm(state)
        difference = expected - y
        if self.complex:
            turn = 2 * CONTEXT.pi
            angle = difference.imag - turn * CONTEXT.nint(difference.imag / turn)
            difference = CONTEXT.mpc(difference.real, angle)
        size = max(abs(expected), 1)
        ulp = CONTEXT.ldexp(1, int(CONTEXT.floor(CONTEXT.log(size, 2))))
        error = abs(difference) / ulp * 2 ** (self.fmt.precision - 1)
        return float(error) if CONTEXT.isfinite(error) else math.inf

    def show(self, state):
        return CONTEXT.nstr(logarithm(state), 20) if state else "-inf"
