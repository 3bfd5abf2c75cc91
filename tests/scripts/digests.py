"""Prints digests of the results of many scans, as JSON: every operator, dtype and
direction, over shapes that reach every path of the kernels."""

import itertools
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import upsweep

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from support import DTYPES, FLOATS, OPS, numpy_dtype
from values import kinds, make, special_values

LONG = 2**20 + 5
# By name, the axis to scan and the view to make of a long line.
WAYS = {
    "one long line": (0, lambda x: x[:LONG]),
    "columns": (0, lambda x: x[: 300 * 700].reshape(300, 700)),
    "rows": (1, lambda x: x[: 300 * 700].reshape(300, 700)),
    "few long rows": (1, lambda x: x[: 3 * 200003].reshape(3, 200003)),
    "few long columns": (0, lambda x: x[: 3 * 200003].reshape(200003, 3)),
    "few columns with gaps": (
        0,
        lambda x: x[: 170_001 * 6].reshape(170_001, 6)[:, ::2],
    ),
    "short columns": (1, lambda x: x[: 40001 * 15].reshape(40001, 5, 3)),
    "sixteen long rows": (1, lambda x: x[: 2**20].reshape(16, 2**16)),
    "transposed columns": (0, lambda x: x[: 300 * 700].reshape(700, 300).T),
    "transposed rows": (1, lambda x: x[: 300 * 700].reshape(700, 300).T),
    "every third": (0, lambda x: x[: LONG - 2 : 3]),
    "backwards": (0, lambda x: x[LONG - 1 :: -1]),
    "rows and columns backwards": (
        1,
        lambda x: x[: 600 * 700].reshape(600, 700)[::-2, ::-1],
    ),
}


def mixed_values(dtype):
    """A piece of each kind of values that suits a dtype, and special values from the
    middle on."""
    rng = np.random.default_rng(1)
    parts = list(kinds(dtype))
    each = -(-LONG // len(parts))
    x = np.concatenate([make(kind, dtype, (each,)) for kind in parts])[:LONG]
    if dtype.kind in "fV":
        at = rng.integers(LONG // 2, LONG, 50)
        x[at] = rng.choice(special_values(dtype), 50).astype(dtype)
    return x


# The chained scans, run several times.
REPEATS = 3


def digest(a):
    return f"{zlib.crc32(np.asarray(a).view(np.uint8)):08x}"


def cases():
    for name in DTYPES:
        x = upsweep.asarray(mixed_values(numpy_dtype(name)))
        for (way, (axis, view)), op in itertools.product(WAYS.items(), OPS):
            for reverse, inclusive in itertools.product([False, True], [True, False]):
                case = f"{op} {name} {way} {reverse=} {inclusive=}"
                yield case, getattr(upsweep, op), view(x), (axis, reverse, inclusive)
                if op == "logcumsumexp" and name not in (*FLOATS, "complex64"):
                    break  # a cast, and then what float32 does


def main():
    info = upsweep.device_info(upsweep.cpu)
    found = {"threads": int(info["threads"]), "isa": info["isa"]}
    for case, scan, a, (axis, reverse, inclusive) in cases():
        repeats = REPEATS if case.startswith("cumprod") and not reverse else 1
        found[case] = sorted(
            {
                digest(scan(a, axis, reverse=reverse, inclusive=inclusive))
                for _ in range(repeats)
            }
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
