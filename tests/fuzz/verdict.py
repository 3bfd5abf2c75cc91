"""The verdict on results of any size: of all exact ones, and of floats as far as the
oracle and wider arithmetic can judge quickly."""

import math

import ml_dtypes
import numpy as np
import oracle
from support import CANONICAL_NAN, bits, result_dtype

# Elements that the oracle can follow quickly: of one line, a tile of float32 and a
# little more; of lines, a few.
FOLLOWED = {"complex64": 4000, "logcumsumexp": 60}
FOLLOWED_OF_LINE, FOLLOWED_OF_LINES = 16_600, 4000
TILE_BYTES = 1 << 16
MOST_LINES = 100


def name_of(x):
    return "bool_" if x.dtype == bool else x.dtype.name


def in_scan_order(values, axis, reverse):
    """The lines as rows, from the first element scanned to the last."""
    rows = oracle.lanes(values, axis)
    return rows[:, ::-1] if reverse else rows


def check(op, x, y, *, axis, reverse, inclusive):
    """Raises AssertionError if y is not the scan of x."""
    with np.errstate(all="ignore"):
        _check(op, x, y, axis, reverse, inclusive)


def _check(op, x, y, axis, reverse, inclusive):
    name = name_of(x)
    kept = result_dtype(op, name)
    assert name_of(y) == kept, f"the dtype is {y.dtype}, not {kept}"
    shape = (x.size,) if axis is None else x.shape
    assert y.shape == shape, f"the shape is {y.shape}, not {shape}"
    if kept in CANONICAL_NAN:
        found = set(bits(y[np.isnan(y)]).tolist())
        assert found <= {CANONICAL_NAN[kept]}, f"NaN of bits {found}"
    if kept == "bool_":
        assert not (y.view(np.uint8) > 1).any(), "bool_ of other bytes than 0 and 1"
    if x.size == 0:
        return
    xs, ys = (in_scan_order(a, axis, reverse) for a in (x, y))
    if op in ("cummax", "cummin"):
        same(ys, extrema(op, xs, inclusive))
    elif kept == "bool_" or y.dtype.kind in "iu":
        same(ys, wrapped(op, xs, y.dtype, inclusive))
    else:
        if op == "logcumsumexp" and kept != "complex64":
            check_logarithms(xs, ys, inclusive)
        elif op == "cumprod" and kept != "complex64":
            check_powers(xs, ys, inclusive)
        elif op == "cumsum":
            for part in ("real", "imag") if kept == "complex64" else ("real",):
                check_sums(getattr(xs, part), getattr(ys, part), inclusive)
        follow(op, name, xs, ys, inclusive)


def same(ys, expected):
    """Equal bits, except that any NaN equals another; a complex number is NaN if either
    component is."""
    unlike = as_bits(ys) != as_bits(expected)
    if ys.dtype.kind == "c":
        unlike = unlike.any(axis=-1)
    if ys.dtype.kind not in "biu":
        unlike &= ~((ys != ys) & (expected != expected))
    if unlike.any():
        row, at = np.argwhere(unlike)[0]
        raise AssertionError(
            f"line {row}, element {at} in scan order: "
            f"got {ys[row, at]!r}, expected {expected[row, at]!r}"
        )


def as_bits(values):
    """The bits; those of a complex number's components along one more axis."""
    found = np.ascontiguousarray(values)
    if found.dtype.kind == "c":
        return found.view(np.uint32).reshape(*found.shape, 2)
    return bits(found)


def extrema(op, xs, inclusive):
    """By the rule: a later element wins only if it is beyond, and NaN stays."""
    start = np.broadcast_to(extreme_of(op, xs.dtype), (len(xs), 1))
    lines = np.concatenate([start, xs], axis=1)
    # Zeros of both signs are equal here, and NaN never compares.
    is_nan = np.logical_or.accumulate(lines != lines, axis=1)
    _, ranks = np.unique(np.where(is_nan, start, lines), return_inverse=True)
    ranks = ranks.reshape(lines.shape) * (1 if op == "cummax" else -1)
    before = np.maximum.accumulate(ranks, axis=1)[:, :-1]
    counts = np.ones(lines.shape, bool)
    counts[:, 1:] = ranks[:, 1:] > before
    counts[:, 1:] |= is_nan[:, 1:] & ~is_nan[:, :-1]
    places = np.where(counts, np.arange(lines.shape[1]), 0)
    places = np.maximum.accumulate(places, axis=1)
    places = places[:, 1:] if inclusive else places[:, :-1]
    return np.take_along_axis(lines, places, axis=1)


def extreme_of(op, dtype):
    if dtype.kind == "b":
        return np.array([op == "cummin"])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([info.min if op == "cummax" else info.max], dtype)
    start = -math.inf if op == "cummax" else math.inf
    return np.array([complex(start, start) if dtype.kind == "c" else start], dtype)


