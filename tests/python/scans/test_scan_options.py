"""upsweep.scan with every option, alone and together, against the oracle."""

import math

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
    cpu_only,
    dtype_name,
    examples,
    numpy_dtype,
    result_dtype,
    stream_for,
    with_canonical_nan,
)
from test_cumprod_property import draw_views, inputs
from values import kinds, make

SHAPES = st.one_of(
    st.lists(st.integers(0, 5), max_size=4),
    st.tuples(st.integers(0, 400)),
    st.tuples(st.integers(1, 3), st.integers(0, 150)),
    st.tuples(st.integers(0, 150), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(0, 70), st.integers(1, 4)),
).map(tuple)
OPTIONS = ["initial", "reset", "dtype", "include_initial", "skipna"]


def lines_of(x, axis):
    """The shape of the lines, and the number of their elements."""
    if axis is None:
        return (), x.size
    shape = list(x.shape)
    length = shape.pop(axis)
    return tuple(shape), length


@st.composite
def values_of(draw, name, shape):
    """An array that a scan that computes in this dtype may start with."""
    dtype = numpy_dtype(name)
    return draw(inputs(dtype, st.just(shape)))


@st.composite
def arrays_before(draw, name, x, axis):
    """An array whose lines are those that come before the lines of x."""
    shape = [draw(st.integers(0, 60))] if axis is None else list(x.shape)
    if axis is not None:
        shape[axis] = draw(st.integers(0, 60))
    return draw(values_of(name, tuple(shape)))


def python_number(value):
    kind = value.dtype.kind
    return {"b": bool, "i": int, "u": int, "c": complex}.get(kind, float)(value)


@st.composite
def initials(draw, op, name, x, axis, reverse):
    """What scans of x start with, and the same for the oracle."""
    lines, _ = lines_of(x, axis)
    kind = draw(
        st.sampled_from(["number", "scalar", "0-d", "lines", "upsweep", "carry"])
    )
    if kind == "carry":
        first = draw(arrays_before(name, x, axis))
        carry = upsweep.carry(first, op, axis, reverse=reverse, stream=stream_for(name))
        return carry, oracle.After(first)
    if kind in ("lines", "upsweep"):
        value = draw(values_of(name, lines))
        return (upsweep.asarray(value) if kind == "upsweep" else value), value
    value = draw(values_of(name, ()))
    if kind == "number":
        return python_number(value), value
    return (value[()] if kind == "scalar" else value), value


