"""Carries: a line that is cut anywhere has the results of the whole, by the oracle."""

import pickle

import numpy as np
import oracle
import pytest
import upsweep
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    DTYPES,
    FLOATS,
    INTEGERS,
    SCANS,
    checked_general_scan,
    examples,
    numpy_dtype,
    result_dtype,
    stream_for,
    with_canonical_nan,
)
from test_scan_options import checked_frexp, initials, ops_of
from values import kinds, make


def cut(x, axis, reverse, places):
    """The parts of x between places, in scan order."""
    parts = np.split(x, places, axis=axis)
    return parts[::-1] if reverse else parts


def joined(parts, axis, reverse):
    return np.concatenate(parts[::-1] if reverse else parts, axis=axis)


SHORT = [(60,), (30, 3), (3, 30), (2, 20, 3), (150,), (1, 17)]
# Of several tiles.
LONG = [(40000,), (5000, 3), (3, 3000), (2, 1500, 2)]


@st.composite
def lines(draw, name, shapes=SHORT):
    """An array, an axis and places to cut it at; often at its ends."""
    shape = draw(st.sampled_from(shapes))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    kind = draw(st.sampled_from(sorted(kinds(numpy_dtype(name)))))
    x = make(kind, numpy_dtype(name), shape, draw(st.integers(0, 2**32 - 1)))
    places = draw(st.lists(st.integers(0, shape[axis]), min_size=1, max_size=5))
    return x, axis, sorted(places)


def combined(draw, carries):
    """Carries one after the other, in any grouping."""
    carries = list(carries)
    while len(carries) > 1:
        i = draw(st.integers(0, len(carries) - 2))
        carries[i : i + 2] = [carries[i].then(carries[i + 1])]
    return carries[0]


def transported(draw, carry):
    """The same carry by way of pickle or NumPy."""
    way = draw(st.sampled_from(["itself", "pickle", "numpy"]))
    if way == "pickle":
        return pickle.loads(pickle.dumps(carry))
    if way == "numpy":
        records = np.asarray(carry)
        return upsweep.Carry(carry.op, carry.dtype, records, reverse=carry.reverse)
    return carry


def checked_value(op, carry, x, before, axis):
    """The value of the carry of x, as the first result of a scan of nothing after."""
    nothing = np.take(x, [], axis=axis)
    value = with_canonical_nan(carry.value())
    assert value.dtype.name in (carry.dtype.name, "bool")
    oracle.check(
        SCANS[op],
        nothing,
        np.expand_dims(value, axis),
        axis=axis,
        initial=oracle.After(x, before),
        include_initial=True,
        reverse=carry.reverse,
    )


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(30))
@given(data=st.data())
def test_a_cut_changes_nothing(op, name, data):
    """The parts go on one after the other, each with the carry of those before."""
    if op in ops_of(name):
        check_cut(op, name, data, SHORT)


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(4))
@given(data=st.data())
def test_a_cut_of_long_lines_changes_nothing(op, name, data):
    # The logarithms of integers are those of float32, and the oracle's take long.
    is_done = op == "logaddexp" and name in {*INTEGERS, "bool_"} - {"int32"}
    if op in ops_of(name) and not is_done:
        check_cut(op, name, data, LONG)


def check_cut(op, name, data, shapes):
    x, axis, places = data.draw(lines(name, shapes))
    reverse = data.draw(st.booleans())
    computing = result_dtype(SCANS[op], name)
    start = before = None
    if data.draw(st.booleans()):
        start, before = data.draw(initials(op, computing, x, axis, reverse))
    *first, last = cut(x, axis, reverse, places)
    for part in first:
        start = upsweep.carry(
            part, op, axis, reverse=reverse, initial=start, stream=stream_for(name)
        )
        assert start.is_decided
        start = transported(data.draw, start)
    done = joined(first, axis, reverse)
    assert start.shape == np.take(x, 0, axis=axis).shape
    assert (start.op, start.dtype.name, start.reverse) == (op, computing, reverse)
    checked_value(op, start, done, before, axis)
    checked_general_scan(
        op,
        last,
        last,
        initial=start,
        before=oracle.After(done, before),
        axis=axis,
        reverse=reverse,
        inclusive=data.draw(st.booleans()),
    )


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(30))
@given(data=st.data())
def test_carries_combine_in_any_grouping(op, name, data):
    """A combination that is decided is right; one that is not may be so only where a
    result can leave the range."""
    if op not in ops_of(name):
        return
    x, axis, places = data.draw(lines(name))
    reverse = data.draw(st.booleans())
    *first, last = cut(x, axis, reverse, places)
    options = {"reverse": reverse, "stream": stream_for(name)}
    carries = [upsweep.carry(part, op, axis, **options) for part in first]
    start = transported(data.draw, combined(data.draw, carries))
    if not start.is_decided:
        assert op in ("prod", "sum")
        assert name in [*FLOATS, "complex64"]
        return
    done = joined(first, axis, reverse)
    checked_value(op, start, done, None, axis)
    checked_general_scan(
        op,
        last,
        last,
        initial=start,
        before=oracle.After(done),
        axis=axis,
        reverse=reverse,
        include_initial=data.draw(st.booleans()),
    )