def wrapped(op, xs, dtype, inclusive):
    """Modulo 2^64, whose low bits are the result in any dtype."""
    numbers = xs.astype(np.int64 if xs.dtype.kind == "i" else np.uint64)
    numbers = numbers.astype(np.uint64)
    start, scan = (1, np.cumprod) if op == "cumprod" else (0, np.cumsum)
    numbers = np.insert(numbers, 0, start, axis=1)
    found = scan(numbers, axis=1, dtype=np.uint64)
    return (found[:, 1:] if inclusive else found[:, :-1]).astype(dtype)


def wider(dtype):
    """A dtype with at least ten more bits, whose rounding does not matter, or None."""
    wide = np.float64 if dtype.itemsize < 8 else np.longdouble
    enough = np.finfo(wide).nmant >= ml_dtypes.finfo(dtype).nmant + 10
    return wide if enough else None


def check_logarithms(xs, ys, inclusive):
    """Within 4 ulp of max(|y|, 1)."""
    wide = wider(ys.dtype)
    if wide is None:
        return
    terms = np.insert(xs.astype(wide), 0, -math.inf, axis=1)
    found = np.logaddexp.accumulate(terms, axis=1)
    found = found[:, 1:] if inclusive else found[:, :-1]
    error = np.abs(ys.astype(wide) - found)
    size = np.maximum(np.abs(found), 1)
    ulp = np.exp2(np.floor(np.log2(size)) - ml_dtypes.finfo(ys.dtype).nmant)
    good = (error <= 4.01 * ulp) | (ys == found) | ((ys != ys) & (found != found))
    require(good, xs, ys, found)


def check_sums(xs, ys, inclusive):
    """Within 2^-p |y| + i 2^-(p + 22) times the sum of magnitudes, up to the first that
    comes near the end of the range."""
    info, wide = ml_dtypes.finfo(ys.dtype), wider(ys.dtype)
    if wide is None:
        return
    terms = xs.astype(wide)
    if not inclusive:
        terms = np.insert(terms, 0, 0, axis=1)[:, :-1]
    found, magnitudes = np.cumsum(terms, axis=1), np.cumsum(np.abs(terms), axis=1)
    inside = np.isfinite(terms) & (magnitudes < wide(info.max) * wide(0.9))
    inside = np.logical_and.accumulate(inside, axis=1)
    y = ys.astype(wide)
    counts = np.arange(1, xs.shape[1] + 1)
    unit = wide(2) ** -(info.nmant + 1)
    share = unit * wide(2) ** -22 + np.finfo(wide).eps  # plus that of this sum
    allowed = unit * np.abs(y) + counts * share * magnitudes
    require((np.abs(y - found) <= allowed) | ~inside, xs, ys, found)


def check_powers(xs, ys, inclusive):
    """Products of powers of two, up to the first that leaves the range: within 1 ulp of
    the sum of the exponents."""
    info = ml_dtypes.finfo(ys.dtype)
    least = info.minexp - info.nmant
    fractions, exponents = np.frexp(xs.astype(np.float64))
    are_powers = (np.abs(fractions) == 0.5).all(axis=1)
    if not are_powers.any():
        return
    exponents = np.cumsum(exponents[are_powers] - 1, axis=1, dtype=np.int64)
    signs = np.cumprod(np.sign(fractions[are_powers]), axis=1)
    if not inclusive:
        exponents = np.insert(exponents, 0, 0, axis=1)[:, :-1]
        signs = np.insert(signs, 0, 1, axis=1)[:, :-1]
    inside = (exponents >= least) & (exponents < info.maxexp)
    inside = np.logical_and.accumulate(inside, axis=1)
    exponents = np.where(inside, exponents, 0)
    found = np.ldexp(signs, exponents)
    ulp = np.ldexp(1.0, np.maximum(exponents - info.nmant, least))
    xs, ys = xs[are_powers], ys[are_powers]
    error = np.abs(ys.astype(np.float64) - found)
    require((error <= ulp) | ~inside, xs, ys, found)


def require(good, xs, ys, expected):
    if not good.all():
        row, at = np.argwhere(~good)[0]
        raise AssertionError(
            f"line {row}, element {at} in scan order, "
            f"after {xs[row, max(at - 2, 0) : at + 1]}: "
            f"got {ys[row, at]!r}, expected {expected[row, at]!r}"
        )


def follow(op, name, xs, ys, inclusive):
    """Checks some lines by the oracle, or one line from its start."""
    most = FOLLOWED.get(op, FOLLOWED.get(name, FOLLOWED_OF_LINE))
    if xs.shape[1] < FOLLOWED_OF_LINES:
        most = min(most, FOLLOWED_OF_LINES)
    most = min(most, TILE_BYTES // xs.dtype.itemsize + 100)
    if op == "logcumsumexp" and name == "complex64":
        # If infinities meet, the contract leaves the imaginary part open.
        are_finite = np.isfinite(xs).all(axis=1)
        xs, ys = xs[are_finite], ys[are_finite]
        if len(xs) == 0:
            return
    lines = min(max(most // xs.shape[1], 1), MOST_LINES)
    chosen = np.unique(np.linspace(0, len(xs) - 1, lines).astype(int))
    xs, ys = (a[chosen][:, :most] for a in (xs, ys))
    oracle.check(op, xs, ys, axis=1, inclusive=inclusive)
