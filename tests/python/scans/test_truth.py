"""bool_: any byte but 0 is true, in every function that reads elements, and results are
0 or 1."""

import itertools
import math
import pickle

import numpy as np
import pytest
import upsweep
from support import DTYPES, OPS, checked_scan, numpy_dtype, stream_for
from views import apply

DIRECTIONS = list(itertools.product([False, True], [False, True]))


def mask(shape, seed=0):
    """Bytes of all values viewed as bool, and the truth of each."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, shape, dtype=np.uint8)
    raw[rng.random(shape) < 0.02] = 0
    return raw.view(bool), raw != 0


# One line, in one tile and in several; consecutive lines; neighbouring lines.
SHAPES = [((7,), 0), ((70_001,), 0), ((37, 20), 1), ((300, 1030), 0), ((5, 700), 1)]
STEPS = [[], [("slice", (slice(None, None, -1),))]]


@pytest.mark.parametrize("op", OPS)
def test_scans(op):
    for (shape, axis), steps in itertools.product(SHAPES, STEPS):
        raw, truth = (apply(np, x, steps) for x in mask(shape))
        for reverse, inclusive in DIRECTIONS:
            options = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
            result = getattr(upsweep, op)(raw, **options)
            expected = getattr(upsweep, op)(truth.copy(), **options)
            assert np.asarray(result).tobytes() == np.asarray(expected).tobytes()
            if result.dtype is upsweep.bool_:
                assert np.asarray(result).view(np.uint8).max() <= 1


@pytest.mark.parametrize("op", OPS)
def test_scans_keep_the_contract(op):
    raw, truth = mask((3, 500), seed=1)
    checked_scan(op, upsweep.asarray(raw), truth, axis=1)


def test_results_of_maxima_and_minima_are_0_or_1():
    raw = np.array([0, 255, 3, 0], np.uint8).view(bool)
    for op, expected in (("cummax", [0, 1, 1, 1]), ("cummin", [0, 0, 0, 0])):
        found = getattr(upsweep, op)(raw)
        assert np.asarray(found).view(np.uint8).tolist() == expected


@pytest.mark.parametrize("name", DTYPES)
def test_conversions(name):
    raw, truth = mask((41, 50), seed=2)
    for view, expected in ((raw, truth), (raw.T[::2], truth.T[::2])):
        a = upsweep.asarray(view).astype(
            getattr(upsweep, name), stream=stream_for(name)
        )
        assert np.array_equal(np.asarray(a), expected.astype(numpy_dtype(name)))
    copied = upsweep.array(raw)
    assert np.asarray(copied).view(np.uint8).max() == 1


def test_comparisons():
    raw, truth = mask((300,), seed=3)
    a = upsweep.asarray(raw)
    ones = upsweep.ones((300,), upsweep.bool_)
    assert (a == True).tolist() == truth.tolist()  # noqa: E712
    assert (a == ones).tolist() == truth.tolist()
    assert (a != ones).tolist() == (~truth).tolist()
    assert (a == upsweep.ones((300,), upsweep.int32)).tolist() == truth.tolist()
    for equal in (upsweep.array_equal, upsweep.allclose):
        assert bool(equal(a, truth))
        assert bool(equal(a, a.tolist()))


def test_numbers_of_python():
    for byte in (1, 2, 128, 255):
        a = upsweep.asarray(np.array([byte], np.uint8).view(bool))
        assert a.item() is True
        assert a.tolist() == [True]
        assert bool(a)
        assert int(a) == float(a) == 1
        assert repr(a) == "array([True], dtype=bool_)"
        assert upsweep.array([a, [0]]).tolist() == [[1], [0]]
        assert upsweep.array([a, [2.5]]).tolist() == [[1], [2.5]]
        assert pickle.loads(pickle.dumps(a)).tolist() == [True]


def test_logcumsumexp():
    raw = np.array([2, 255, 0], np.uint8).view(bool)
    found = upsweep.logcumsumexp(raw).tolist()
    expected = [1, 1 + math.log(2), math.log(2 * math.e + 1)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_every_import():
    raw = bytes([2, 0, 255])
    imports = [
        memoryview(raw).cast("?"),
        np.frombuffer(raw, bool),
        np.frombuffer(raw, bool).reshape(3, 1)[:, 0],
    ]
    for imported in imports:
        assert upsweep.cumsum(imported).tolist() == [1, 1, 2]
        assert upsweep.cumprod(imported).tolist() == [True, False, False]
    assert upsweep.from_dlpack(imports[1]).tolist() == [True, False, True]


def test_a_view_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.tensor([255, 255, 0, 7], dtype=torch.uint8).view(torch.bool)
    assert upsweep.cumsum(t).tolist() == [1, 2, 2, 3]
    assert upsweep.cummin(t, reverse=True).tolist() == [False, False, False, True]
