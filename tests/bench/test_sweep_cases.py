"""The cases of the sweep: drawn alike from a seed, of all kinds, within the limits, of
the layouts and values that they promise, and scanned alike by all libraries."""

import math
from contextlib import nullcontext
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import upsweep

from bench.sweep_cases import (
    DTYPES,
    LAYOUTS,
    LIMITS,
    OPS,
    QUICK,
    VALUES,
    Drawn,
    drawn,
    prime,
)
from bench.sweep_peers import cupy_scan, numpy_scan, torch_scan, upsweep_scan
from bench.sweep_values import EXPONENTS, SHORT, numpy_base, stored, torch_base, view

MANY = 2000


def cases(count=300, seed=1, limits=QUICK):
    return list(islice(drawn(seed, limits), count))


@pytest.fixture(scope="module", params=["cpu", "gpu"])
def many(request):
    return request.param, cases(MANY, limits=LIMITS[request.param])


def test_a_seed_gives_the_same_cases():
    first = cases(50)
    assert cases(100)[:50] == first
    assert cases(50, seed=2) != first
    assert [case.number for case in first] == list(range(50))


def test_all_kinds_occur(many):
    device, found = many
    dtypes = set(DTYPES) - ({"float64"} if device == "gpu" else set())
    assert {case.op for case in found} == set(OPS)
    assert {case.dtype for case in found} == dtypes
    assert {case.layout for case in found} == set(LAYOUTS)
    assert {(case.op, case.dtype) for case in found if case.op == "cumprod"} == {
        ("cumprod", dtype) for dtype in dtypes
    }
    for op, values in VALUES.items():
        assert set(values) <= {case.values for case in found if case.op == op}
    places = {(len(case.shape), case.axis) for case in found}
    assert places == {(rank, axis) for rank in range(1, 5) for axis in range(rank)}
    flags = {(case.reverse, case.inclusive) for case in found}
    assert len(flags) == 4


def test_extents_are_of_all_forms(many):
    extents = {n for case in many[1] for n in case.shape if n > 1000}
    powers = {1 << k for k in range(10, 31)}
    assert len(extents & powers) > 5
    assert len(extents & {n + 1 for n in powers}) > 5
    assert len(extents & {n - 1 for n in powers}) > 5
    assert sum(prime(n) == n for n in extents if n < 1 << 20) > 50


def test_float32_products_are_the_most_frequent(many):
    pairs = [(case.op, case.dtype) for case in many[1]]
    assert max(set(pairs), key=pairs.count) == ("cumprod", "float32")


def test_sizes_are_within_the_limits(many):
    device, found = many
    limits = LIMITS[device]
    sizes = [case.nbytes for case in found]
    assert limits.least <= min(sizes) < 2 * limits.least
    assert limits.most / 2 < max(sizes) <= limits.most
    large = sum(size >= limits.mark for size in sizes) / MANY
    assert limits.share - 0.05 < large < limits.share + 0.05


def test_primes():
    assert [prime(n) for n in (2, 4, 9, 65536)] == [2, 3, 7, 65521]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_have_the_strides_of_their_layout(layout):
    checked = 0
    for case in cases():
        if case.layout != layout:
            continue
        base = numpy_base(case)
        x = view(base, case)
        assert x.shape == case.shape
        assert x.dtype.name == case.dtype
        contiguous = [
            math.prod(case.shape[k + 1 :]) * x.itemsize for k in range(x.ndim)
        ]
        if layout in ("contiguous", "offset"):
            expected = contiguous
        elif layout == "transposed":
            expected = [math.prod(case.shape[:k]) * x.itemsize for k in range(x.ndim)]
        elif layout == "stride 2":
            expected = [2 * step for step in contiguous]
        elif layout == "reversed":
            expected = [-step for step in contiguous]
        else:
            lost = case.shape[case.repeated]
            assert case.repeated != case.axis
            expected = [
                step // lost if k < case.repeated else step
                for k, step in enumerate(contiguous)
            ]
            expected[case.repeated] = 0
        # Of an axis of one element any stride will do.
        expected = [
            own if n == 1 else step
            for n, step, own in zip(case.shape, expected, x.strides, strict=True)
        ]
        assert list(x.strides) == expected, case
        offset = x.__array_interface__["data"][0] - base.ctypes.data
        if layout == "offset":
            assert offset == x.itemsize
        a = view(upsweep.asarray(base), case)
        steps = [step * x.itemsize for step in a.strides]
        assert [
            own if n == 1 else step
            for n, step, own in zip(case.shape, steps, x.strides, strict=True)
        ] == expected
        checked += 1
    assert checked > 5


