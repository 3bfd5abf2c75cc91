"""Scanned axes of one to five elements, in every operator and layout."""

import itertools

import numpy as np
import pytest
import upsweep
from support import DTYPES, OPS, checked_scan, numpy_dtype, result_dtype
from values import kinds, make
from views import apply

FLAGS = [
    {"reverse": reverse, "inclusive": inclusive}
    for inclusive in (True, False)
    for reverse in (False, True)
]
FAST = [op for op in OPS if op != "logcumsumexp"]
# Ordinary values by the kind of a dtype; bfloat16 is of kind V.
PLAIN = {
    "b": "truths",
    **dict.fromkeys("iu", "any_bits"),
    **dict.fromkeys("fV", "specials"),
    "c": "turning",
}
# What the elements of the base, whose shape is (2, 67, 18), become.
LAYOUTS = {
    "contiguous": [],
    "every second": [("slice", (..., slice(None, None, 2)))],
    "every third backwards": [("slice", (..., slice(None, None, -3)))],
    "backwards": [("slice", (slice(None, None, -1),) * 3)],
    "transposed": [("transpose", (2, 1, 0))],
    "swapped": [("transpose", (0, 2, 1))],
    "turned": [("transpose", (1, 2, 0))],
    "rows that repeat": [
        ("slice", (slice(None), slice(0, 1))),
        ("broadcast", (2, 67, 18)),
    ],
    "elements that repeat": [
        ("slice", (..., slice(0, 1))),
        ("broadcast", (2, 67, 18)),
    ],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", DTYPES)
def test_axes_of_one_element(name, layout):
    dtype = numpy_dtype(name)
    # logcumsumexp has a slow oracle, and of complex numbers a contract for finite ones.
    cases = [
        *itertools.product(FAST, kinds(dtype)),
        ("logcumsumexp", PLAIN[dtype.kind]),
    ]
    for number, (op, kind) in enumerate(cases):
        base = make(kind, dtype, (2, 67, 18), number)
        view = apply(np, base, LAYOUTS[layout])
        a = apply(upsweep, upsweep.asarray(base), LAYOUTS[layout])
        axis, flags = number % 4, FLAGS[number // 3 % 4]
        one, a = np.expand_dims(view, axis), upsweep.expand_dims(a, axis)
        checked_scan(op, a, one, axis=axis, **flags)


@pytest.mark.parametrize("shape", [(300_001, 1), (601, 1, 577), (1, 2, 150_001)])
@pytest.mark.parametrize("name", ["uint8", "float16", "float32", "complex64"])
def test_axes_of_one_element_on_several_threads(name, shape):
    axis = shape.index(1)
    dtype = numpy_dtype(name)
    x = make(sorted(kinds(dtype))[0], dtype, shape, 7)
    for layout in (x, np.ascontiguousarray(x.T).T, np.repeat(x, 2, -1)[..., ::2]):
        y = np.asarray(upsweep.cumprod(layout, axis=axis, stream=upsweep.cpu))
        # Each element is the scan of a line of its own.
        some = np.s_[:50], np.s_[-50:]
        for part in some:
            flat = np.ascontiguousarray(layout).reshape(-1)[part]
            result = np.ascontiguousarray(y).reshape(-1)[part]
            for value, expected in zip(result, flat, strict=True):
                alone = upsweep.cumprod(np.array([expected]), stream=upsweep.cpu)
                assert np.asarray(alone).tobytes() == value.tobytes()


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", DTYPES)
def test_exclusive_scans_of_one_element_start_with_the_identity(op, name):
    x = np.ones((2, 70_001, 1), numpy_dtype(name))
    scan = getattr(upsweep, op)
    y = scan(x, axis=2, inclusive=False, stream=upsweep.cpu)
    # The identity is what an exclusive scan of two elements starts with.
    two = scan(x[:, :2, 0], axis=1, inclusive=False, stream=upsweep.cpu)
    first = np.asarray(two)[0, 0]
    assert y.dtype.name == result_dtype(op, name)
    assert np.asarray(y).tobytes() == np.full(x.shape, first).tobytes()


@pytest.mark.parametrize("name", DTYPES)
def test_axes_of_a_few_elements(name):
    """Alone along memory, beside one to three neighbours, and with gaps; panels are
    full and not."""
    dtype = numpy_dtype(name)
    cases = itertools.product([2, 3, 4, 5], [1, 2, 3], [17, 530], [1, 2])
    for number, (extent, inner, slabs, step) in enumerate(cases):
        kind = sorted(kinds(dtype))[number % len(kinds(dtype))]
        base = make(kind, dtype, (slabs, extent, inner * step), number)
        view = base[:, :, ::step]
        op = ["cumprod", "cumsum", "cummax", "cummin"][number % 4]
        a = upsweep.asarray(base)[:, :, ::step]
        checked_scan(op, a, view, axis=1, **FLAGS[number // 4 % 4])
