"""cumprod_vjp and cumprod_jvp with resets against the oracle, which follows each
segment as a line of its own; what one segment must not do to another; and errors."""

import itertools
import re

import numpy as np
import oracle.gradient
import pytest
import upsweep
from hypothesis import given
from hypothesis import strategies as st
from support import cpu_only, numpy_dtype, run_python, step_unit
from test_gradient import (
    DTYPES,
    FUNCTIONS,
    KINDS,
    infinite_diagonal,
    operands,
    walks,
)
from test_recurrence import SHAPES, in_layout


def checked(kind, x, terms, reset, **options):
    """The result, checked against the contract."""
    y = np.asarray(FUNCTIONS[kind](x, terms, reset=reset, **options))
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    unit = step_unit(x.dtype.name)
    terms = np.broadcast_to(terms, x.shape)
    oracle.gradient.check(kind, x, terms, y, reset=reset, unit=unit, **options)
    return y


@st.composite
def masks(draw, shape, axis):
    """Of any strides; some are the same along an axis, with a stride of 0."""
    share = draw(st.sampled_from([0, 0.02, 0.3, 0.9, 1]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random(shape) < share
    if mask.size and draw(st.booleans()):
        ends = [0, -1] if draw(st.booleans()) else [draw(st.sampled_from([0, -1]))]
        np.moveaxis(mask, axis, 0)[ends] = True
    if draw(st.booleans()):
        other = draw(st.integers(0, len(shape) - 1))
        return np.broadcast_to(np.take(mask, [0], other), shape) if mask.size else mask
    flips = [draw(st.booleans()) for _ in shape]
    return in_layout(mask, draw(st.sampled_from("CF")), flips, draw(st.integers(1, 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_segments_keep_the_contract(name, kind, data):
    dtype, shape = numpy_dtype(name), data.draw(SHAPES)
    x, terms = (data.draw(operands(shape, dtype)) for _ in range(2))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    if data.draw(st.booleans()):
        terms = np.broadcast_to(terms.reshape(-1)[:1], shape) if terms.size else terms
    checked(
        kind,
        x,
        terms,
        data.draw(masks(shape, axis)),
        axis=axis,
        reverse=data.draw(st.booleans()),
        inclusive=data.draw(st.booleans()),
    )


# Where blocks, stripes and tiles start and end, and next to it.
EDGES = sorted({k * n + d for n in (64, 512, 1024, 8192) for k in (1, 2, 7)
                for d in (-1, 0, 1)})  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(9000,), (2, 1500), (1500, 3), (300, 37)])
@pytest.mark.parametrize("places", ["edges", "ends", "few", "many"])
def test_lines_of_several_blocks(name, kind, shape, places):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(5)
    axis = int(np.argmax(shape))
    n = shape[axis]
    # In which the numbers of long segments leave the range of double and come back.
    logs = rng.normal(0, 0.1, shape) + np.where(np.arange(n) // 400 % 2, 2, -2).reshape(
        [-1 if i == axis else 1 for i in range(len(shape))]
    )
    x, terms = np.exp(logs).astype(dtype), rng.normal(size=shape).astype(dtype)
    reset = np.zeros(shape, bool)
    along = np.moveaxis(reset, axis, 0)
    if places == "edges":
        at = np.array([e for e in EDGES if e < n])
        along[at] = rng.random(along[at].shape) < 0.5
    elif places == "ends":
        along[[0, -1]] = True
    else:
        along[...] = rng.random(along.shape) < {"few": 0.001, "many": 0.1}[places]
    checked(kind, x, terms, reset, axis=axis)
    checked(kind, x, terms, reset, axis=axis, reverse=True, inclusive=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
def test_results_at_all_resets_and_at_none(name, kind):
    rng = np.random.default_rng(7)
    for shape in [(300,), (90, 33), (33, 90)]:
        x, c = (rng.normal(size=shape).astype(numpy_dtype(name)) for _ in range(2))
        for inclusive in (True, False):
            y = FUNCTIONS[kind](
                x, c, 0, reset=np.ones(shape, bool), inclusive=inclusive
            )
            assert np.array_equal(np.asarray(y), c if inclusive else np.zeros_like(c))
            # With resets the CPU computes, which may round otherwise.
            with upsweep.stream(upsweep.cpu):
                none = FUNCTIONS[kind](
                    x, c, 0, reset=np.zeros(shape, bool), inclusive=inclusive
                )
                right = np.asarray(FUNCTIONS[kind](x, c, 0, inclusive=inclusive))
            assert np.asarray(none).tobytes() == right.tobytes()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_infinite_parts_between_resets(kind, axis):
    x, c = infinite_diagonal(200)
    reset = np.zeros(x.shape, bool)
    np.moveaxis(reset, axis, 0)[[50, 63, 64, 130]] = True
    checked(kind, x, c, reset, axis=axis, inclusive=False)
    checked(kind, x, c, reset, axis=axis, reverse=True)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("value", SPECIAL, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize(("n", "starts"), [(9, [4]), (400, [128, 192]), (1100, [1024])])
def test_a_segment_does_not_reach_another(n, starts, name, kind, value):
    """Whatever is in one segment, others are finite and right."""
    rng = np.random.default_rng(11)
    x, c = (rng.uniform(0.9, 1.1, (n, 1)).astype(numpy_dtype(name)) for _ in range(2))
    reset = np.zeros((n, 1), bool)
    reset[starts] = True
    segment = np.cumsum(reset)
    for place, reverse, inclusive, of_terms in itertools.product(*[(False, True)] * 4):
        at = starts[-1] - place
        operands = [x.copy(), c.copy()]
        operands[of_terms][at] = value
        turn = slice(None, None, -1 if reverse else 1)
        x1, c1, mask = (each[turn] for each in (*operands, reset))
        options = {"axis": 0, "reverse": reverse, "inclusive": inclusive}
        y = checked(kind, x1, c1, mask, **options)
        assert np.isfinite(y[segment[turn] != segment[at]]).all()
        wide = [np.repeat(each, 40, 1) for each in (x1, c1, mask)]
        columns = FUNCTIONS[kind](*wide[:2], reset=wide[2], **options)
        columns = np.asarray(columns)
        same = columns.view(np.uint8).reshape(n, 40, -1)
        assert (same == same[:, :1]).all()
        unit = step_unit(name)
        oracle.gradient.check(
            kind, x1, c1, columns[:, :1], reset=mask, unit=unit, **options
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("first", [2.0**100, 2.0**-100])
def test_segments_leave_the_range_of_double_and_come_back(first, name, kind):
    """Within a block, whose last segment does not tell of it."""
    one = {"float16": first**0.15, "float64": first**9}.get(name, first)
    x = np.array(([one] * 12 + [1 / one] * 12 + [1] * 40) * 2)[:, None]
    x = x.astype(numpy_dtype(name))
    c, reset = np.ones_like(x), np.arange(128)[:, None] % 32 == 0
    for copies in (1, 40):
        wide = [np.repeat(each, copies, 1) for each in (x, c, reset)]
        for turn in (slice(None), slice(None, None, -1)):
            for inclusive in (True, False):
                options = {"reverse": turn.step == -1, "inclusive": inclusive}
                ours = [each[turn] for each in wide]
                y = np.asarray(FUNCTIONS[kind](*ours[:2], 0, reset=ours[2], **options))
                assert np.array_equal(y, np.repeat(y[:, :1], copies, 1))
                ones = [each[:, :1] for each in (*ours[:2], y)]
                oracle.gradient.check(
                    kind,
                    *ones,
                    axis=0,
                    reset=ours[2][:, :1],
                    unit=step_unit(name),
                    **options,
                )


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_walks_far_outside_the_range(kind, data):
    x = data.draw(walks())
    n = len(x)
    c = np.zeros(n, np.float32)
    for at in data.draw(st.lists(st.integers(0, n - 1), max_size=3)):
        c[at] = 2.0 ** data.draw(st.integers(-149, 127))
    reset = np.zeros(n, bool)
    reset[data.draw(st.lists(st.integers(0, n - 1), max_size=4))] = True
    copies = data.draw(st.sampled_from([1, 64]))
    wide = [np.repeat(v[:, None], copies, 1) for v in (x, c, reset)]
    options = {"axis": 0, "inclusive": data.draw(st.booleans()),
               "reverse": data.draw(st.booleans())}  # fmt: skip
    y = np.asarray(FUNCTIONS[kind](*wide[:2], reset=wide[2], **options))
    assert (y == y[:, :1]).all()
    unit = step_unit("float32")
    ones = [v[:, None] for v in (x, c)]
    oracle.gradient.check(
        kind, *ones, y[:, :1], reset=reset[:, None], unit=unit, **options
    )


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_offsets_are_those_of_scan(kind, data):
    n = data.draw(st.integers(0, 200))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x, c = (rng.normal(size=n).astype(np.float32) for _ in range(2))
    offsets = np.array(sorted(data.draw(st.lists(st.integers(0, n)))), np.int64)
    options = {"axis": 0, "reverse": data.draw(st.booleans())}
    checked(kind, x, c, offsets, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_axis_arrays_are_lines(kind):
    rng = np.random.default_rng(2)
    x, c = (rng.uniform(0.5, 1.5, (6, 7)).astype(np.float32).T for _ in range(2))
    reset = rng.random((6, 7)).T < 0.2
    flat = [each.reshape(-1) for each in (x, c, reset)]
    right = np.asarray(FUNCTIONS[kind](*flat[:2], 0, reset=flat[2]))
    terms = flat[1] if kind == "vjp" else c
    for each in (reset, np.flatnonzero(flat[2])):
        y = np.asarray(FUNCTIONS[kind](x, terms, reset=each))
        assert np.array_equal(y.reshape(-1), right)
    one = FUNCTIONS[kind](np.float32(3), [2.0] if kind == "vjp" else 2.0, reset=True)
    assert one.tolist() in (2, [2])


SAME_BITS = """
import hashlib, numpy as np, upsweep
digest = hashlib.sha256()
for shape, axis in [((700_001,), 0), ((50_000, 20), 0), ((4, 200_000), 1)]:
    rng = np.random.default_rng(3)
    x = np.exp(rng.normal(0, 0.01, shape))
    x.flat[100_000:100_020] = 1e18
    c = rng.normal(size=shape)
    for share in (0.0001, 0.1):
        reset = rng.random(shape) < share
        for dtype in (np.float32, np.float64, np.complex64):
            for f in (upsweep.cumprod_vjp, upsweep.cumprod_jvp):
                y = f(x.astype(dtype), c.astype(dtype), axis, reset=reset)
                digest.update(np.asarray(y).tobytes())
print(digest.hexdigest())
"""


@cpu_only
def test_the_bits_do_not_depend_on_the_number_of_threads():
    outputs = {run_python("-c", SAME_BITS, UPSWEEP_NUM_THREADS=str(n))
               for n in (1, 2, 7)}  # fmt: skip
    assert len(outputs) == 1


A = upsweep.ones((2, 3))
# Of each, the scan's error says the same.
ERRORS = [
    ({"axis": 1, "reset": np.ones((2, 3), np.float32)}, TypeError,
     "reset must be a bool_ mask or integer offsets, not float32."),
    ({"axis": 1, "reset": np.ones((3, 2), bool)}, ValueError,
     "reset has shape (3,2); a mask must have that of the array, (2,3)."),
    ({"axis": 1, "reset": np.ones(3, bool)}, ValueError,
     "reset has shape (3); a mask must have that of the array, (2,3)."),
    ({"reset": np.ones(6, bool)}, ValueError,
     "reset has shape (6); a mask must have that of the array, (2,3)."),
    ({"axis": 1, "reset": [0, 1]}, ValueError,
     "reset holds offsets, which only an array of one axis can have"),
    ({"reset": [[0, 1]]}, ValueError,
     "reset must be a bool_ mask or a sequence of offsets, not an integer array"),
    ({"reset": [2, 1]}, ValueError, "reset has the offset 1 at position 1"),
    ({"reset": [7]}, ValueError, "reset has the offset 7 at position 0"),
    ({"reset": object()}, TypeError, "reset: "),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_those_of_scan(number, kind):
    options, error, text = ERRORS[number]
    axis, reset = options.get("axis"), options["reset"]
    terms = upsweep.ones((6,)) if axis is None and kind == "vjp" else A
    with pytest.raises(error, match=re.escape(text)) as caught:
        FUNCTIONS[kind](A, terms, axis, reset=reset)
    name = f"[cumprod_{kind}] "
    assert str(caught.value).startswith(name)
    with pytest.raises(error) as same:
        upsweep.scan(A, "prod", axis, reset=reset)
    assert str(same.value).replace("[scan] ", name) == str(caught.value)


@pytest.mark.parametrize("f", FUNCTIONS.values())
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2**40, 0)])
def test_empty_arrays(shape, f):
    a = upsweep.zeros(shape)
    for axis in range(len(shape)):
        reset = upsweep.zeros(shape, upsweep.bool_)
        assert f(a, a, axis, reset=reset).shape == shape
