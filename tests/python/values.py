"""Inputs that break naive scans, by name. Each takes a generator, a NumPy dtype and a
number of elements."""

import ml_dtypes
import numpy as np


def see_saw(rng, dtype, n):
    """Every prefix is in the range; products of neighbours are not."""
    huge = 2.0 ** int(np.log2(float(ml_dtypes.finfo(dtype).max)) * 0.8)
    cycle = [1 / huge, huge, huge, 1 / huge]
    return (np.resize(cycle, n) * rng.uniform(0.75, 1.0, n)).astype(dtype)


def near_one(rng, dtype, n):
    """Rounding errors add up, and the product stays in the range for a long time."""
    width = max(0.002, 2 * float(ml_dtypes.finfo(dtype).eps))
    return np.exp(rng.normal(0, width, n)).astype(dtype)


def log_normal(rng, dtype, n):
    """A walk that stays in the range for some hundred steps, then leaves it."""
    width = np.log(float(ml_dtypes.finfo(dtype).max)) / 20
    return (np.exp(rng.normal(0, width, n)) * rng.choice([-1, 1], n)).astype(dtype)


def subnormals(rng, dtype, n):
    """Products that repeatedly go below the normal range and come back."""
    info = ml_dtypes.finfo(dtype)
    depth = info.nmant // 2
    cycle = [2.0**-depth, 1.0, 2.0**depth, 1.5, 1 / 1.5]
    x = np.resize(cycle, n) * rng.uniform(0.99, 1.01, n)
    x[:1] = float(info.smallest_normal) * 1.25
    return x.astype(dtype)


def subnormal_factors(rng, dtype, n):
    """Each pair is a subnormal and its inverse, as closely as the range allows."""
    tiny = float(ml_dtypes.finfo(dtype).smallest_normal)
    x = rng.uniform(0.1, 1, n) * tiny
    x[1::2] = rng.uniform(0.5, 1, n // 2) / tiny
    return x.astype(dtype)


def special_values(dtype):
    info = ml_dtypes.finfo(dtype)
    tiny, least, most = info.smallest_subnormal, info.smallest_normal, info.max
    values = [0.0, 1, 1.5, 0.5, 2, tiny, 3 * tiny, least, most, np.inf]
    return [float(sign * v) for v in values for sign in (1, -1)] + [np.nan]


def specials(rng, dtype, n):
    """Zeros, infinities, NaN and the ends of the range, here and there."""
    x = near_one(rng, dtype, n)
    at = rng.random(n) < rng.choice([0.5, 4 / (n + 4)])
    x[at] = rng.choice(special_values(dtype), at.sum()).astype(dtype)
    return x


def exits(rng, dtype, n):
    """Near one, then out of the range late, then factors that would bring a product
    back if it had not saturated."""
    x = near_one(rng, dtype, n)
    most = float(ml_dtypes.finfo(dtype).max)
    out = rng.choice([most, 1 / most])
    start = int(n * rng.uniform(0.3, 0.9))
    x[start : start + 2] = out
    x[start + 2 + n // 20 :][:3] = 1 / out
    return x


def one_outlier(rng, dtype, n):
    """A single huge or tiny factor, undone by its inverse right after."""
    x = near_one(rng, dtype, n)
    factor = float(ml_dtypes.finfo(dtype).max) / 4
    at = int(rng.integers(0, max(n - 1, 1)))
    x[at : at + 2] = np.array(rng.permutation([factor, 1 / factor])[: n - at])
    return x


def any_bits(rng, dtype, n):
    raw = rng.integers(0, 256, n * dtype.itemsize, dtype=np.uint8)
    return raw.view(dtype)


FLOAT_VALUES = {
    f.__name__: f
    for f in (
        see_saw, near_one, log_normal, subnormals, subnormal_factors, specials,
        exits, one_outlier, any_bits,
    )
}  # fmt: skip


def odd_numbers(rng, dtype, n):
    """Products that never end at zero."""
    return any_bits(rng, dtype, n) | dtype.type(1)


INTEGER_VALUES = {"any_bits": any_bits, "odd_numbers": odd_numbers}


def truths(rng, dtype, n):
    return rng.random(n) < 1 - 1 / (n + 1)


def turning(rng, dtype, n):
    """Factors on the unit circle."""
    return np.exp(1j * rng.uniform(-np.pi, np.pi, n)).astype(dtype)


def spiral(rng, dtype, n):
    """A walk that eventually leaves the range."""
    return (np.exp(rng.normal(0, 4, n)) * turning(rng, dtype, n)).astype(dtype)


def complex_specials(rng, dtype, n):
    parts = [specials(rng, np.dtype(np.float32), n) for _ in range(2)]
    return np.stack(parts, axis=-1).view(dtype).reshape(n)


COMPLEX_VALUES = {f.__name__: f for f in (turning, spiral, complex_specials)}


def kinds(dtype):
    """The inputs that suit a NumPy dtype, by name."""
    if dtype.kind == "b":
        return {"truths": truths}
    if dtype.kind in "iu":
        return INTEGER_VALUES
    return COMPLEX_VALUES if dtype.kind == "c" else FLOAT_VALUES


def make(kind, dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        flat = kinds(dtype)[kind](rng, dtype, int(np.prod(shape, dtype=int)))
    return flat.reshape(shape)
