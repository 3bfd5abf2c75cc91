"""What the tests share: dtype tables, conversion, and the checked scan."""

import os
import subprocess
import sys

import hypothesis
import ml_dtypes
import numpy as np
import oracle
import pytest
import upsweep
from operators import OPERATORS
from oracle import recurrence

OPS = list(OPERATORS)
# The names of the operators of the general scan.
SCANS = {op: scan for scan, op in OPERATORS.items()}
INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
DTYPES = ["bool_", *INTEGERS, *FLOATS, "complex64"]


# For cases in processes of their own, where the CPU is the default.
cpu_only = pytest.mark.skipif(
    upsweep.default_device() == upsweep.gpu,
    reason="runs on the CPU, whatever the default device here",
)


def numpy_dtype(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def stream_for(name):
    """The default stream; the CPU's if the device has no such dtype."""
    on_gpu = upsweep.default_device() == upsweep.gpu
    return upsweep.cpu if on_gpu and name == "float64" else None


def result_dtype(op, name):
    """The dtype of a scan's result; most keep the input's."""
    if op == "cumsum" and name == "bool_":
        return "int32"
    if op == "logcumsumexp" and name in ["bool_", *INTEGERS]:
        return "float32"
    return name


CANONICAL_NAN = {
    "float16": 0x7E00,
    "bfloat16": 0x7FC0,
    "float32": 0x7FC00000,
    "float64": 0x7FF8000000000000,
}


def bits(values):
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def checked_scan(op, a, x, **options):
    """Scans a, an upsweep array or anything a scan accepts, whose values are those of
    the NumPy array x, and checks the result against the contract. Returns the oracle's
    measure of the error."""
    name = dtype_name(x)
    result = getattr(upsweep, op)(a, stream=stream_for(name), **options)
    assert result.dtype.name == result_dtype(op, name)
    expected = (x.size,) if options.get("axis") is None else x.shape
    assert result.shape == expected
    return oracle.check(op, x, with_canonical_nan(result), **options)


def checked_general_scan(op, a, x, *, initial=None, before=None, dtype=None, **options):
    """As checked_scan, for upsweep.scan. `before` is the initial value for the oracle,
    `dtype` the name of one."""
    name = dtype or dtype_name(x)
    result = upsweep.scan(
        a,
        op,
        initial=initial,
        dtype=dtype and getattr(upsweep, dtype),
        stream=stream_for("float64" if x.dtype == np.float64 else name),
        **options,
    )
    assert result.dtype.name == result_dtype(SCANS[op], name)
    axis = options.get("axis")
    expected = [x.size] if axis is None else list(x.shape)
    expected[axis or 0] += options.get("include_initial", False)
    assert result.shape == tuple(expected)
    return oracle.check(
        SCANS[op],
        x,
        with_canonical_nan(result),
        initial=before,
        dtype=dtype and numpy_dtype(dtype),
        **options,
    )


def dtype_name(x):
    return "bool_" if x.dtype == bool else x.dtype.name


def with_canonical_nan(result):
    """The result as a NumPy array, whose NaNs all have the same bits."""
    y = np.asarray(result)
    if y.dtype.name in CANONICAL_NAN:
        check_nans(y)
    return y


def check_nans(y):
    assert set(bits(y[np.isnan(y)]).tolist()) <= {CANONICAL_NAN[y.dtype.name]}


def checked_recurrence(a, b, **options):
    """The result of linear_recurrence of NumPy arrays of one dtype, checked against the
    contract."""
    name = a.dtype.name
    result = upsweep.linear_recurrence(a, b, stream=stream_for(name), **options)
    assert result.dtype.name == name
    y = np.asarray(result)
    check_nans(y.view("float32") if name == "complex64" else y)
    recurrence.check(a, b, y, unit=step_unit(name), **options)
    return y


def step_unit(name):
    """The exponent of a step's error in recurrences and derivatives on the default
    device; None on the CPU, and where GPUs leave the dtype to it."""
    on_gpu = upsweep.default_device() == upsweep.gpu
    return recurrence.GPU_UNIT.get(name) if on_gpu else None


def examples(count):
    """For a property test, where the profile's 60 are too many or too few."""
    return max(1, count * hypothesis.settings().max_examples // 60)


def run_python(*arguments, cwd=None, **environment):
    """Runs this Python; returns its output. Fails with its errors."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Threads that are busy when the interpreter ends.
LEFT_BEHIND = """
import threading, time, numpy, upsweep
x = numpy.ones(2**18, numpy.float32)

def work():
    while True:
        a = upsweep.asarray(x)
        upsweep.eval(upsweep.cumprod(a), upsweep.cumsum(a))

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""
