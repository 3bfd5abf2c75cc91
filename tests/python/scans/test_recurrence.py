"""linear_recurrence against the oracle, over dtypes, shapes, axes, broadcasting,
strides and options; its errors; and lines of several tiles."""

import re

import numpy as np
import pytest
import upsweep
from hypothesis import given
from hypothesis import strategies as st
from support import (
    FLOATS,
    checked_recurrence,
    cpu_only,
    numpy_dtype,
    run_python,
    stream_for,
)
from values import kinds, make

DTYPES = [*FLOATS, "complex64"]
SHAPES = st.one_of(
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.tuples(st.integers(0, 2500)),
    st.tuples(st.integers(1, 20), st.integers(0, 200)),
    st.tuples(st.integers(1, 2), st.integers(1200, 1400)),
    st.tuples(st.integers(0, 300), st.integers(1, 40)),
    st.tuples(st.integers(1, 2), st.integers(0, 200), st.integers(1, 5)),
).map(tuple)


def in_layout(x, order, flips, gaps):
    """x with its axes in another order in memory, backwards, or with gaps."""
    wide = np.zeros([n * gaps for n in x.shape], x.dtype, order=order)
    steps = [slice(None, None, -gaps if flip else gaps) for flip in flips]
    view = wide[(..., *steps)]
    view[...] = x
    return view


@st.composite
def operands(draw, shape, dtype):
    """An array that broadcasts to the shape."""
    mine = [1 if draw(st.integers(0, 3)) == 0 else n for n in shape]
    mine = mine[draw(st.integers(0, len(mine))) if draw(st.booleans()) else 0 :]
    names = [*sorted(kinds(dtype)), "zeros", "uniform"]
    kind = draw(st.sampled_from(names))
    seed = draw(st.integers(0, 2**32 - 1))
    if kind == "zeros":
        x = np.zeros(mine, dtype)
    elif kind == "uniform":
        x = np.random.default_rng(seed).uniform(-1, 1, mine).astype(dtype)
    else:
        x = make(kind, dtype, tuple(mine), seed)
    flips = [draw(st.booleans()) for _ in mine]
    return in_layout(x, draw(st.sampled_from("CF")), flips, draw(st.integers(1, 2)))


@st.composite
def cases(draw, dtype):
    shape = draw(SHAPES)
    a = draw(operands(shape, dtype))
    b = draw(operands(shape, dtype))
    if a.ndim == 0 and b.ndim == 0:
        b = np.broadcast_to(b, shape)
    shape = np.broadcast_shapes(a.shape, b.shape)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    options = {
        "axis": axis,
        "reverse": draw(st.booleans()),
        "inclusive": draw(st.booleans()),
    }
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lines = tuple(np.delete(shape, axis))
    of_initial = draw(st.sampled_from([None, (), lines]))
    if of_initial is not None:
        kind = draw(st.sampled_from(sorted(kinds(dtype))))
        options["initial"] = make(kind, dtype, of_initial, 1)
    if (share := draw(st.sampled_from([None, 0.01, 0.3]))) is not None:
        options["reset"] = rng.random(shape) < share
    return a, b, options


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_recurrences_keep_the_contract(name, data):
    a, b, options = data.draw(cases(numpy_dtype(name)))
    checked_recurrence(a, b, **options)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(40_000,), (3, 9000), (9000, 3), (1100, 130)])
def test_lines_of_several_tiles(name, shape, reverse):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(5)
    a = rng.uniform(-1, 1, shape).astype(dtype)
    b = rng.normal(size=shape).astype(dtype)
    axis = int(np.argmax(shape))
    if len(shape) > 1:  # the oracle need not follow all columns
        a, b = a[:, -3:], b[:, -3:]
    checked_recurrence(a, b, axis=axis, reverse=reverse)
    reset = rng.random(a.shape) < 1e-3
    options = {"initial": dtype.type(3), "reset": reset, "inclusive": False}
    checked_recurrence(a, b, axis=axis, reverse=reverse, **options)


