"""cumprod_vjp and cumprod_jvp against the oracle, over dtypes, shapes, axes, strides
and flags; zeros, and products that leave the range; their errors."""

import re
from fractions import Fraction

import numpy as np
import oracle.gradient
import pytest
import upsweep
from hypothesis import given
from hypothesis import strategies as st
from support import FLOATS, check_nans, cpu_only, numpy_dtype, run_python, step_unit
from test_recurrence import SHAPES, in_layout
from values import kinds, make

DTYPES = [*FLOATS, "complex64"]
KINDS = ["vjp", "jvp"]
FUNCTIONS = {"vjp": upsweep.cumprod_vjp, "jvp": upsweep.cumprod_jvp}


def checked(kind, x, terms, **options):
    """The result, checked against the contract."""
    result = FUNCTIONS[kind](x, terms, **options)
    assert result.dtype.name == x.dtype.name
    y = np.asarray(result)
    assert y.shape == x.shape
    check_nans(y.view("float32") if x.dtype == np.complex64 else y)
    unit = step_unit(x.dtype.name)
    terms = np.broadcast_to(terms, x.shape)
    oracle.gradient.check(kind, x, terms, y, unit=unit, **options)
    return y


@st.composite
def operands(draw, shape, dtype):
    kind = draw(st.sampled_from([*sorted(kinds(dtype)), "few", "uniform"]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    if kind in ("few", "uniform"):
        x = rng.uniform(-1, 1, shape)
        if kind == "few":
            x *= rng.random(shape) < draw(st.sampled_from([0.02, 0.5]))
        x = x.astype(dtype)
    else:
        x = make(kind, dtype, shape, seed)
    flips = [draw(st.booleans()) for _ in shape]
    return in_layout(x, draw(st.sampled_from("CF")), flips, draw(st.integers(1, 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_derivatives_keep_the_contract(name, kind, data):
    dtype, shape = numpy_dtype(name), data.draw(SHAPES)
    x, terms = (data.draw(operands(shape, dtype)) for _ in range(2))
    checked(
        kind,
        x,
        terms,
        axis=data.draw(st.integers(-len(shape), len(shape) - 1)),
        reverse=data.draw(st.booleans()),
        inclusive=data.draw(st.booleans()),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(10_000,), (2, 3000), (3000, 3), (700, 130)])
def test_lines_of_several_blocks(name, kind, shape):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(5)
    x = np.exp(rng.normal(0, 0.05, shape)).astype(dtype)
    terms = rng.normal(size=shape).astype(dtype)
    axis = int(np.argmax(shape))
    if shape[-1] > 3 and len(shape) > 1:  # the oracle need not follow all columns
        x, terms = x[:, -3:], terms[:, -3:]
    checked(kind, x, terms, axis=axis)
    x[tuple(n // 2 for n in x.shape)] = 0
    x.flat[-5:] = 0
    checked(kind, x, terms, axis=axis, inclusive=False, reverse=True)


def defined(kind, x, terms, *, inclusive=True):
    """The sums of the definition, of fractions."""
    x, terms = ([Fraction(float(v)) for v in values] for values in (x, terms))
    n, results = len(x), [Fraction(0)] * len(x)
    for i in range(n):
        last = i + 1 if inclusive else i
        for k in range(last):
            factors = Fraction(1)
            for j in range(last):
                factors *= x[j] if j != k else 1
            if kind == "vjp":
                results[k] += terms[i] * factors
            else:
                results[i] += terms[k] * factors
    return [float(r) for r in results]


LINES = {
    "no zero": [2, 3, 0.5, -4, 1.25, 3],
    "one zero": [2, 3, 0, -4, 1.25, 3],
    "zeros": [2, 0, 3, 0, 1.25, 0],
    "zero first": [0, 3, 0.5, -4, 1.25, 3],
    "zero last": [2, 3, 0.5, -4, 1.25, 0],
    "negative zero": [2, 3, -0.0, -4, 1.25, 3],
    "see-saw": [2.0**-100, 2.0**100, 2.0**100, 2.0**-100, 2.0**-100, 2.0**100],
    "subnormal": [2.0**-140, 2.0**100, 3, 2.0**-149, 2.0**20, 2.0**127],
    "leaves and returns": [2.0**100, 2.0**100, 2.0**-100, 2.0**-100, 0.5, 3],
    "vanishes and returns": [2.0**-100, 2.0**-100, 2.0**100, 2.0**100, 0.5, 3],
}


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", LINES)
def test_derivatives_are_those_of_the_definition(line, kind, inclusive):
    """Few terms with few bits, so that a rounded sum is the only right result."""
    x = np.array(LINES[line], np.float32)
    terms = np.array([1, -2, 0.5, 3, 0, 1], np.float32)
    with np.errstate(over="ignore"):
        right = np.array(defined(kind, x, terms, inclusive=inclusive), np.float32)
    for copies in (1, 40):
        columns = np.repeat(x[:, None], copies, 1), np.repeat(terms[:, None], copies, 1)
        y = FUNCTIONS[kind](*columns, 0, inclusive=inclusive)
        assert (np.asarray(y) == right[:, None]).all()
        rows = [values.T.copy() for values in columns]
        z = FUNCTIONS[kind](*rows, 1, inclusive=inclusive)
        assert (np.asarray(z) == right).all()
    back = FUNCTIONS[kind](x[::-1], terms[::-1], reverse=True, inclusive=inclusive)
    assert (np.asarray(back) == right[::-1]).all()


def test_a_gradient_far_below_the_range_of_the_product():
    """The last result is 2^-1000; all but one of its factors are 2^-10."""
    x = np.full(2000, 0.5, np.float32)
    c = np.zeros(2000, np.float32)
    c[-1] = 1
    x[1000:] = 2
    x[5] = 0
    right = np.zeros(2000, np.float32)
    right[5] = 2
    assert np.array_equal(np.asarray(upsweep.cumprod_vjp(x, c)), right)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_products_that_decay_to_nothing(name, share):
    """As transmittance behind opaque samples; and a loss of the last result only."""
    rng = np.random.default_rng(1)
    x = np.where(rng.random(3000) < share, rng.uniform(0, 1, 3000), 1).astype(name)
    x[[100, 2000]] = 1e-10
    last = np.zeros(3000, name)
    last[-1] = 1
    for terms in (rng.normal(size=3000).astype(name), last):
        for kind in KINDS:
            checked(kind, x, terms, axis=0)
            checked(kind, x[::-1], terms, axis=0, inclusive=False)


@pytest.mark.parametrize("period", [2, 100, 500])
@pytest.mark.parametrize("name", DTYPES)
def test_products_that_leave_the_range_of_double_come_back(name, period):
    big = {"float16": 2.0**15, "float64": 2.0**1000}.get(name, 2.0**120)
    up = np.arange(2000) // period % 2 == 0
    x = np.where(up, big, 1 / big).astype(numpy_dtype(name))
    terms = np.ones(2000, x.dtype)
    for kind in KINDS:
        checked(kind, x, terms, axis=0)
        checked(kind, x[::-1], terms, axis=0)


# Lines, in scan order and backwards, in which numbers leave the range of double between
# two looks at them, and a zero hides it: (elements, terms, place, result).
TINY, HUGE = 2.0**-100, 2.0**100
HIDDEN = {
    "both are huge beside a zero": (
        [TINY] * 18 + [1.0] * 70 + [HUGE] * 9 + [0.0] + [HUGE] * 9,
        {106: 1.0}, 97, 1.0,
    ),
    "both are tiny beside a zero": (
        ([HUGE] * 13 + [1.0] * 51 + [2.0**-99] * 4 + [2.0**-140] * 2 + [0.0]
         + [2.0**-140] + [2.0**-98] * 4 + [1.0] * 52)[::-1],
        {127: 1.0}, 57, 2.0 ** (1300 - 396 - 280 - 140 - 392 + 0),
    ),
    "terms come after a number that is nearly nothing": (
        ([TINY] * 21 + [1.0] * 43 + [2.0**125] * 17 + [0.0] + [1.0] * 46 + [0.25]
         + [1.0] * 63)[::-1],
        {191: 1.0, **dict.fromkeys(range(64, 88), 1.0)}, 110, 2.0**23,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_a_zero_hides_how_far_products_have_gone(name):
    x, terms, place, right = HIDDEN[name]
    x = np.array(x, np.float32)
    c = np.zeros(len(x), np.float32)
    c[list(terms)] = list(terms.values())
    assert checked("vjp", x, c, axis=0)[place] == np.float32(right)
    for copies in (3, 64):
        wide = [np.repeat(v[:, None], copies, 1) for v in (x, c)]
        g = np.asarray(upsweep.cumprod_vjp(*wide, 0))
        assert (g[place] == np.float32(right)).all()
        g = np.asarray(upsweep.cumprod_vjp(*(v[::-1] for v in wide), 0, reverse=True))
        assert (g[::-1][place] == np.float32(right)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "last"),
    [
        ([2.0**-500] * 6 + [1.0] * 58 + [2.0**240] * 4 + [1.0] * 59 + [0.0], 2.0**60),
        ([2.0**500] * 6 + [1.0] * 58 + [2.0**-45] * 11 + [1.0] * 52 + [0.0], 2.0**-495),
        ([2.0**-500] * 4 + [1.0] * 60 + [2.0**200] * 4 + [1.0] * 59 + [0.0], 2.0**700),
    ],
)
def test_results_far_outside_the_range_of_float64(x, last, kind):
    x, c = np.array(x), np.zeros(len(x))
    c[-1] = last
    for copies in (1, 64):
        wide = [np.repeat(v[:, None], copies, 1) for v in (x, c)]
        y = np.asarray(FUNCTIONS[kind](*wide, 0))
        oracle.gradient.check(kind, *(v[:, :1] for v in wide), y[:, :1], axis=0)


@st.composite
def walks(draw):
    """Runs of powers of two with zeros between them, across the ends of blocks."""
    runs = draw(st.lists(st.tuples(st.integers(-149, 127), st.integers(1, 40)),
                         min_size=1, max_size=8))  # fmt: skip
    parts = []
    for exponent, length in runs:
        parts += [2.0**exponent] * length
        parts += draw(st.sampled_from([[], [0.0], [1.0] * 60]))
    return np.array(parts, np.float32)


@given(data=st.data())
def test_walks_far_outside_the_range(data):
    x = data.draw(walks())
    c = np.zeros(len(x), np.float32)
    for at in data.draw(st.lists(st.integers(0, len(x) - 1), max_size=3)):
        c[at] = 2.0 ** data.draw(st.integers(-149, 127))
    copies = data.draw(st.sampled_from([1, 64]))
    inclusive, reverse = data.draw(st.booleans()), data.draw(st.booleans())
    options = {"inclusive": inclusive, "reverse": reverse}
    for kind, f in FUNCTIONS.items():
        wide = [np.repeat(v[:, None], copies, 1) for v in (x, c)]
        y = np.asarray(f(*wide, 0, **options))
        assert (y == y[:, :1]).all()
        one = y[:, :1]
        unit = step_unit("float32")
        oracle.gradient.check(
            kind, x[:, None], c[:, None], one, axis=0, unit=unit, **options
        )


@pytest.mark.parametrize("length", [2, 200])
def test_an_infinite_part_spares_the_other(length):
    """Of a term that is added, not multiplied."""
    x = np.full(length, 1 - 2j, np.complex64)
    c = np.ones(length, np.complex64)
    c[-1] = complex(np.inf, 1)
    g = checked("vjp", x[:, None], c[:, None], axis=0)
    assert np.isinf(g[-1, 0].real)
    checked("vjp", np.repeat(x[:, None], 40, 1), np.repeat(c[:, None], 40, 1), axis=0)


def infinite_diagonal(n):
    """Lines of complex numbers near 1, each with one infinite part elsewhere."""
    rng = np.random.default_rng(9)
    x = np.exp(1j * rng.normal(0, 0.3, (n, n))).astype(np.complex64)
    np.fill_diagonal(x, complex(1, -np.inf))
    return x, rng.normal(size=(n, n, 2)).astype(np.float32).view(np.complex64)[..., 0]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_products_around_an_infinite_part_are_those_from_left_to_right(kind, axis):
    x, c = infinite_diagonal(200)
    for reverse, inclusive in [(False, False), (True, True)]:
        y = checked(kind, x, c, axis=axis, reverse=reverse, inclusive=inclusive)
        parts = y.view(np.float32).reshape(*y.shape, 2)
        # Multiplied in another order, both would be NaN.
        assert (np.isinf(parts).any(-1) & np.isnan(parts).any(-1)).sum() > 20


def test_without_an_axis_arrays_are_lines():
    rng = np.random.default_rng(2)
    x = rng.uniform(0.5, 1.5, (6, 7)).astype(np.float32).T
    c, t = rng.normal(size=42).astype(np.float32), x + 1
    g = upsweep.cumprod_vjp(x, c)
    assert g.shape == x.shape
    line = upsweep.cumprod_vjp(x.reshape(-1), c, 0)
    assert np.array_equal(np.asarray(g).reshape(-1), line)
    y = upsweep.cumprod_jvp(x, t)
    assert np.array_equal(y, upsweep.cumprod_jvp(x.reshape(-1), t.reshape(-1), 0))
    one = upsweep.cumprod_vjp(np.float32(3), [2.0])
    assert one.shape == ()
    assert one.tolist() == 2
    assert upsweep.cumprod_jvp(np.float32(3), 2.0).tolist() == [2]


def test_terms_broadcast():
    x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    full = np.ones((2, 3), np.float32)
    for f in FUNCTIONS.values():
        right = np.asarray(f(x, full, 1))
        for terms in (
            1,
            [1.0],
            [[1], [1]],
            full[:1],
            np.broadcast_to(full[0, 0], (2, 3)),
        ):
            assert np.array_equal(f(x, terms, 1), right)


SAME_BITS = """
import hashlib, numpy as np, upsweep
digest = hashlib.sha256()
for shape, axis in [((700_001,), 0), ((50_000, 20), 0), ((4, 200_000), 1)]:
    rng = np.random.default_rng(3)
    x = np.exp(rng.normal(0, 0.01, shape))
    x.flat[100_000:100_020] = 1e18
    c = rng.normal(size=shape)
    for dtype in (np.float32, np.float64, np.complex64):
        for f in (upsweep.cumprod_vjp, upsweep.cumprod_jvp):
            y = f(x.astype(dtype), c.astype(dtype), axis)
            digest.update(np.asarray(y).tobytes())
print(digest.hexdigest())
"""


@cpu_only
def test_the_bits_do_not_depend_on_the_number_of_threads():
    outputs = {run_python("-c", SAME_BITS, UPSWEEP_NUM_THREADS=str(n))
               for n in (1, 2, 7)}  # fmt: skip
    assert len(outputs) == 1


A = upsweep.ones((2, 3))
ERRORS = [
    (lambda f, _: f(upsweep.ones((2,), upsweep.int32), [1]), TypeError,
     "a is int32, whose products have no derivative; convert it"),
    (lambda f, _: f(A, upsweep.ones((2, 3), upsweep.float16), 1), TypeError,
     "{} is float16, but a is float32; convert it with astype"),
    (lambda f, _: f(A, 1j, 1), TypeError,
     "{}: A complex number cannot become float32"),
    (lambda f, _: f(None, A), TypeError, "a: it must be an array or array-like"),
    (lambda f, _: f(A, None, 1), TypeError, "{}: it must be an array or array-like"),
    (lambda f, _: f(A, upsweep.ones((3, 2)), 1), ValueError,
     "{} has shape (3,2); give it the shape (2,3), or one that broadcasts to it."),
    (lambda f, _: f(A, A, 2), IndexError, "Axis 2 is out of bounds for array with 2"),
    (lambda f, _: f(A, A, "x"), TypeError, "axis must be an integer"),
    (lambda f, _: f(A, A, 1, reverse=1), TypeError, "reverse"),
    (lambda f, _: f(A, A, 1, inclusive=None), TypeError, "inclusive"),
    (lambda f, _: f(A, A, 1, stream="x"), TypeError, "stream"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_name_the_argument(number, kind):
    call, error, text = ERRORS[number]
    text = text.format({"vjp": "cotangent", "jvp": "tangent"}[kind])
    with pytest.raises(error, match=re.escape(text)) as caught:
        call(FUNCTIONS[kind], kind)
    assert str(caught.value).startswith(f"[cumprod_{kind}] ")


def test_a_cotangent_without_an_axis_is_a_line():
    with pytest.raises(ValueError, match=re.escape("give it the shape (6)")):
        upsweep.cumprod_vjp(A, A)
    assert upsweep.cumprod_jvp(A, A).shape == (6,)


@pytest.mark.parametrize("f", FUNCTIONS.values())
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2**40, 0)])
def test_empty_arrays(shape, f):
    a = upsweep.zeros(shape)
    for axis in range(len(shape)):
        assert f(a, a, axis).shape == shape
