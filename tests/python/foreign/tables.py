"""Code shared by the tables of cases."""

import struct

import pytest
from support import cpu_only

from foreign import cases
from foreign.cases import Raises

TOO_MANY = Raises((ValueError, BufferError), "64 dimensions")
TOO_LARGE = Raises((BufferError, MemoryError), "shape|strides|len")

# Cases run where the CPU is the default, and choose no instruction set.
marks = [cpu_only, pytest.mark.own_isa]

every_entry = pytest.mark.parametrize("entry", cases.ENTRIES)
either_form = pytest.mark.parametrize("form", ["dltensor", "dltensor_versioned"])


def floats(n):
    """1, 2, ... as bytes."""
    return struct.pack(f"{n}f", *range(1, n + 1))


def nested(values, depth):
    for _ in range(depth):
        values = [values]
    return values


def _short(value):
    text = repr(value)
    return text if len(text) < 40 else f"{text[:36]}..."


def table(rows):
    """Parameters, with the fields as ids, from rows of fields and expected results."""
    return pytest.mark.parametrize(
        ("fields", "expected"),
        [
            pytest.param(f, e, id=", ".join(f"{k}={_short(v)}" for k, v in f.items()))
            for f, e in rows
        ],
    )
