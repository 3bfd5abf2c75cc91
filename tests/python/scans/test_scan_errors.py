"""Errors of the general scan: they begin with the function's name, name the argument,
and leave a library that is usable."""

import re

import numpy as np
import pytest
import upsweep
from support import FLOATS, INTEGERS, SCANS, numpy_dtype

X = np.float32([1, 2, 3])
M = np.ones((2, 3), np.float32)
INTS = np.int32([1, 2, 3])


def carry_of(x=X, op="sum", axis=None, **options):
    return upsweep.carry(x, op, axis, **options)


def undecided():
    """Only the elements can tell whether this product leaves the range."""
    first = carry_of(np.float32([1e30]), "prod")
    return first.then(carry_of(np.float32([1e30, 1e-30]), "prod"))


class Records:
    """Says that it is a structured array of one record."""

    dtype, shape = np.asarray(carry_of()).dtype, (1,)

    def __init__(self, contents):
        self.tobytes = lambda: contents


def scan(x=X, op="sum", axis=None, **options):
    return upsweep.scan(x, op, axis, **options)


# What is wrong, the call, the type of the error, the function and the argument.
BAD_OPS = [
    ("unknown", lambda: scan(op="mean"), ValueError, "scan", "op"),
    ("a scan", lambda: scan(op="cumsum"), ValueError, "scan", "op"),
    ("upper case", lambda: scan(op="SUM"), ValueError, "scan", "op"),
    ("not a name", lambda: scan(op=0), TypeError, "scan", "op"),
    ("none", lambda: scan(op=None), TypeError, "scan", "op"),
    ("unknown", lambda: carry_of(op="mean"), ValueError, "carry", "op"),
]
BAD_INITIAL = [
    ("too long", lambda: scan(initial=[1.0, 2]), ValueError, "scan", "initial"),
    ("of a's shape", lambda: scan(M, axis=0, initial=M), ValueError, "scan", "initial"),
    (
        "of another axis",
        lambda: scan(M, axis=0, initial=np.ones(2, np.float32)),
        ValueError,
        "scan",
        "initial",
    ),
    (
        "broadcastable",
        lambda: scan(M, axis=1, initial=np.ones(1, np.float32)),
        ValueError,
        "scan",
        "initial",
    ),
    ("fractions", lambda: scan(INTS, initial=1.5), TypeError, "scan", "initial"),
    ("complex", lambda: scan(initial=1j), TypeError, "scan", "initial"),
    (
        "too large",
        lambda: scan(np.uint8([1]), initial=300),
        (ValueError, OverflowError),
        "scan",
        "initial",
    ),
    (
        "too large, of NumPy",
        lambda: scan(np.uint8([1]), initial=np.int64(300)),
        (ValueError, OverflowError),
        "scan",
        "initial",
    ),
    (
        "negative, of NumPy",
        lambda: scan(np.uint8([1]), initial=np.array(-1)),
        (ValueError, OverflowError),
        "scan",
        "initial",
    ),
    (
        "negative",
        lambda: scan(np.uint8([1]), initial=-1),
        (ValueError, OverflowError),
        "scan",
        "initial",
    ),
    ("text", lambda: scan(initial="one"), TypeError, "scan", "initial"),
    ("an object", lambda: scan(initial=object()), TypeError, "scan", "initial"),
    ("too long", lambda: carry_of(initial=[1.0, 2]), ValueError, "carry", "initial"),
    (
        "too long",
        lambda: upsweep.cumprod_frexp(X, initial=[1.0, 2]),
        ValueError,
        "cumprod_frexp",
        "initial",
    ),
]
BAD_CARRIES = [
    ("another op", lambda: scan(initial=carry_of(op="prod")),
     ValueError, "scan", "initial"),
    ("another dtype", lambda: scan(initial=carry_of(INTS)),
     (ValueError, TypeError), "scan", "initial"),
    ("another width", lambda: scan(initial=carry_of(X.astype(np.float16))),
     (ValueError, TypeError), "scan", "initial"),
    ("another direction", lambda: scan(initial=carry_of(reverse=True)),
     ValueError, "scan", "initial"),
    ("forward", lambda: scan(initial=carry_of(), reverse=True),
     ValueError, "scan", "initial"),
    ("one line", lambda: scan(M, axis=0, initial=carry_of()),
     ValueError, "scan", "initial"),
    ("lines", lambda: scan(initial=carry_of(M, axis=0)),
     ValueError, "scan", "initial"),
    ("other lines", lambda: scan(M, axis=0, initial=carry_of(M, axis=1)),
     ValueError, "scan", "initial"),
    ("undecided", lambda: scan(op="prod", initial=undecided()),
     ValueError, "scan", "initial"),
    ("undecided", lambda: carry_of(op="prod", initial=undecided()),
     ValueError, "carry", "initial"),
    ("another op", lambda: upsweep.cumprod_frexp(X, initial=carry_of()),
     ValueError, "cumprod_frexp", "initial"),
    ("undecided", lambda: undecided().value(), ValueError, "Carry.value", "undecided"),
    ("sum", lambda: carry_of().mantissa_exponent(),
     ValueError, "Carry.mantissa_exponent", "op"),
    ("integers", lambda: carry_of(INTS, "prod").mantissa_exponent(),
     ValueError, "Carry.mantissa_exponent", "dtype"),
    ("another op", lambda: carry_of().then(carry_of(op="max")),
     ValueError, "Carry.then", "op"),
    ("another dtype", lambda: carry_of().then(carry_of(INTS)),
     ValueError, "Carry.then", "dtype"),
    ("another direction", lambda: carry_of().then(carry_of(reverse=True)),
     ValueError, "Carry.then", "direction"),
    ("another shape", lambda: carry_of().then(carry_of(M, axis=0)),
     ValueError, "Carry.then", "shape"),
    ("no carry", lambda: carry_of().then(1.0), TypeError, "Carry.then", "next"),
    ("no records", lambda: upsweep.Carry("sum", upsweep.float32, X),
     TypeError, "Carry", "records"),
    ("not of bytes", lambda: upsweep.Carry("sum", upsweep.float32, Records(7)),
     TypeError, "Carry", "tobytes"),
    ("too few", lambda: upsweep.Carry("sum", upsweep.float32, Records(b"")),
     ValueError, "Carry", "records"),
    ("unknown", lambda: upsweep.Carry("mean", upsweep.float32, np.asarray(carry_of())),
     ValueError, "Carry", "op"),
    ("no such results",
     lambda: upsweep.Carry("sum", upsweep.bool_, np.asarray(carry_of())),
     TypeError, "Carry", "bool_"),
]  # fmt: skip
BAD_RESETS = [
    ("short mask", lambda: scan(reset=[True, False]), ValueError, "scan", "reset"),
    ("broadcastable mask", lambda: scan(M, axis=1, reset=[True, False, True]),
     ValueError, "scan", "reset"),
    ("flat mask", lambda: scan(M, reset=np.ones(6, bool)), ValueError, "scan", "reset"),
    ("0-d mask", lambda: scan(reset=True), ValueError, "scan", "reset"),
    ("0-d offset", lambda: scan(reset=1), ValueError, "scan", "reset"),
    ("fractions", lambda: scan(reset=X), TypeError, "scan", "reset"),
    ("complex", lambda: scan(reset=[1j]), TypeError, "scan", "reset"),
    ("text", lambda: scan(reset="02"), TypeError, "scan", "reset"),
    ("offsets for an axis of two", lambda: scan(M, axis=1, reset=[0, 1]),
     ValueError, "scan", "reset"),
    ("offsets of two axes", lambda: scan(reset=np.int64([[0, 1]])),
     ValueError, "scan", "reset"),
    ("decreasing", lambda: scan(reset=[2, 1]), ValueError, "scan", "reset"),
    ("negative", lambda: scan(reset=[-1, 1]), ValueError, "scan", "reset"),
    ("past the end", lambda: scan(reset=[0, 4]), ValueError, "scan", "reset"),
    ("past the end of nothing", lambda: scan(X[:0], reset=[1]),
     ValueError, "scan", "reset"),
    ("beyond int64", lambda: scan(reset=np.uint64([2**63])),
     ValueError, "scan", "reset"),
]  # fmt: skip
BAD_OTHERS = [
    ("exclusive", lambda: scan(include_initial=True, inclusive=False),
     ValueError, "scan", "include_initial"),
    ("a number", lambda: scan(include_initial=1), TypeError, "scan", "include_initial"),
    ("a number", lambda: scan(skipna=0), TypeError, "scan", "skipna"),
    ("a name", lambda: scan(dtype="float"), TypeError, "scan", "dtype"),
    ("a NumPy dtype", lambda: scan(dtype=np.longdouble), TypeError, "scan", "dtype"),
    ("sums of bool_", lambda: scan(dtype=upsweep.bool_), TypeError, "scan", "dtype"),
    ("logarithms of integers", lambda: scan(op="logaddexp", dtype=upsweep.int8),
     TypeError, "scan", "dtype"),
    ("axis", lambda: scan(axis=1), IndexError, "scan", "Axis"),
    ("axis", lambda: scan(axis=1.0), TypeError, "scan", "axis"),
    ("axis", lambda: carry_of(axis=-2), IndexError, "carry", "Axis"),
    ("axis", lambda: upsweep.cumprod_frexp(X, 1), IndexError, "cumprod_frexp", "Axis"),
    ("a stream", lambda: scan(stream="cpu"), TypeError, "scan", "stream"),
    ("a number", lambda: carry_of(reverse=1), TypeError, "carry", "reverse"),
    ("complex64", lambda: upsweep.cumprod_frexp(np.complex64([1])),
     TypeError, "cumprod_frexp", "a is complex64"),
    ("no array", lambda: scan(None), TypeError, "scan", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "call", "kind", "function", "argument"),
    [*BAD_OPS, *BAD_INITIAL, *BAD_CARRIES, *BAD_RESETS, *BAD_OTHERS],
)
def test_bad_arguments_are_named(wrong, call, kind, function, argument):
    text = rf"^\[{re.escape(function)}\].*\b{argument}\b"
    with pytest.raises(kind, match=text):
        call()
    assert upsweep.scan([1, 2, 3], "prod", initial=2).tolist() == [2, 4, 12]