def see_saw(name, n, period):
    """Factors under which h leaves double's range, and comes back."""
    big = {"float16": 2.0**15, "float64": 2.0**1000}.get(name, 2.0**120)
    up = np.arange(n) // period % 2 == 0
    return np.where(up, big, 1 / big).astype(numpy_dtype(name))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("period", [1, 2, 8, 100, 1000])
@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("shape", [(4000,), (20, 4000), (4000, 20)])
def test_numbers_that_leave_the_range_of_double_come_back(name, period, turn, shape):
    a = see_saw(name, 4000, period)[::turn]
    line = a.reshape([4000 if n == 4000 else 1 for n in shape])
    zeros = np.zeros(shape, a.dtype)
    options = {"axis": shape.index(4000), "stream": stream_for(name)}
    h = upsweep.linear_recurrence(line, zeros, initial=1.5, **options)
    last = np.take(np.asarray(h), 3999, options["axis"])
    assert (last == np.asarray(1.5, a.dtype)).all()
    # With terms that count on the way down only.
    line, terms = np.broadcast_to(line, shape), np.ones(1, a.dtype)
    if len(shape) == 1:
        checked_recurrence(line, terms, initial=a.dtype.type(1.5))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("reverse", [False, True])
def test_offsets_are_segments(name, reverse):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(2)
    a, b = (rng.uniform(-1, 1, 200).astype(dtype) for _ in range(2))
    offsets = np.array([3, 3, 50, 51, 199, 200])
    mask = np.zeros(201, bool)
    mask[offsets] = True
    mask = mask[1:] if reverse else mask[:-1]
    options = {"reverse": reverse, "initial": 2, "stream": stream_for(name)}
    y = upsweep.linear_recurrence(a, b, reset=offsets, **options)
    z = upsweep.linear_recurrence(a, b, reset=mask, **options)
    assert np.asarray(y).tobytes() == np.asarray(z).tobytes()
    for reset in (mask, offsets):
        checked_recurrence(a, b, reset=reset, reverse=reverse)


