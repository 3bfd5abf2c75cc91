"""The general scan, carries, cumprod_frexp, linear_recurrence and derivatives of
products from bytes. Options that fit are checked against the oracle; others may be
refused, and do no harm."""

import math
from typing import Any, NamedTuple

import carrying
import numpy as np
import oracle
import upsweep
from carrying import Forged, OfLines
from operands import Operand, read_operand, values_of, view_of
from oracle import gradient, recurrence
from oracle.conversion import convert
from source import Source
from support import DTYPES, FLOATS, INTEGERS, SCANS, numpy_dtype, result_dtype

DERIVATIVES = ["cumprod_vjp", "cumprod_jvp"]
FUNCTIONS = ["scan", "carry", "cumprod_frexp", "linear_recurrence", *DERIVATIVES]
REFUSALS = (TypeError, ValueError, IndexError, OverflowError, MemoryError)
# Elements that the oracle can follow quickly.
MOST_FOLLOWED = 800
NUMBERS = [0, 1, -1, 2**70, 1.5, float("inf"), float("nan"), 2j, True, "x", [1, 2]]


class Case(NamedTuple):
    function: str
    op: str
    operand: Operand
    axis: int | None
    flags: dict[str, Any]
    initial: Any
    reset: Any
    other: Operand | None  # b of a recurrence, the terms of a derivative


def read(data):
    source = Source(data)
    function = source.pick(FUNCTIONS)
    op, dtype = source.pick(list(SCANS)), source.pick(DTYPES)
    bits = source.byte()
    if function == "cumprod_frexp":
        op = "prod"
    if function in ("linear_recurrence", *DERIVATIVES) and bits & 3:
        dtype = source.pick([*FLOATS, "complex64"])
    operand = read_operand(source, dtype)
    shape, ndim = operand.layout.shape, len(operand.layout.shape)
    axis = source.byte() % (2 * ndim + 1) - ndim  # ndim itself is out of range
    if function != "linear_recurrence" and bits & 4:
        axis = None
    flags = {"reverse": bool(bits & 8), "inclusive": not bits & 16}
    computing = result_dtype(SCANS[op], dtype)
    if function == "cumprod_frexp":
        computing = result_dtype("logcumsumexp", dtype)
    if function == "scan":
        flags["include_initial"] = bool(bits & 32)
        flags["skipna"] = bool(bits & 64)
        if bits & 128:
            flags["dtype"] = source.pick(DTYPES)
            computing = result_dtype(SCANS[op], flags["dtype"])
    elif function == "carry":
        del flags["inclusive"]
    in_range = axis is None or -ndim <= axis < ndim
    along = axis if in_range else None
    if function in DERIVATIVES:
        other = read_other(source, dtype, shape)
        reset = read_reset(source, shape)
        return Case(function, "prod", operand, axis, flags, None, reset, other)
    initial = read_initial(source, op, computing, flags["reverse"], shape, along)
    reset = (
        read_reset(source, shape) if function in ("scan", "linear_recurrence") else None
    )
    other = None
    if function == "linear_recurrence":
        other = read_other(source, dtype, shape)
    return Case(function, op, operand, axis, flags, initial, reset, other)


def read_initial(source, op, dtype, reverse, shape, axis):
    kind = source.byte() % 8
    lines = carrying.without(shape, axis)
    if kind < 2:
        return None
    if kind == 2:
        return source.pick(NUMBERS)
    if kind == 3:
        return read_operand(source, source.pick([dtype, *DTYPES]), ())
    if kind == 4:
        return read_operand(source, source.pick([dtype, dtype, *DTYPES]), lines)
    if kind == 5:
        return carrying.read_of_lines(source, dtype, shape, axis)
    if kind == 6:
        return carrying.read_forged(source, op, dtype, reverse, lines)
    return read_operand(source, source.pick(DTYPES))


def read_reset(source, shape):
    """A mask that fits, offsets that may fit, or any array."""
    kind = source.byte() % 8
    if kind < 3:
        return None
    if kind < 5:
        return read_operand(source, "bool_", shape)
    if kind < 7:
        count, most = source.byte() % 9, int(np.prod(shape)) + (kind == 6)
        offsets = [source.word() % (most + 1) for _ in range(count)]
        if source.byte() & 7:
            offsets.sort()
        if kind == 6 and offsets:
            offsets[-1] = source.number(signed=True)
        return offsets, source.pick(INTEGERS)
    return read_operand(source, source.pick(DTYPES))


def read_other(source, dtype, shape):
    bits = source.byte()
    if bits & 7 == 7:
        return read_operand(source, source.pick(DTYPES))
    kept = [1 if bits >> (3 + i) & 1 else n for i, n in enumerate(shape)]
    return read_operand(source, dtype, tuple(kept))


def make_initial(case):
    """The argument, what the oracle takes for it, and whether it fits for certain."""
    recipe = case.initial
    if recipe is None:
        return None, None, True
    if isinstance(recipe, Operand):
        _, view = view_of(recipe)
        return view, values_of(view), False
    if isinstance(recipe, OfLines):
        carry, after = carrying.make_of_lines(
            recipe, case.op, case.axis, case.flags["reverse"]
        )
        fits = carry.is_decided or case.function == "cumprod_frexp"
        return carry, after, fits and case.function != "linear_recurrence"
    if isinstance(recipe, Forged):
        carry = carrying.make_forged(recipe)
        carrying.use(carry)
        return carry, NotImplemented, False
    return recipe, NotImplemented, False


