"""How libraries scan the inputs of the sweep: each the cheapest plain way.

NumPy and PyTorch write to memory that exists, in the order of rows, as upsweep's
results are. They scan flipped views or copies for reverse scans, and write into views
one further for exclusive ones; the first results of these are not written each time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import upsweep

from bench.inputs import Array
from bench.peers import WORTH_REUSING, Scan, shifted
from bench.sweep_cases import Drawn
from bench.sweep_values import all_axes, view

UFUNCS: dict[str, Any] = {
    "cumprod": np.multiply,
    "cumsum": np.add,
    "cummax": np.maximum,
    "cummin": np.minimum,
    "logcumsumexp": np.logaddexp,
}


def upsweep_scan(case: Drawn, a: Any, on: Any) -> Scan:
    """This library's, which allocates its result, without waiting for it."""
    function = getattr(upsweep, case.op)
    axis, reverse, inclusive = case.axis, case.reverse, case.inclusive
    return lambda: function(a, axis, reverse=reverse, inclusive=inclusive, stream=on)


def numpy_scan(case: Drawn, x: Array) -> Scan:
    """NumPy's."""
    accumulate, axis = UFUNCS[case.op].accumulate, case.axis
    # By default NumPy widens small integers. It has its own dtype for bfloat16.
    same = case.result_dtype == case.dtype
    dtype = x.dtype if same else np.dtype(case.result_dtype)
    if case.inclusive and not case.reverse and x.nbytes < WORTH_REUSING:
        return lambda: accumulate(x, axis, dtype)
    y = np.ones(case.shape, dtype)
    source, target = x, y
    if case.reverse:
        source, target = np.flip(source, axis), np.flip(target, axis)
    if not case.inclusive:
        source, target = shifted(axis, source, target)
    return lambda: (accumulate(source, axis, dtype, target), y)[1]


def torch_scan(torch: Any, case: Drawn, base: Any) -> Scan:
    """PyTorch's, on any device. It has no negative strides, so it flips copies."""
    axis, dtype = case.axis, getattr(torch, case.result_dtype)
    backwards = set(all_axes(case)) if case.layout == "reversed" else set()
    flipped = sorted(backwards ^ ({axis} if case.reverse else set()))
    x = base if backwards else view(base, case)
    y = torch.ones(case.shape, dtype=dtype, device=x.device)
    target = y if case.inclusive else shifted(axis, y, y)[1]
    function, options = getattr(torch, case.op), {"out": target}
    if case.op in ("cummax", "cummin"):
        options["out"] = target, torch.empty_like(target, dtype=torch.int64)
    elif case.op != "logcumsumexp":
        options["dtype"] = dtype

    def scan() -> Any:
        source = x.flip(flipped) if flipped else x
        if not case.inclusive:
            source, _ = shifted(axis, source, source)
        function(source, axis, **options)
        return y.flip(axis) if case.reverse else y

    return scan


def cupy_scan(cupy: Any, case: Drawn, base: Any, address: int) -> Scan:
    """CuPy's, on the stream at an address; its scans are products and sums."""
    function, axis = getattr(cupy, case.op), case.axis
    x = view(cupy.from_dlpack(base), case)
    y = cupy.ones(case.shape, case.result_dtype)
    source, target = x, y
    if case.reverse:
        source, target = cupy.flip(source, axis), cupy.flip(target, axis)
    if not case.inclusive:
        source, target = shifted(axis, source, target)

    def scan() -> Any:
        with cupy.cuda.ExternalStream(address):
            if case.inclusive:
                scanned = function(source, axis, y.dtype)
                return cupy.flip(scanned, axis) if case.reverse else scanned
            function(source, axis, y.dtype, target)
            return y

    return scan