WITHIN = [
    ("prod", "near_one", FLOATS),
    ("prod", "see_saw", ["bfloat16", "float32", "float64"]),
    ("sum", "near_one", FLOATS),
    ("prod", "any_bits", INTEGERS),
    ("sum", "any_bits", INTEGERS),
    ("prod", "turning", ["complex64"]),
    ("sum", "turning", ["complex64"]),
]


@pytest.mark.parametrize(
    ("op", "kind", "name"), [(o, k, n) for o, k, names in WITHIN for n in names]
)
@given(data=st.data())
def test_lines_within_the_range_are_decided(op, kind, name, data):
    """Whatever the parts do on their own: see-saws leave the range from most starts."""
    x = make(kind, numpy_dtype(name), (16,), data.draw(st.integers(0, 2**32 - 1)))
    places = sorted(data.draw(st.lists(st.integers(0, 16), max_size=5)))
    carries = [
        upsweep.carry(part, op, stream=stream_for(name))
        for part in cut(x, 0, False, places)
    ]
    carry = combined(data.draw, carries)
    assert carry.is_decided
    checked_value(op, carry, x, None, 0)


@pytest.mark.parametrize("name", FLOATS)
def test_what_only_elements_can_tell_is_undecided(name):
    """From 1, the second part stays in the range; after the first, it leaves it on the
    way and would seem to come back."""
    dtype = numpy_dtype(name)
    most = float(make("see_saw", dtype, (2,))[1])
    first, second = np.array([most], dtype), np.array([most, 1 / most], dtype)
    stream = stream_for(name)
    start = upsweep.carry(first, "prod", stream=stream)
    both = start.then(upsweep.carry(second, "prod", stream=stream))
    assert not both.is_decided
    with pytest.raises(ValueError, match=r"^\[Carry.value\] "):
        both.value()
    told = upsweep.carry(second, "prod", initial=start, stream=stream)
    assert told.is_decided
    assert np.isinf(np.float64(np.asarray(told.value())))


@pytest.mark.parametrize("name", ["bool_", *INTEGERS, *FLOATS])
@given(data=st.data())
def test_totals_are_products_without_a_range(name, data):
    x, axis, places = data.draw(lines(name))
    reverse = data.draw(st.booleans())
    if result_dtype("logcumsumexp", name) != name:
        x = x.astype(np.float32)
        name = "float32"
    parts = cut(x, axis, reverse, places)
    options = {"reverse": reverse, "stream": stream_for(name)}
    carry = combined(
        data.draw, [upsweep.carry(part, "prod", axis, **options) for part in parts]
    )
    checked_total(carry, x, axis)


@pytest.mark.parametrize("name", FLOATS)
@settings(max_examples=examples(30))
@given(data=st.data())
def test_products_with_exponents_go_on_from_totals(name, data):
    """Whether or not the carry is decided."""
    x, axis, places = data.draw(lines(name))
    reverse = data.draw(st.booleans())
    *first, last = cut(x, axis, reverse, places)
    options = {"reverse": reverse, "stream": stream_for(name)}
    carries = [upsweep.carry(part, "prod", axis, **options) for part in first]
    start = transported(data.draw, combined(data.draw, carries))
    before = oracle.After(joined(first, axis, reverse))
    checked_frexp(last, last, start, before, axis=axis, reverse=reverse)


def test_products_with_exponents_go_on_from_an_undecided_carry():
    part = upsweep.carry(np.float32([2.0**100]), "prod")
    start = part.then(part)
    assert not start.is_decided
    mantissa, exponent = upsweep.cumprod_frexp(np.float32([2, -4]), initial=start)
    assert (mantissa.tolist(), exponent.tolist()) == ([0.5, -0.5], [202, 204])


def checked_total(carry, x, axis):
    """The product of x, which may be out of the range."""
    mantissa, exponent = carry.mantissa_exponent()
    assert (mantissa.dtype.name, exponent.dtype.name) == ("float64", "int64")
    assert mantissa.shape == exponent.shape == carry.shape
    y = np.expand_dims(oracle.pairs(mantissa, exponent), axis)
    oracle.check(
        "cumprod_frexp",
        np.take(x, [], axis=axis),
        y,
        axis=axis,
        reverse=carry.reverse,
        initial=oracle.After(x),
        include_initial=True,
    )


