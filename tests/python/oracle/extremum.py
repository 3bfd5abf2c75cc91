"""cummax and cummin: exact, the first of equal elements, NaN from the first NaN on.

complex64 is ordered lexicographically; an element with a NaN component is NaN.
"""

import math

import numpy as np

from .formats import FORMATS


class Extremum:
    bound = 0.0
    show = staticmethod(repr)

    def __init__(self, op, dtype):
        self.greatest = op == "cummax"
        sign = -1 if self.greatest else 1
        if dtype in FORMATS:
            self.start = sign * math.inf
        elif dtype == "complex64":
            self.start = complex(sign * math.inf, sign * math.inf)
        elif dtype == "bool":
            self.start = not self.greatest
        else:
            info = np.iinfo(dtype)
            self.start = int(info.min if self.greatest else info.max)

    def decode(self, values):
        if values.dtype.name == "bfloat16":
            values = values.astype(np.float32)
        return values.tolist()

    decode_result = decode

    def step(self, state, x):
        if state != state or x != x:
            return [math.nan]
        above = key(x) > key(state) if self.greatest else key(x) < key(state)
        return [x if above else state]

    def error(self, state, y):
        if state != state or y != y:
            return 0.0 if state != state and y != y else math.inf
        # repr distinguishes zeros of different sign.
        return 0.0 if repr(state) == repr(y) else math.inf


def key(value):
    return (value.real, value.imag)
