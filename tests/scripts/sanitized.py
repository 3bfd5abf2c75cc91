"""Small scans and copies of all kinds, to run under compute-sanitizer."""

import sys
from pathlib import Path

import numpy as np
import upsweep

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from operators import OPERATORS

SHAPES = [((5000,), 0), ((70000,), 0), ((40, 33), 1), ((300, 16), 0), ((7, 50, 9), 1)]
DTYPES = [
    "bool_",
    "uint8",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "complex64",
]

upsweep.set_default_device(upsweep.gpu)
rng = np.random.default_rng(0)
scans = 0
for shape, axis in SHAPES:
    x = rng.uniform(0.9, 1.1, shape).astype(np.float32)
    x.flat[:: x.size // 3] = [1e-30, 1e30, 0, 1][: len(x.flat[:: x.size // 3])]
    for name in DTYPES:
        a = upsweep.array(x).astype(getattr(upsweep, name))
        for op in OPERATORS:
            for options in ({}, {"reverse": True, "inclusive": False}):
                getattr(upsweep, op)(a[..., ::-1], axis, **options).tolist()
                scans += 1
            first = (*(slice(None),) * axis, slice(0, 1))
            repeated = upsweep.broadcast_to(a[first], shape)  # of stride 0
            getattr(upsweep, op)(repeated, axis).tolist()
            scans += 1
# Conversions between all dtypes, of views that the GPU made and a launch each.
copies = 0
for shape, _ in SHAPES:
    a = upsweep.cumsum(rng.integers(0, 9, shape, np.int32), 0)
    for name in DTYPES:
        b = a[..., ::-1].astype(getattr(upsweep, name))
        for other in DTYPES:
            b.astype(getattr(upsweep, other)).tolist()
            copies += 1
upsweep.synchronize()
print(scans, "scans,", copies, "copies")