def written(case, y):
    """What a library gives, without the first element of an exclusive scan, which
    other libraries do not write."""
    if not case.inclusive:
        rest = slice(None, -1) if case.reverse else slice(1, None)
        return y[(slice(None),) * case.axis + (rest,)]
    return y


def ours(case):
    a = view(upsweep.asarray(numpy_base(case)), case)
    return np.asarray(upsweep_scan(case, a, upsweep.cpu)())


def test_results_stay_where_the_values_promise():
    met = set()
    for case in cases(600):
        promised = ("near one", "see-saw", "overflow", "balanced")
        if case.values not in promised or case.dtype not in EXPONENTS:
            continue
        y = abs(written(case, ours(case)).astype(np.clongdouble))
        if not y.size:
            continue
        assert np.isfinite(y).all(), case
        most = 2.0 ** EXPONENTS[case.dtype][1]
        if case.values == "overflow":
            assert y.max() > most / 64
        if case.op == "cumprod":
            assert y.min() > 0
        if case.values == "near one":
            assert y.max() < 4
            assert y.min() > 1 / 4
        met.add((case.op, case.values, case.reverse))
    assert len(met) == 2 * (3 + 3)


def test_see_saws_leave_no_product_of_neighbours_in_between():
    case = Drawn(0, "cumprod", "float32", (3, 8), 1, True, True, "reversed", "see-saw")
    x = view(numpy_base(case), case).astype(np.float64)
    y = np.multiply.accumulate(x[:, ::-1], 1)
    assert np.array_equal(np.unique(y), np.exp2([-100.0, 0, 100]))


def is_exact(case):
    return case.dtype not in EXPONENTS and case.op != "logcumsumexp"


def test_numpy_scans_alike():
    checked = set()
    for case in cases(600):
        if is_exact(case):
            y = numpy_scan(case, view(numpy_base(case), case))()
            assert y.dtype.name == case.result_dtype
            assert np.array_equal(written(case, y), written(case, ours(case))), case
            checked.add((case.layout, case.reverse, case.inclusive))
    assert len(checked) > 3 * len(LAYOUTS)


def test_pytorch_scans_alike():
    torch = pytest.importorskip("torch")
    checked = set()
    for case in cases(600):
        if is_exact(case) and case.dtype.startswith("int"):
            y = torch_scan(torch, case, torch_base(torch, case, "cpu"))()
            assert np.array_equal(written(case, y.numpy()), written(case, ours(case)))
            checked.add((case.layout, case.reverse, case.inclusive))
    assert len(checked) > 3 * len(LAYOUTS)


def test_cupy_scans_alike():
    class CuPy:
        """NumPy's functions of the same names and arguments."""

        from_dlpack, ones, flip = np.from_dlpack, np.ones, np.flip
        cumprod, cumsum = np.cumprod, np.cumsum
        cuda = SimpleNamespace(ExternalStream=nullcontext)

    checked = set()
    for case in cases(900):
        if is_exact(case) and case.op in ("cumprod", "cumsum"):
            y = cupy_scan(CuPy, case, numpy_base(case), 0)()
            assert y.dtype.name == case.result_dtype
            assert np.array_equal(written(case, y), written(case, ours(case))), case
            checked.add((case.layout, case.reverse, case.inclusive))
    assert len(checked) > 3 * len(LAYOUTS)


def test_pytorch_gets_the_same_input():
    torch = pytest.importorskip("torch")
    for case in cases():
        base = torch_base(torch, case, "cpu")
        assert base.dtype == getattr(torch, case.dtype)
        # PyTorch has no negative strides: the memory itself is compared.
        plain = case.layout == "reversed"
        x, t = numpy_base(case), base
        if not plain:
            x, t = stored(x, case), stored(t, case)
        if case.dtype in SHORT:
            x, t = x.astype(np.float32), t.float()
        assert np.array_equal(x, t.numpy()), case
