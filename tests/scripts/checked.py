"""Checks small scans of every operator and dtype, and recurrences, against the oracle,
and prints the instruction set and the number of scans."""

import itertools
import sys
from pathlib import Path

import upsweep

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from support import (
    DTYPES,
    FLOATS,
    OPS,
    checked_recurrence,
    checked_scan,
    numpy_dtype,
)
from values import kinds, make

# One line in segments, neighbouring lines, consecutive lines, and few lines.
WAYS = [((600,), 0), ((20, 37), 0), ((37, 20), 1), ((3, 300), 1)]
# If complex infinities meet, the contract leaves the imaginary part open.
OPEN = [("logcumsumexp", "complex64", "complex_specials")]
DIRECTIONS = list(itertools.product([False, True], [False, True]))


def main():
    scans = 0
    for op, name, (shape, axis) in itertools.product(OPS, DTYPES, WAYS):
        for kind in kinds(numpy_dtype(name)):
            if (op, name, kind) in OPEN:
                continue
            x = make(kind, numpy_dtype(name), shape, seed=scans)
            reverse, inclusive = DIRECTIONS[scans % len(DIRECTIONS)]
            checked_scan(op, x, x, axis=axis, reverse=reverse, inclusive=inclusive)
            scans += 1
    for name, (shape, axis) in itertools.product([*FLOATS, "complex64"], WAYS):
        for kind in kinds(numpy_dtype(name)):
            a, b = (make(kind, numpy_dtype(name), shape, scans + i) for i in (0, 1))
            reverse, inclusive = DIRECTIONS[scans % len(DIRECTIONS)]
            checked_recurrence(a, b, axis=axis, reverse=reverse, inclusive=inclusive)
            scans += 1
    print(upsweep.device_info(upsweep.cpu)["isa"], scans)


if __name__ == "__main__":
    main()
