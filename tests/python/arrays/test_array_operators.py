"""Operators: errors that name the way out, and room for operands of other libraries."""

import operator

import numpy as np
import pytest
import upsweep

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "@": operator.matmul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
UNARY = {"-": operator.neg, "+": operator.pos, "abs": abs, "~": operator.invert}
A = upsweep.array([1, 2])


def refused(call, symbol):
    with pytest.raises(TypeError) as caught:
        call()
    text = str(caught.value)
    assert f"no operator {symbol};" in text
    assert "numpy.asarray(a)" in text


@pytest.mark.parametrize("symbol", BINARY)
@pytest.mark.parametrize("other", [1, 0.5, True, 1j, A, upsweep.array(2)])
def test_numbers_and_arrays(symbol, other):
    refused(lambda: BINARY[symbol](A, other), symbol)
    # A number leaves a comparison to the mirrored one of the array.
    is_asked_first = isinstance(other, upsweep.array) or symbol not in MIRRORED
    named = symbol if is_asked_first else MIRRORED[symbol]
    refused(lambda: BINARY[symbol](other, A), named)


@pytest.mark.parametrize("symbol", UNARY)
def test_one_operand(symbol):
    refused(lambda: UNARY[symbol](A), symbol)


def test_in_place():
    a = upsweep.array([1, 2])
    with pytest.raises(TypeError, match=r"no operator \+"):
        a += 1
    assert a.tolist() == [1, 2]


@pytest.mark.parametrize("symbol", [s for s in BINARY if s != "@"])
def test_numpy_computes(symbol):
    x = np.array([3, 1])
    ours, theirs = np.asarray(A).astype(np.int64), x.astype(np.int64)
    operate = BINARY[symbol]
    assert np.array_equal(operate(A, x), operate(ours, theirs))
    assert np.array_equal(operate(x, A), operate(theirs, ours))
    scalar = np.int64(2)
    assert np.array_equal(operate(A, scalar), operate(ours, scalar))
    assert np.array_equal(operate(scalar, A), operate(scalar, ours))


class Other:
    """An operand that computes by itself."""

    def __add__(self, other):
        return "left"

    def __radd__(self, other):
        return "right"


def test_an_operand_may_compute_by_itself():
    assert Other() + A == "left"
    assert A + Other() == "right"
    with pytest.raises(TypeError, match="unsupported operand"):
        A - Other()


def test_sequences_are_repeated_and_text_is_formatted():
    two = upsweep.array(2)
    assert [7] * two == two * [7] == [7, 7]
    assert "ab" * two == "abab"
    assert "%d" % two == "2"  # noqa: UP031
    refused(lambda: operator.add(A, [1, 2]), "+")


def test_an_array_is_no_key_to_sort_by():
    with pytest.raises(TypeError, match="no operator <"):
        sorted([A, A])