def make_reset(recipe):
    if recipe is None:
        return None
    if isinstance(recipe, Operand):
        return view_of(recipe)[1]
    offsets, dtype = recipe
    return np.array([n % 2**64 for n in offsets], np.uint64).astype(dtype)


def one(data):
    case = read(data)
    _, view = view_of(case.operand)
    try:
        initial, before, initial_fits = make_initial(case)
    except REFUSALS:
        return
    reset = make_reset(case.reset)
    found, refusal = None, None
    try:
        found = call(case, view, initial, reset)
    except REFUSALS as error:
        refusal = f"{type(error).__name__}: {error}"
    if refusal is not None:
        assert not (initial_fits and is_certain(case, view, reset)), refusal
    elif before is not NotImplemented:
        with np.errstate(all="ignore"):
            check(case, view, before, reset, found)


def call(case, view, initial, reset):
    options = {**case.flags, "initial": initial}
    if case.function == "linear_recurrence":
        b = view_of(case.other)[1]
        found = upsweep.linear_recurrence(view, b, case.axis, reset=reset, **options)
        return np.asarray(found)
    if case.function in DERIVATIVES:
        terms = view_of(case.other)[1]
        function = getattr(upsweep, case.function)
        return np.asarray(function(view, terms, case.axis, reset=reset, **case.flags))
    if case.function == "cumprod_frexp":
        return oracle.pairs(*upsweep.cumprod_frexp(view, case.axis, **options))
    if case.function == "carry":
        return upsweep.carry(view, case.op, case.axis, **options)
    if "dtype" in options:
        options["dtype"] = getattr(upsweep, options["dtype"])
    return np.asarray(upsweep.scan(view, case.op, case.axis, reset=reset, **options))


def is_certain(case, view, reset):
    """Whether an array with these options, apart from the initial value, must be
    accepted."""
    flags = case.flags
    if case.axis is not None and not -view.ndim <= case.axis < view.ndim:
        return False
    if reset is not None and (reset.dtype != bool or reset.shape != view.shape):
        return False
    if case.function in DERIVATIVES:
        return (
            case.operand.dtype in (*FLOATS, "complex64")
            and case.other.dtype == case.operand.dtype
            and case.other.layout.shape == view.shape
            and case.axis is not None
        )
    if case.function == "linear_recurrence":
        b = case.other
        return (
            view.ndim > 0
            and b.dtype == case.operand.dtype
            and len(b.layout.shape) == view.ndim
            and all(
                n in (m, 1) for m, n in zip(view.shape, b.layout.shape, strict=True)
            )
        )
    if case.function == "cumprod_frexp":
        return view.dtype != np.complex64
    if flags.get("include_initial") and not flags["inclusive"]:
        return False
    dtype = flags.get("dtype")
    return dtype is None or result_dtype(SCANS[case.op], dtype) == dtype


def check(case, view, before, reset, found):
    """The oracle's judgement, of what it can judge quickly."""
    x = values_of(view)
    if case.function == "linear_recurrence":
        check_recurrence(case, x, before, reset, found)
        return
    if case.function in DERIVATIVES:
        check_derivative(case, x, reset, found)
        return
    size = max(x.size, math.prod(found.shape))
    if isinstance(before, oracle.After):
        size += before.values.size
    op = SCANS[case.op]
    if size > (60 if op == "logcumsumexp" else MOST_FOLLOWED):
        return
    options = dict(case.flags)
    if "dtype" in options:
        options["dtype"] = numpy_dtype(options["dtype"])
    computing = found.dtype.name if case.function == "carry" else found.dtype
    if op == "logcumsumexp" and str(computing) == "complex64":
        return  # if infinities meet, the contract leaves the imaginary part open
    if case.function == "carry":
        check_carry(case, x, before, found)
        return
    if case.function == "cumprod_frexp":
        op = "cumprod_frexp"
    else:
        options["reset"] = None if reset is None else values_of(reset)
    oracle.check(op, x, found, axis=case.axis, initial=before, **options)


def check_carry(case, x, before, carry):
    assert carry.is_decided
    value, axis = np.asarray(carry.value()), case.axis
    if axis is None:
        x, axis = x.reshape(-1), 0
    oracle.check(
        SCANS[case.op],
        np.take(x, [], axis=axis),
        np.expand_dims(value, axis),
        axis=axis,
        initial=oracle.After(x, before),
        include_initial=True,
        reverse=case.flags["reverse"],
    )


def check_derivative(case, x, reset, found):
    flags = None if reset is None else values_of(reset)
    terms, axis = values_of(view_of(case.other)[1]), case.axis
    kind = case.function.removeprefix("cumprod_")
    if not 0 < x.size <= MOST_FOLLOWED:
        return
    if axis is None:
        if kind == "jvp":
            terms = np.broadcast_to(terms, x.shape)
        x, terms, found = (v.reshape(-1) for v in (x, terms, found))
        axis, flags = 0, None if flags is None else flags.reshape(-1)
    terms = np.broadcast_to(terms, x.shape)
    gradient.check(kind, x, terms, found, axis=axis, reset=flags, **case.flags)


def check_recurrence(case, a, before, reset, found):
    b = values_of(view_of(case.other)[1])
    if not 0 < found.size <= MOST_FOLLOWED or found.dtype not in (a.dtype, b.dtype):
        return
    if before is not None:
        before = convert(before, found.dtype)
    flags = None if reset is None else values_of(reset)
    recurrence.check(
        a, b, found, axis=case.axis, initial=before, reset=flags, **case.flags
    )
