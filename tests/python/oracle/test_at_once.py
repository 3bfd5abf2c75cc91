"""What is judged at once has the verdict that following each element gives."""

import math

import numpy as np
import pytest
import upsweep
import values
from operators import OPERATORS
from support import DTYPES, FLOATS, cpu_only, numpy_dtype

import oracle
from oracle import at_once, gradient, recurrence

pytestmark = [pytest.mark.own_isa, cpu_only]


# An initial value, an inclusive scan, the share of resets.
CASES = [(False, True, 0), (False, False, 0.2), (True, True, 0.1), (True, False, 0)]


def follow_all(_, elements, *rest):
    return np.zeros(len(elements), bool), 0.0


def verdict(*arguments, of=oracle, **options):
    """The largest error; infinity if one is too large."""
    try:
        return of.check(*arguments, **options)
    except AssertionError:
        return math.inf


def nearly(x, y, rng):
    """y, and copies with one element that is an element of x, or differs by a few of
    the last bits, by one of the first, or in sign."""
    yield y
    for _ in range(3):
        changed = np.array(y)
        line, at = (rng.integers(n) for n in x.shape)
        changed[line, at] = x[line, at].astype(y.dtype)
        yield changed
    for change in (1, 2, 5, 0x40, 0x80):
        changed = np.array(y)
        if y.dtype == bool:
            changed.ravel()[rng.integers(y.size)] ^= True
        else:
            octets = changed.reshape(-1).view(np.uint8)
            size = 4 if y.dtype.kind == "c" else y.dtype.itemsize
            place = rng.integers(octets.size // size) * size
            octets[place + (size - 1 if change >= 0x40 else 0)] ^= change
        yield changed


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("name", DTYPES)
def test_the_verdict_is_the_same(op, name, monkeypatch):
    monkeypatch.delenv("UPSWEEP_VERDICTS", raising=False)
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(0)
    for kind in sorted(values.kinds(dtype)):
        x = values.make(kind, dtype, (2, 33), 1)
        for given, inclusive, density in CASES:
            options = {
                "axis": 1,
                "reverse": bool(rng.integers(2)),
                "inclusive": inclusive,
                "reset": rng.random(x.shape) < density if density else None,
            }
            result = upsweep.scan(x, OPERATORS[op], **options)
            if given:
                first = np.asarray(result)[:, 3].astype(result.dtype.name)
                options |= {"initial": first, "include_initial": inclusive}
                result = upsweep.scan(x, OPERATORS[op], **options)
            for y in nearly(x, np.asarray(result), rng):
                found = verdict(op, x, y, **options)
                with monkeypatch.context() as patch:
                    patch.setattr(at_once, "settled", follow_all)
                    expected = verdict(op, x, y, **options)
                assert found == expected or abs(found - expected) < 2.0**-11


def of_each_kind(dtype, rng):
    operands = [values.make(kind, dtype, (2, 33), 1) for kind in values.kinds(dtype)]
    operands.append(rng.uniform(-1, 1, (2, 33)).astype(dtype))
    return [*operands, np.zeros((2, 33), dtype)]


@pytest.mark.parametrize("name", [*FLOATS, "complex64"])
def test_the_verdict_on_recurrences_is_the_same(name, monkeypatch):
    monkeypatch.delenv("UPSWEEP_VERDICTS", raising=False)
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(2)
    operands = of_each_kind(dtype, rng)
    for i, a in enumerate(operands):
        for given, inclusive, density in CASES:
            b = operands[rng.integers(len(operands))]
            options = {
                "axis": 1,
                "reverse": bool(rng.integers(2)),
                "inclusive": inclusive,
                "reset": rng.random(a.shape) < density if density else None,
                "initial": b[:, 3] if given else None,
            }
            result = np.asarray(upsweep.linear_recurrence(a, b, **options))
            for y in nearly(a if i % 2 else b, result, rng):
                found = verdict(a, b, y, of=recurrence, **options)
                with monkeypatch.context() as patch:
                    patch.setattr(at_once, "recurrences", follow_all)
                    expected = verdict(a, b, y, of=recurrence, **options)
                assert found == expected or abs(found - expected) < 2.0**-6


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
@pytest.mark.parametrize("name", [*FLOATS, "complex64"])
def test_the_verdict_on_derivatives_is_the_same(name, kind, monkeypatch):
    monkeypatch.delenv("UPSWEEP_VERDICTS", raising=False)
    rng = np.random.default_rng(3)
    operands = of_each_kind(numpy_dtype(name), rng)
    derivative = {"vjp": upsweep.cumprod_vjp, "jvp": upsweep.cumprod_jvp}[kind]
    for x in operands:
        for inclusive in (True, False):
            terms = operands[rng.integers(len(operands))]
            options = {
                "axis": 1,
                "reverse": bool(rng.integers(2)),
                "inclusive": inclusive,
            }
            result = np.asarray(derivative(x, terms, **options))
            for y in nearly(terms, result, rng):
                found = verdict(kind, x, terms, y, of=gradient, **options)
                with monkeypatch.context() as patch:
                    patch.setattr(at_once, "gradients", follow_all)
                    expected = verdict(kind, x, terms, y, of=gradient, **options)
                assert found == expected or abs(found - expected) < 2.0**-6


@pytest.mark.skipif(not at_once.HAS_WIDE, reason="long double is double here")
def test_most_results_are_settled(monkeypatch):
    followed = []
    monkeypatch.setattr(oracle, "walk", lambda *_: followed.append(1))
    rng = np.random.default_rng(1)
    x = rng.normal(1, 0.01, (50, 200)).astype(np.float32)
    for op, of in OPERATORS.items():
        oracle.check(op, x, np.asarray(upsweep.scan(x, of, axis=1)), axis=1)
    monkeypatch.setattr(recurrence, "follow", lambda *_: followed.append(1))
    a = rng.uniform(-1, 1, x.shape).astype(np.float32)
    y = np.asarray(upsweep.linear_recurrence(a, x, axis=1))
    recurrence.check(a, x, y, axis=1)
    assert not followed
