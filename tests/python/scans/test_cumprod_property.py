"""cumprod against the oracle, over dtypes, shapes, axes, flags and strides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, checked_scan, numpy_dtype
from values import kinds, make, special_values
from views import both, recipes

SHAPES = st.one_of(
    st.lists(st.integers(0, 6), max_size=5),
    st.tuples(st.integers(0, 3000)),
    st.tuples(st.integers(1, 3), st.integers(0, 900)),
    st.tuples(st.integers(0, 900), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(0, 300), st.integers(1, 5)),
).map(tuple)


@st.composite
def inputs(draw, dtype, shapes=SHAPES):
    """An array of one of the named kinds, or drawn element by element."""
    shape = draw(shapes)
    size = int(np.prod(shape, dtype=int))
    if dtype.kind not in "biuc" and size <= 24 and draw(st.booleans()):
        pool = st.sampled_from(special_values(dtype))
        elements = draw(st.lists(pool, min_size=size, max_size=size))
        with np.errstate(all="ignore"):
            return np.array(elements).astype(dtype).reshape(shape)
    kind = draw(st.sampled_from(sorted(kinds(dtype))))
    return make(kind, dtype, shape, draw(st.integers(0, 2**32 - 1)))


@st.composite
def cases(draw, dtype):
    x, a = draw_views(draw, dtype)
    axes = [None, *range(-x.ndim, x.ndim)]
    return x, a, {
        "axis": draw(st.sampled_from(axes)),
        "reverse": draw(st.booleans()),
        "inclusive": draw(st.booleans()),
    }  # fmt: skip


def draw_views(draw, dtype, shapes=SHAPES):
    base = draw(inputs(dtype, shapes))
    return both(base, draw(recipes(base.shape)), shared=draw(st.booleans()))


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_cumprod_keeps_the_contract(name, data):
    x, a, options = data.draw(cases(numpy_dtype(name)))
    checked_scan("cumprod", a, x, **options)
