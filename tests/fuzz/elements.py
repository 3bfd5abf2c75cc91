"""Elements from bytes, for every dtype: any bits, the ends of the range, powers of
two, small integers, and numbers near one."""

import functools

import ml_dtypes
import numpy as np
from source import scrambled, tiled
from support import numpy_dtype

KINDS = ["bits", "landmarks", "powers", "integers", "near one", "ones"]


def parts_of(name):
    """The dtype of the numbers in memory; a complex one has two."""
    return numpy_dtype("float32" if name == "complex64" else name)


@functools.cache
def landmarks(name):
    """The numbers where arithmetic changes, as unsigned integers with their bits."""
    dtype = parts_of(name)
    width = 8 * dtype.itemsize
    if name == "bool_":
        return np.array([0, 1, 2, 3, 127, 128, 254, 255], np.uint8)
    if dtype.kind in "iu":
        low = [0, 1, 2, 3, 5, 255, 1 << (width // 2), (1 << (width - 1)) - 1]
        numbers = [n for k in low for n in (k, ~k, k << (width - 1))]
    else:
        info = ml_dtypes.finfo(dtype)
        one = (1 << (info.nexp - 1)) - 1
        numbers = []
        for exponent in (0, 1, one // 2, one - 1, one, one + 1, one * 3 // 2,
                         2 * one, 2 * one + 1):  # fmt: skip
            for fraction in (0, 1, (1 << info.nmant) - 1, 1 << (info.nmant - 1)):
                bits = exponent << info.nmant | fraction
                numbers += [bits, bits | 1 << (width - 1)]
    return np.array([n % (1 << width) for n in numbers], f"u{dtype.itemsize}")


def read_filling(source, name):
    """What fills memory: a kind of numbers, whether they are aperiodic, and (place,
    landmark) for a few that differ."""
    choice = source.byte()
    rare = [(source.word(), source.byte()) for _ in range(3)]
    kind = KINDS[choice % len(KINDS)]
    if name == "bool_":
        kind = "bits"
    return kind, bool(choice & 128), rare[: choice // len(KINDS) % 4]


def fill(memory, name, filling, data):
    """Fills memory with whole elements derived from the data."""
    kind, is_scrambled, rare = filling
    dtype = parts_of(name)
    count = len(memory) // dtype.itemsize
    make = scrambled if is_scrambled else tiled
    numbers, marks = memory.view(f"u{dtype.itemsize}"), landmarks(name)
    if kind == "bits":
        memory[:] = make(data, len(memory))
    elif kind == "landmarks":
        numbers[:] = marks[make(data, count) % len(marks)]
    else:
        of_kind = of_integers if dtype.kind in "iu" else of_floats
        numbers[:] = of_kind(kind, dtype, make(data, count)).view(numbers.dtype)
    for place, mark in rare:
        numbers[place % count] = marks[mark % len(marks)]


def of_integers(kind, dtype, noise):
    if kind == "ones":
        return np.ones(len(noise), dtype)
    if kind == "integers":
        return (noise.view(np.int8) >> 4).astype(dtype)
    if kind == "powers":
        return np.left_shift(1, noise.astype(np.int64) % 8).astype(dtype)
    return (noise | 1).astype(dtype)  # products that never end at zero


def of_floats(kind, dtype, noise):
    if kind == "ones":
        return np.ones(len(noise), dtype)
    if kind == "integers":
        return (noise.view(np.int8) >> 4).astype(dtype)
    if kind == "near one":
        return np.exp(noise.view(np.int8) * 2.0**-13).astype(dtype)
    # Products of neighbours leave the range, prefixes do not.
    most = ml_dtypes.finfo(dtype).maxexp - 2
    heights = noise.view(np.int8).astype(np.int64) * most // 256
    signs = 1.0 - 2.0 * (noise & 1)
    return np.ldexp(signs, np.diff(heights, prepend=0)).astype(dtype)
