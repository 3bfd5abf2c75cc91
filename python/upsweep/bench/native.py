"""Compiles native.c with the system's C compiler, where there is one."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("native.c")


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
