"""The kernels of linear recurrences against the exact oracle, over dtypes, views that
are broadcast, geometries, resets and seeds."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from scans import LOOK_BACK, THREE_PASSES, Geometry, Refused, recurrence
from test_kernels import Less, draw_geometry, draw_view, numpy_dtype
from test_resets import draw_resets

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
import values
from oracle.recurrence import check

NAMES = ["float16", "bfloat16", "float32"]
UNIT = -44


def checked(engine, a, b, **options):
    """The result for arrays of one shape, checked against the contract."""
    y, _ = recurrence(engine, a, b, **options)
    of_kernel = ("geometry", "passes")
    check(a, b, y, unit=UNIT,
          **{k: v for k, v in options.items() if k not in of_kernel})  # fmt: skip
    return y


def draw_values(r, dtype, shape):
    seed = r.getrandbits(32)
    rng = np.random.default_rng(seed)
    kind = r.choice([*sorted(values.kinds(dtype)), "uniform", "uniform", "rare"])
    if kind == "uniform":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if kind == "rare":
        return ((rng.random(shape) < 0.1) * rng.normal(size=shape)).astype(dtype)
    return values.make(kind, dtype, shape, seed)


def draw_operand(r, dtype, shape):
    """An array that is broadcast along some axes, in some layout."""
    mine = tuple(1 if r.random() < 0.2 else n for n in shape)
    order = r.sample(range(len(shape)), len(shape))
    x = draw_values(r, dtype, tuple(mine[i] for i in order))
    x = x.transpose(np.argsort(order))
    for axis in range(x.ndim):
        if r.random() < 0.3:
            x = np.flip(x, axis)
    if r.random() < 0.2:
        x = np.repeat(x, 2, -1)[..., ::2]
    return np.broadcast_to(x, shape)


def draw_shape(r, most):
    left, shape = r.randint(1, most), []
    for _ in range(r.choice([0, 0, 1, 1, 2, 3])):
        shape.append(r.choice([1, 2, 3, 5, 16, 33, r.randint(1, min(left, 300))]))
        left = max(1, left // shape[-1])
    shape.append(left)
    r.shuffle(shape)
    return tuple(shape)


def check_random_recurrences(engine, name, seed, count, most, passes=None):
    dtype = numpy_dtype(name)
    for i in range(count):
        r = random.Random(f"recurrence {seed} {i}")
        engine.set_seed(seed * 1000 + i)
        shape = draw_shape(r, most)
        a, b = (draw_operand(r, dtype, shape) for _ in range(2))
        options = {
            "axis": r.randrange(len(shape)),
            "reverse": r.random() < 0.5,
            "inclusive": r.random() < 0.5,
            "reset": draw_resets(r, shape) if r.random() < 0.5 else None,
            "geometry": draw_geometry(r, engine.tuning),
        }
        try:
            checked(engine, a, b, passes=passes, **options)
        except AssertionError as error:
            where = f"case {i}, {vars(options['geometry'])}"
            raise AssertionError(f"{where}: {error}") from None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_random_recurrences_keep_the_contract(engine, name, seed):
    check_random_recurrences(engine, name, seed, 12, 6000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3, 7))
def test_random_recurrences_in_small_tiles_keep_the_contract(small_engine, name, seed):
    check_random_recurrences(small_engine, name, seed, 20, 1500)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(7, 11))
def test_recurrences_keep_the_contract_with_look_back(small_engine, name, seed):
    check_random_recurrences(small_engine, name, seed, 10, 5000, LOOK_BACK)
