"""Carries from bytes: those of lines, by way of pickle or NumPy, and forged ones, whose
records and states hold anything."""

import math
import pickle
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import oracle
import upsweep
from elements import fill, read_filling
from operands import MOST, Operand, read_operand, values_of, view_of
from support import DTYPES, SCANS

ODD = [None, -1, 2**70, 1.5, float("nan"), "prod", "nothing", b"", (), (-1,), [2**40],
       (2**62, 4), True, upsweep.float32, np.float32(1), np.ones(3)]  # fmt: skip
RECORD = np.asarray(upsweep.carry(np.ones(1, np.float32), "prod"))


class OfLines(NamedTuple):
    """The carry of lines, in one part or in two."""

    operand: Operand
    cut: int | None
    way: str


class Forged(NamedTuple):
    """A carry that is made from anything."""

    op: str
    dtype: str
    reverse: bool
    shape: tuple
    decided: int | None
    filling: tuple
    data: bytes
    way: str
    odd: tuple  # the place and the number in ODD of a part of what it is made from


def without(shape, axis):
    """The shape of the lines."""
    return () if axis is None else tuple(np.delete(shape, axis).tolist())


def read_of_lines(source, dtype, shape, axis):
    """Lines before those of an array of this shape."""
    extent = source.pick([0, 1, 2, 15, 16, 17, 40, 200])
    before = [extent] if axis is None else list(shape)
    lines = math.prod(without(shape, axis))
    before[axis or 0] = extent = min(extent, MOST // max(lines, 1))
    cut = source.byte()
    return OfLines(
        read_operand(source, dtype, tuple(before)),
        cut % (extent + 1) if cut & 128 else None,
        source.pick(["itself", "pickle", "numpy"]),
    )


def read_forged(source, op, dtype, reverse, shape):
    flags = source.byte()
    return Forged(
        source.pick(list(SCANS)) if flags & 1 else op,
        source.pick(DTYPES) if flags & 2 else dtype,
        reverse != bool(flags & 4),
        (source.byte() % 9,) if flags & 8 else shape,
        1 if flags & 16 else None,
        read_filling(source, "float64"),
        source.few_bytes(),
        source.pick(["numpy", "state", "lying"]),
        (source.byte(), source.byte()) if flags & 32 else (),
    )


def make_of_lines(recipe, op, axis, reverse):
    """The carry, and the same for the oracle."""
    _, view = view_of(recipe.operand)
    along = axis or 0

    def carry_of(part):
        return upsweep.carry(part, op, axis, reverse=reverse)

    if recipe.cut is None:
        carry = carry_of(view)
    else:
        first, last = np.split(view, [recipe.cut], axis=along)
        if reverse:
            first, last = last, first
        carry = carry_of(first).then(carry_of(last))
    if recipe.way == "pickle":
        carry = pickle.loads(pickle.dumps(carry))
    elif recipe.way == "numpy":
        carry = upsweep.Carry(op, carry.dtype, np.asarray(carry), reverse=reverse)
    return carry, oracle.After(values_of(view))


def make_forged(recipe):
    """A carry, if it is not refused."""
    records = np.zeros(recipe.shape, RECORD.dtype)
    if records.size:
        fill(records.reshape(-1).view(np.uint8), "float64", recipe.filling, recipe.data)
    if recipe.decided is not None:
        records["decided"] = recipe.decided
    dtype = getattr(upsweep, recipe.dtype)
    if recipe.way == "state":
        state = [upsweep.Carry.version, recipe.op, dtype, recipe.reverse, recipe.shape,
                 records.tobytes()]  # fmt: skip
        replace_one(state, recipe.odd)
        carry = upsweep.Carry.__new__(upsweep.Carry)
        carry.__setstate__(tuple(state))
        return carry
    if recipe.way == "lying":
        parts = [records.shape, records.tobytes()]
        replace_one(parts, recipe.odd)
        shape, data = parts
        records = SimpleNamespace(
            dtype=records.dtype, shape=shape, tobytes=lambda: data
        )
    arguments = [recipe.op, dtype, records, recipe.reverse]
    if recipe.way == "numpy":
        replace_one(arguments, recipe.odd)
    return upsweep.Carry(*arguments[:3], reverse=arguments[3])


def replace_one(parts, odd):
    if odd:
        place, number = odd
        parts[place % len(parts)] = ODD[number % len(ODD)]


def use(carry):
    """Calls everything that a carry has."""
    assert repr(carry)
    records = np.asarray(carry)
    again = pickle.loads(pickle.dumps(carry))
    assert np.asarray(again).tobytes() == records.tobytes()
    for one in (carry, carry.then(again).then(carry)):
        for call in (one.value, one.mantissa_exponent):
            try:
                np.asarray(call())
            except ValueError:
                pass  # undecided, or no product of real numbers
