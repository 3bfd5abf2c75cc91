"""cumsum of floats: an exact integer number of the dtype's smallest subnormal.

Once the running sum rounds to infinity it stays there; the bound of the
contract, as slack, applies to that threshold too.
"""

import math

from .formats import INF, NAN, NEGATIVE_INF, NEGATIVE_ZERO, ZERO

# A state in the range is (sum, sum of magnitudes, count), else a special number.


class Total:
    bound = 1.0
    start = (0, 0, 0)

    def __init__(self, fmt):
        self.fmt = fmt
        self.precision = fmt.precision
        # The largest finite number plus half an ulp.
        overflow = fmt.emax - fmt.precision - fmt.tiny_exponent
        self.overflow = (2 ** (fmt.precision + 1) - 1) << overflow

    def decode(self, values):
        tiny = self.fmt.tiny_exponent
        return [n if n[1] is None else n[0] << (n[1] - tiny)
                for n in self.fmt.decode(values)]  # fmt: skip

    decode_result = decode

    def allowed(self, y, magnitudes, count):
        """The bound, times 2^(p + 22): 2^-p |y| + count 2^-(p + 22) magnitudes."""
        return (abs(y) << 22) + count * magnitudes

    def step(self, state, x):
        if len(state) == 2:
            opposite = {INF: NEGATIVE_INF, NEGATIVE_INF: INF}
            return [NAN if x == NAN or x == opposite.get(state) else state]
        if x in (INF, NEGATIVE_INF, NAN):
            return [x]
        total, magnitudes, count = state
        term = 0 if x in (ZERO, NEGATIVE_ZERO) else x
        total, magnitudes, count = total + term, magnitudes + abs(term), count + 1
        distance = (abs(total) - self.overflow) << (self.precision + 22)
        slack = self.allowed(self.overflow, magnitudes, count)
        states = []
        if distance >= -slack:
            states.append(INF if total > 0 else NEGATIVE_INF)
        if distance <= slack:
            states.append((total, magnitudes, count))
        return states

    def error(self, state, y):
        """As a fraction of the bound. Zero results are positive: sums start at +0."""
        if len(state) == 2:
            return 0.0 if state == y else math.inf
        if y == ZERO:
            y = 0
        if isinstance(y, tuple):
            return math.inf
        total, magnitudes, count = state
        distance = abs(y - total) << (self.precision + 22)
        if distance == 0:
            return 0.0
        allowed = self.allowed(y, magnitudes, count)
        return distance / allowed if distance <= 2**60 * allowed else math.inf

    def show(self, state):
        if len(state) == 2:
            return state[0]
        return f"{state[0]} * 2^{self.fmt.tiny_exponent}"