def test_lists_take_the_dtype_of_the_other_one():
    f = upsweep.linear_recurrence
    assert f([0.5, 0.5], [1, 1]).tolist() == [1, 1.5]
    assert f([1j, 1], [1.0, 1.0]).dtype == upsweep.complex64
    options = {"stream": upsweep.cpu}
    for operands in ([np.float64(0.1)], [0.0]), ([0.0], [np.float64(0.1)]):
        y = f(*operands, initial=1.0, **options)
        assert y.dtype == upsweep.float64
        assert y.tolist() == [0.1]
    y = f(np.ones(2), [0.1, 0.2], initial=0.3, **options)
    assert y.dtype == upsweep.float64
    assert y.tolist() == [0.1 + 0.3, 0.1 + 0.3 + 0.2]
    assert f(np.ones((1, 1)), 0, initial=[0.1], **options).tolist() == [[0.1]]


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("name", DTYPES)
def test_neighbouring_columns_do_not_disturb_each_other(name, inclusive):
    """Some rows of all columns are computed at once, unless one leaves the range."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(8)
    shape = (71, 16 * 16 + 5)
    a = rng.uniform(-1, 1, shape).astype(dtype)
    b = rng.uniform(-1, 1, shape).astype(dtype)
    small, large = (2.0**-1022, 2.0**1000) if name == "float64" else (2.0**-14, 2.0**15)
    a[40:43, 20] = b[40:43, 20] = 0
    a[30, 35] = np.inf
    b[68, 256] = np.nan
    b[:, :3] = 0
    a[:, 1], a[5:, 1] = small, large
    initial = np.full(shape[1], small**1.03).astype(dtype)
    options = {"axis": 0, "inclusive": inclusive, "initial": initial}
    for factors in (a, a[:, :1], a[3, 3], a[:1]):
        checked_recurrence(factors, b, **options)
    checked_recurrence(a, b[4, 4], **options)


@pytest.mark.parametrize("name", ["float32", "float64", "complex64"])
def test_infinity_and_nan_last_until_a_reset(name):
    dtype = numpy_dtype(name)
    for bad in (np.inf, -np.inf, np.nan):
        for at in (0, 5, 1500, 2999):
            a, b = np.full(3000, 0.5, dtype), np.ones(3000, dtype)
            reset = np.zeros(3000, bool)
            reset[[7, 1500, 1600]] = True
            b[at] = bad
            checked_recurrence(a, b, reset=reset)
            checked_recurrence(b, a, reset=reset, initial=dtype.type(2))
            checked_recurrence(b, a, reset=reset, inclusive=False)


def test_one_part_of_a_term_is_infinite():
    a = np.full(2, 1.01j, np.complex64)
    b = np.array([3e38j, complex(3e38, np.inf)], np.complex64)
    y = checked_recurrence(a, b)
    assert -4e36 < y[1].real < -2e36


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_decays_to_nothing_and_starts_again(name):
    """Without terms, h falls below the range of double, and terms bring it back."""
    b = np.zeros(20_000, name)
    b[[0, 9000, 9001, 15_000]] = 1, 1e-30, 2, -3
    checked_recurrence(np.full(20_000, 0.5, name), b)
    checked_recurrence(np.broadcast_to(np.asarray(1e-20, name), 20_000), b)


@pytest.mark.parametrize("name", ["float16", "float32"])
@pytest.mark.parametrize("reverse", [False, True])
def test_more_axes_than_kernels_have(name, reverse):
    """A GPU copies what one step cannot walk."""
    rng = np.random.default_rng(6)
    shape = (2,) * 14
    a = rng.uniform(-1, 1, [1, 2] * 7).astype(name)
    b = rng.uniform(-1, 1, shape).astype(name).transpose(np.arange(14) ^ 1)
    initial = rng.uniform(-1, 1, shape[1:]).astype(name).transpose()
    reset = rng.random(shape) < 0.1
    checked_recurrence(a, b, axis=5, reverse=reverse, reset=reset, initial=initial)
    checked_recurrence(b, a, axis=0, reverse=reverse, initial=a.dtype.type(2))


def test_resets_and_operands_that_begin_within_an_array():
    rng = np.random.default_rng(7)
    a, b = rng.uniform(-1, 1, (2, 5, 3000)).astype(np.float32)
    reset = rng.random((5, 3000)) < 0.01
    whole = [upsweep.array(x)[1:] for x in (a, b, reset)]
    start = upsweep.array(np.arange(5, dtype=np.float32))[1:]
    y = upsweep.linear_recurrence(*whole[:2], reset=whole[2], initial=start)
    same = upsweep.linear_recurrence(
        a[1:], b[1:], reset=reset[1:], initial=np.arange(1, 5, dtype=np.float32)
    )
    assert np.array_equal(y, same)
    assert np.array_equal(upsweep.linear_recurrence(whole[0], whole[0]),
                          upsweep.linear_recurrence(a[1:], a[1:]))  # fmt: skip


def test_broadcast_operands_are_not_copied():
    n = 1 << 20
    a = upsweep.broadcast_to(upsweep.array(0.5, upsweep.float32), (64, n))
    b = upsweep.broadcast_to(upsweep.ones((n,)), (64, n))
    upsweep.synchronize()
    upsweep.reset_peak_memory()
    before = upsweep.get_active_memory()
    h = upsweep.linear_recurrence(a, b, stream=upsweep.cpu)
    upsweep.eval(h)
    assert upsweep.get_peak_memory() - before < 1.1 * h.nbytes
    assert np.asarray(h)[63, -1] == 2


SAME_BITS = """
import hashlib, numpy as np, upsweep
digest = hashlib.sha256()
for shape, axis in [((700_001,), 0), ((50_000, 20), 0), ((4, 200_000), 1)]:
    rng = np.random.default_rng(3)
    a = rng.uniform(-1.01, 1.01, shape)
    b = rng.normal(size=shape)
    a.flat[100_000:100_020] = 1e18
    for dtype in (np.float32, np.float64, np.complex64):
        h = upsweep.linear_recurrence(a.astype(dtype), b.astype(dtype), axis)
        digest.update(np.asarray(h).tobytes())
