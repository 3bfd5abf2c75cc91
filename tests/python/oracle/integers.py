"""cumprod and cumsum of integers (modulo 2^k) and of bool_."""

import math

import numpy as np


class Wrapping:
    bound = 0.0
    show = staticmethod(str)

    def __init__(self, op, dtype, result_dtype):
        self.start = 1 if op == "cumprod" else 0
        self.multiplies = op == "cumprod"
        kind = np.dtype(result_dtype)
        # Logical and is the product modulo 2 of zeros and ones.
        self.bits = 1 if result_dtype == "bool" else 8 * kind.itemsize

    def decode(self, values):
        return [int(v) for v in values.tolist()]

    decode_result = decode

    def step(self, state, x):
        result = state * x if self.multiplies else state + x
        return [result % (1 << self.bits)]

    def error(self, state, y):
        return 0.0 if (y - state) % (1 << self.bits) == 0 else math.inf