@pytest.mark.parametrize("name", ["include_initial", "skipna", "initial", "reset"])
def test_options_are_keywords_of_the_general_scan_only(name):
    for op in SCANS.values():
        with pytest.raises(TypeError, match=rf"{name}|arguments"):
            getattr(upsweep, op)(X, **{name: None})


def test_positional_options_are_refused():
    for call in (
        lambda: upsweep.scan(X, "sum", 0, True),
        lambda: upsweep.scan(X),
        lambda: upsweep.scan(a=X, op="sum"),
        lambda: upsweep.carry(X, "sum", 0, True),
        lambda: upsweep.cumprod_frexp(X, 0, True),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("initial", INTEGERS)
def test_initial_values_of_a_narrower_kind_are_converted(name, initial):
    x = np.ones(3, numpy_dtype(name))
    stream = upsweep.cpu if name == "float64" else None
    start = np.array(2, initial)
    found = upsweep.scan(x, "sum", initial=start, stream=stream)
    assert found.tolist() == [3, 4, 5]


@pytest.mark.skipif(
    upsweep.default_device() != upsweep.gpu, reason="the default device is the CPU"
)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: upsweep.scan(x, "sum", initial=1.0),
        lambda x: upsweep.scan(X, "sum", dtype=upsweep.float64),
        lambda x: upsweep.carry(x, "sum"),
    ],
)
def test_float64_on_a_gpu_names_the_way_out(call):
    with pytest.raises((TypeError, ValueError), match=r"^\[(scan|carry)\].*float64"):
        call(X.astype(np.float64))
