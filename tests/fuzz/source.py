"""Bytes as decisions, so that any bytes from libFuzzer mean something.

Decisions are read from the front, in an order that depends on as little as possible, so
that one changed byte changes one decision. After the last byte, zeros follow.
"""

import numpy as np


class Source:
    def __init__(self, data):
        self._data = data
        self._at = 0

    def _next(self, count):
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")

    def byte(self):
        return self._next(1)[0]

    def word(self):
        return int.from_bytes(self._next(2), "little")

    def number(self, *, signed):
        """Any of 64 bits."""
        return int.from_bytes(self._next(8), "little", signed=signed)

    def few_bytes(self):
        return self._next(8)

    def pick(self, options):
        return options[self.byte() % len(options)]

    def rest(self):
        found = self._data[self._at :]
        self._at = len(self._data)
        return found


def tiled(data, count):
    """That many bytes: the given ones, repeated."""
    return np.resize(np.frombuffer(data or b"\0", np.uint8), count)


def scrambled(data, count):
    """That many aperiodic bytes, derived from the given ones."""
    seed = int.from_bytes(data[:64], "little")
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8)
