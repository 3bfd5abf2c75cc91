"""Prints digests of scans of large arrays: five runs of each, as JSON."""

import hashlib
import json

import numpy as np
import upsweep
from support import FLOATS, OPS, numpy_dtype
from values import make

SHAPES = [((2**20 + 77,), 0), ((2**15, 64), 0), ((3, 2**18), 1)]
INPUTS = {
    **dict.fromkeys(FLOATS, "log_normal"),
    "complex64": "turning",
    "int32": "any_bits",
}


def digest(a):
    return hashlib.sha256(np.asarray(a).tobytes()).hexdigest()[:16]


def main():
    found = {"threads": int(upsweep.device_info(upsweep.cpu)["threads"])}
    for op in OPS:
        for name, kind in INPUTS.items():
            if op != "cumprod" and name not in ("float32", "complex64"):
                continue
            if op in ("cumsum", "logcumsumexp") and name == "float32":
                kind = "near_one"
            for shape, axis in SHAPES[: 1 if op == "logcumsumexp" else 3]:
                x = upsweep.asarray(make(kind, numpy_dtype(name), shape))
                runs = [digest(getattr(upsweep, op)(x, axis)) for _ in range(5)]
                found[f"{op} {name} {shape}"] = runs
    print(json.dumps(found))


if __name__ == "__main__":
    main()