@st.composite
def resets(draw, x, axis):
    """A mask of the shape of x, or offsets where there is one line."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    if (axis is None or x.ndim == 1) and draw(st.booleans()):
        count = draw(st.integers(0, 8))
        offsets = np.sort(rng.integers(0, x.size + 1, count))
        dtype = draw(st.sampled_from(["int64", "int32", "uint64", "uint16"]))
        return offsets.astype(dtype)
    mask = rng.random(x.shape) < draw(st.sampled_from([0.02, 0.3, 1]))
    return mask.T.copy().T if draw(st.booleans()) else mask


def computed_from(op, name):
    """Whether a scan of the operator returns this dtype for it."""
    return result_dtype(SCANS[op], name) == name


@st.composite
def cases(draw, op, name, wanted):
    """The arguments of checked_general_scan: an array, its values, and options, of
    which `wanted` gives a list."""
    x, a = draw_views(draw, numpy_dtype(name), SHAPES)
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    reverse = draw(st.booleans())
    options = {"axis": axis, "reverse": reverse}
    if "dtype" in wanted:
        allowed = [d for d in DTYPES if computed_from(op, d)]
        options["dtype"] = draw(st.sampled_from(allowed))
    computing = result_dtype(SCANS[op], options.get("dtype", name))
    if "initial" in wanted:
        options["initial"], options["before"] = draw(
            initials(op, computing, x, axis, reverse)
        )
    if "reset" in wanted:
        options["reset"] = draw(resets(x, axis))
    options["skipna"] = "skipna" in wanted
    options["include_initial"] = "include_initial" in wanted
    options["inclusive"] = options["include_initial"] or draw(st.booleans())
    return a, x, options


def ops_of(name):
    """Logarithms of sums of complex exponentials have no bound where they cancel."""
    return [op for op in SCANS if not (op == "logaddexp" and name == "complex64")]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_each_option_keeps_the_contract(option, name, data):
    op = data.draw(st.sampled_from(ops_of(name)))
    a, x, options = data.draw(cases(op, name, [option]))
    if op == "logaddexp" and options.get("dtype") == "complex64":
        return
    checked_general_scan(op, a, x, **options)


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(30))
@given(data=st.data())
def test_all_options_together_keep_the_contract(op, name, data):
    wanted = data.draw(st.lists(st.sampled_from(OPTIONS), unique=True))
    a, x, options = data.draw(cases(op, name, wanted))
    if op == "logaddexp" and "complex64" in (name, options.get("dtype")):
        return
    checked_general_scan(op, a, x, **options)


def test_logaddexp_of_complex_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 90)) + 1j * rng.uniform(-0.5, 0.5, (5, 90))
    x = x.astype(np.complex64)
    for options in (
        {"initial": 1.5 + 0.25j, "before": 1.5 + 0.25j, "include_initial": True},
        {"reset": rng.random(x.shape) < 0.1},
        {"initial": x[:, 0], "before": x[:, 0], "reverse": True, "inclusive": False},
    ):
        checked_general_scan("logaddexp", x, x, axis=1, **options)


def test_skipna_comes_before_a_conversion():
    """Integers and bool_ have no NaN."""
    x = np.float32([np.nan, 2, 0, np.nan])
    z = np.complex64([complex(2, np.nan), 3])
    for op in SCANS:
        for dtype in ("int32", "uint8", "float16", "bool_"):
            if computed_from(op, dtype):
                checked_general_scan(op, x, x, axis=0, skipna=True, dtype=dtype)
                checked_general_scan(op, z, z, axis=0, skipna=True, dtype=dtype)
    products = upsweep.scan(x, "prod", skipna=True, dtype=upsweep.int32)
    assert products.tolist() == [1, 2, 0, 0]
    least = upsweep.scan(x, "min", skipna=True, dtype=upsweep.bool_)
    assert least.tolist() == [True, True, False, False]


@cpu_only
def test_initial_values_in_a_list_keep_their_bits():
    x = np.ones((1, 1))
    assert upsweep.scan(x, "sum", 1, initial=[0.1]).tolist() == [[1.1]]
    assert upsweep.scan(x, "sum", 1, initial=[1e300]).tolist() == [[1e300]]
    assert upsweep.carry(x, "sum", 1, initial=[0.1]).value().tolist() == [1.1]


@cpu_only
@pytest.mark.parametrize("what", ["initial", "reset", "both"])
def test_owners_may_change_their_memory_afterwards(what):
    a = upsweep.ones((1 << 20, 4))
    upsweep.eval(a)
    initial = np.ones(1 << 20, np.float32)
    reset = np.zeros((1 << 20, 4), bool)
    options = {"initial": initial} if what != "reset" else {}
    if what != "initial":
        options["reset"] = reset
    y = upsweep.scan(a, "sum", 1, **options)
    initial[:] = 9
    reset[:] = True
    first = 0 if what == "reset" else 1
    assert (np.asarray(y) == np.arange(first + 1, first + 5)).all()
    initial[:] = 1
    mantissa, exponent = upsweep.cumprod_frexp(a, 1, initial=initial)
    initial[:] = 9
    assert (np.asarray(mantissa) == 0.5).all()
    assert (np.asarray(exponent) == 1).all()


LONG = [
    ("prod", "near_one", "float32"),
    ("prod", "specials", "float32"),
    ("prod", "see_saw", "float64"),
    ("prod", "log_normal", "float16"),
    ("prod", "exits", "bfloat16"),
    ("prod", "odd_numbers", "int32"),
    ("prod", "turning", "complex64"),
    ("sum", "near_one", "float32"),
    ("sum", "specials", "bfloat16"),
    ("sum", "any_bits", "int16"),
    ("sum", "log_normal", "float64"),
    ("max", "any_bits", "float64"),
    ("min", "any_bits", "uint8"),
    ("min", "turning", "complex64"),
    ("max", "truths", "bool_"),
]


@pytest.mark.parametrize(("op", "kind", "name"), LONG)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2**15 + 1,), 0), ((1500, 9), 0), ((2, 1500, 5), 1), ((300, 41), 0)],
)
def test_long_lines(op, kind, name, shape, axis):
    """Lines of several tiles, which start with something else than the identity in
    some of them."""
    rng = np.random.default_rng(3)
    x = make(kind, numpy_dtype(name), shape)
    initial = make(kind, numpy_dtype(name), lines_of(x, axis)[0], seed=1)
    sparse, dense = (rng.random(shape) < p for p in (3 / shape[axis], 0.05))
    for options in (
        {"initial": initial, "before": initial},
        {"initial": initial, "before": initial, "reset": sparse, "reverse": True},
        {"reset": dense, "inclusive": False},
        {"reset": dense[::-1], "initial": initial, "before": initial},
        {"reset": sparse, "include_initial": True},
    ):
        checked_general_scan(op, x, x, axis=axis, **options)


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
def test_shapes_without_elements_and_without_axes(op, name):
    dtype = numpy_dtype(name)
    computing = numpy_dtype(result_dtype(SCANS[op], name))
    for shape in [(), (0,), (0, 3), (3, 0), (2, 0, 4)]:
        x = np.zeros(shape, dtype)
        for axis in [None, *range(len(shape))]:
            lines, _ = lines_of(x, axis)
            initial = np.ones(lines, computing)
            for reverse in (False, True):
                checked_general_scan(
                    op,
                    x,
                    x,
                    axis=axis,
                    reverse=reverse,
                    initial=initial,
                    before=initial,
                    reset=np.zeros(shape, bool),
                    include_initial=True,
                )


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
def test_without_options_it_is_the_operators_own_scan(op, name):
    x = make(sorted(kinds(numpy_dtype(name)))[0], numpy_dtype(name), (3, 50))
    stream = stream_for(name)
    for options in ({}, {"axis": 1}, {"axis": 0, "reverse": True, "inclusive": False}):
        own = getattr(upsweep, SCANS[op])(x, stream=stream, **options)
        general = upsweep.scan(x, op, stream=stream, **options)
        assert np.asarray(general).tobytes() == np.asarray(own).tobytes()


def test_offsets_are_the_segments_of_ragged_batches():
    x = np.float32([1, 2, 3, 4, 5])
    for starts in ([0, 2, 2, 4], (0, 2, 4), np.array([2, 4, 5]), upsweep.array([2, 4])):
        forward = upsweep.scan(x, "sum", reset=starts)
        assert forward.tolist() == [1, 3, 3, 7, 5]
        back = upsweep.scan(x, "sum", reset=starts, reverse=True)
        assert back.tolist() == [3, 2, 7, 4, 5]
    none = upsweep.scan(x, "sum", reset=np.zeros(0, np.int64))
    assert none.tolist() == [1, 3, 6, 10, 15]


def test_a_reset_stops_infinities_and_nan():
    x = np.float32([math.nan, 2, math.inf, 0, 3, 0])
    reset = np.array([False, True, False, False, True, True])
    for op, expected in [
        ("prod", [math.nan, 2, math.inf, math.nan, 3, 0]),
        ("sum", [math.nan, 2, math.inf, math.inf, 3, 0]),
        ("max", [math.nan, 2, math.inf, math.inf, 3, 0]),
        ("logaddexp", [math.nan, 2, math.inf, math.inf, 3, 0]),
    ]:
        found = np.asarray(upsweep.scan(x, op, reset=reset))
        np.testing.assert_array_equal(found, np.float32(expected))


@st.composite
def frexp_cases(draw, name):
    x, a = draw_views(draw, numpy_dtype(name), SHAPES)
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    reverse, inclusive = draw(st.booleans()), draw(st.booleans())
    options = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
    initial = before = None
    if draw(st.booleans()):
        computing = result_dtype("logcumsumexp", name)
        initial, before = draw(initials("prod", computing, x, axis, reverse))
    return x, a, options, initial, before


@pytest.mark.parametrize("name", ["bool_", *INTEGERS, *FLOATS])
@given(data=st.data())
def test_products_with_exponents_keep_the_contract(name, data):
    x, a, options, initial, before = data.draw(frexp_cases(name))
    checked_frexp(a, x, initial, before, **options)


def checked_frexp(a, x, initial=None, before=None, **options):
    mantissa, exponent = upsweep.cumprod_frexp(
        a, initial=initial, stream=stream_for(dtype_name(x)), **options
    )
    assert mantissa.dtype.name == result_dtype("logcumsumexp", dtype_name(x))
    assert exponent.dtype.name == "int32"
    expected = (x.size,) if options.get("axis") is None else x.shape
    assert mantissa.shape == exponent.shape == expected
    y = oracle.pairs(with_canonical_nan(mantissa), exponent)
    return oracle.check("cumprod_frexp", x, y, initial=before, **options)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    "kind", ["any_bits", "log_normal", "near_one", "specials", "subnormal_factors"]
)
def test_long_products_with_exponents(name, kind):
    for shape, axis in [((20001,), 0), ((700, 20), 0), ((3, 900, 4), 1)]:
        x = make(kind, numpy_dtype(name), shape)
        checked_frexp(x, x, axis=axis)
        checked_frexp(x, x, axis=axis, reverse=True, inclusive=False)
