"""Compiles native.c with the system's C compiler, and cub.cu with NVIDIA's if there is
one."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("native.c")
CUB_SOURCE = SOURCE.with_name("cub.cu")
# A library compiled from cub.cu beforehand, to save time on the GPU machine.
CUB_VARIABLE = "UPSWEEP_BENCH_CUB"


@cache
def load() -> ctypes.CDLL | None:
    """The compiled functions. Calls release the GIL."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "native.so"
        command = [compiler, "-O3", "-shared", "-fPIC", str(SOURCE), "-o", str(built)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        functions = ctypes.CDLL(str(built))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for function in (functions.running_products, functions.stream_copy):
        function.argtypes = [pointer, pointer, size]
        function.restype = None
    return functions


@cache
def load_cub() -> ctypes.CDLL | None:
    """cub::DeviceScan by nvcc."""
    given, compiler = os.environ.get(CUB_VARIABLE), shutil.which("nvcc")
    if given:
        functions = ctypes.CDLL(given)
    elif compiler is None:
        return None
    else:
        with tempfile.TemporaryDirectory() as folder:
            built = Path(folder) / "cub.so"
            command = [compiler, "-O3", "-arch=native", "-shared", "-Xcompiler",
                       "-fPIC", str(CUB_SOURCE), "-o", str(built)]  # fmt: skip
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return None
            functions = ctypes.CDLL(str(built))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for function in (functions.cumprod, functions.cumsum):
        function.argtypes = [pointer, pointer, ctypes.c_long, pointer, size, pointer]
    return functions