print(digest.hexdigest())
"""


@cpu_only
def test_the_bits_do_not_depend_on_the_number_of_threads():
    outputs = {run_python("-c", SAME_BITS, UPSWEEP_NUM_THREADS=str(n))
               for n in (1, 2, 7)}  # fmt: skip
    assert len(outputs) == 1


def test_dtypes_of_operands():
    f = upsweep.linear_recurrence
    half = upsweep.ones((3,), upsweep.float16)
    assert f(0.5, half).dtype == upsweep.float16
    assert f(half, 1).dtype == upsweep.float16
    assert f([1, 2, 3], [True, False, True]).dtype == upsweep.float32
    assert f(0.5, [1, 1, 1]).tolist() == [1, 1.5, 1.75]
    assert f(1j, upsweep.ones((2,), upsweep.complex64)).tolist() == [1, 1 + 1j]
    assert f([2.0, 2.0], 0, initial=3).tolist() == [6, 12]
    assert f([2.0, 2.0], 0, initial=upsweep.array(3, upsweep.int8)).tolist() == [6, 12]


A = upsweep.ones((2, 3))
ERRORS = [
    (lambda f: f(A, upsweep.ones((2, 3), upsweep.float16)), TypeError,
     "b is float16, but a is float32"),
    (lambda f: f(upsweep.ones((2, 3), upsweep.int32), A), TypeError,
     "a is int32, but b is float32"),
    (lambda f: f(A, 1j), TypeError, "b: A complex number cannot become float32"),
    (lambda f: f(A, [1j]), TypeError, "b: A complex number cannot become float32"),
    (lambda f: f(None, A), TypeError, "a: it must be a number, array or array-like"),
    (lambda f: f(A, "b"), TypeError, "b: An array is made of"),
    (lambda f: f(A, 10**400), OverflowError, "b: An integer does not fit in float32"),
    (lambda f: f(A, upsweep.ones((2, 4))), ValueError, "a of shape (2,3) and b of"),
    (lambda f: f(1.0, 2.0), ValueError, "a and b have no axis"),
    (lambda f: f(A, A, 2), IndexError, "Axis 2 is out of bounds for array with 2"),
    (lambda f: f(A, A, "x"), TypeError, "axis must be an integer"),
    (lambda f: f(A, A, initial=upsweep.ones((2, 1))), ValueError,
     "initial has shape (2,1); give it no axes or the shape of the result without "
     "the axis, (2)."),
    (lambda f: f(A, A, initial=1j), TypeError,
     "initial: A complex number cannot become float32"),
    (lambda f: f(A, A, initial=upsweep.carry(A, "sum")), TypeError,
     "initial: it must be a number, array or array-like, not Carry."),
    (lambda f: f(A, A, reset=A), TypeError,
     "reset must be a bool_ mask or integer offsets, not float32."),
    (lambda f: f(A, A, reset=[1]), ValueError, "only an array of one axis"),
    (lambda f: f(A[0], A[0], reset=[2, 1]), ValueError, "offsets must not decrease"),
    (lambda f: f(A, A, None), TypeError, "axis must be an integer, not NoneType"),
    (lambda f: f(A, A, reset=[True, False, True]), ValueError,
     "reset has shape (3); give it the shape of the result, (2,3)."),
    (lambda f: f(A, A, reverse=1), TypeError, "reverse"),
    (lambda f: f(A, A, stream="x"), TypeError, "stream"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_name_the_argument(number):
    call, kind, text = ERRORS[number]
    with pytest.raises(kind, match=re.escape(text)) as caught:
        call(upsweep.linear_recurrence)
    assert str(caught.value).startswith("[linear_recurrence] ")


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2**40, 0)])
def test_empty_arrays(shape):
    a = upsweep.zeros(shape)
    for axis in range(len(shape)):
        assert upsweep.linear_recurrence(a, 1, axis).shape == shape