@pytest.mark.parametrize("count", [6, 7, 8, 9])
@pytest.mark.parametrize("gap", [0, 3, 57, 1000])
def test_totals_keep_their_bits_below_the_range_of_a_double(count, gap):
    """Large factors before small ones: the product of the small ones alone is one that
    a double rounds to few bits, though no prefix is."""
    large = np.full(7, 1.7e38)
    small = 2.0**-126 * np.linspace(0.008, 0.02, count)
    ones = np.ones(gap)
    x = np.concatenate([large, ones, small, ones, ones]).astype(np.float32)
    for part, axis in [(x, 0), (x.reshape(1, -1), 1), (np.stack([x] * 20, 1), 0)]:
        checked_total(upsweep.carry(part, "prod", axis), part, axis)


@pytest.mark.parametrize(
    ("op", "kind", "name"),
    [
        ("prod", "near_one", "float32"),
        ("prod", "see_saw", "float64"),
        ("prod", "log_normal", "float16"),
        ("prod", "exits", "float32"),
        ("prod", "spiral", "complex64"),
        ("sum", "specials", "bfloat16"),
        ("sum", "near_one", "float64"),
        ("max", "any_bits", "int32"),
        ("logaddexp", "near_one", "float32"),
    ],
)
@pytest.mark.parametrize(("shape", "axis"), [((12001,), 0), ((900, 7), 0)])
def test_carries_of_long_lines(op, kind, name, shape, axis):
    x = make(kind, numpy_dtype(name), shape)
    for at in (1, shape[axis] // 3, shape[axis] - 1):
        for reverse in (False, True):
            first, last = cut(x, axis, reverse, [at])
            start = upsweep.carry(
                first, op, axis, reverse=reverse, stream=stream_for(name)
            )
            checked_value(op, start, first, None, axis)
            checked_general_scan(
                op,
                last,
                last,
                initial=start,
                before=oracle.After(first),
                axis=axis,
                reverse=reverse,
            )


def test_carries_go_between_devices():
    """The carry of one device starts lines on another one, if there are two."""
    x = make("see_saw", np.dtype(np.float32), (200,))
    streams = [upsweep.cpu]
    if upsweep.default_device() == upsweep.gpu:
        streams.append(upsweep.gpu)
    for stream in streams:
        for op in SCANS:
            start = upsweep.carry(x[:90], op, stream=stream)
            before = oracle.After(x[:90])
            checked_general_scan(op, x[90:], x[90:], initial=start, before=before)


def test_a_carry_keeps_its_attributes():
    x = np.ones((2, 3, 4), np.float32)
    carry = upsweep.carry(x, "sum", 1, reverse=True)
    assert (carry.op, carry.shape, carry.reverse) == ("sum", (2, 4), True)
    assert carry.dtype is upsweep.float32
    assert carry.is_decided
    assert carry.value().tolist() == [[3.0] * 4] * 2
    assert upsweep.carry(x, "sum").shape == ()
    assert upsweep.carry(x > 0, "sum").dtype is upsweep.int32
    for name in ("op", "dtype", "reverse", "shape", "is_decided"):
        with pytest.raises(AttributeError):
            setattr(carry, name, None)
    records = np.asarray(carry)
    assert records.shape == carry.shape
    assert pickle.loads(pickle.dumps(carry)).value().tolist() == [[3.0] * 4] * 2
    assert np.asarray(pickle.loads(pickle.dumps(carry))).tobytes() == records.tobytes()


def test_a_carry_of_nothing_is_the_identity():
    for op, identity in [("prod", 1), ("sum", 0), ("max", -np.inf), ("min", np.inf),
                         ("logaddexp", -np.inf)]:  # fmt: skip
        carry = upsweep.carry(np.ones((0, 2), np.float32), op, 0)
        assert carry.value().tolist() == [identity] * 2
        again = upsweep.carry(np.ones((5, 2), np.float32), op, 0)
        value = again.value().tolist()
        assert carry.then(again).value().tolist() == value
        assert again.then(carry).value().tolist() == value


def test_carries_copy_as_numpy_asks():
    carry = upsweep.carry([1.0, 2.0], "sum")
    assert np.array(carry, copy=True).flags.writeable
    assert not np.asarray(carry).flags.writeable
    with pytest.raises(ValueError, match=r"\[Carry.__array__\] .* copied"):
        carry.__array__(copy=False)


def test_none_is_no_argument():
    with pytest.raises(TypeError, match=r"\[Carry\.then\] next must be a Carry"):
        upsweep.carry([1.0], "sum").then(None)
    with pytest.raises(TypeError, match=r"\[set_num_threads\] n must be"):
        upsweep.set_num_threads(None)
