"""Kernels compiled when upsweep is built, and the source that is the fallback."""

import shutil
import subprocess
from pathlib import Path

import pytest
import upsweep
from test_device import run

ROOT = Path(__file__).resolve().parents[2]

# A stub of Apple's: logs its arguments, and fails when Apple's would.
XCRUN = """#!/bin/sh
echo "$@" >>"{log}"
case "$*" in
  *" -f metal") echo /somewhere/metal ;;
  *" metal "*) exit {status} ;;
esac
"""


@pytest.mark.parametrize("works", [True, False])
def test_a_compiler_that_only_seems_to_be_there(tmp_path, works):
    """Xcode finds a compiler, but without its Metal toolchain that is a stub."""
    tools, project = tmp_path / "tools", tmp_path / "cpp"
    tools.mkdir()
    project.mkdir()
    (tmp_path / "metal").symlink_to(ROOT / "metal")
    log = tmp_path / "log"
    (tools / "xcrun").write_text(XCRUN.format(log=log, status=0 if works else 1))
    (tools / "xcrun").chmod(0o755)
    (project / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.24)
project(kernels LANGUAGES NONE)
set(UPSWEEP_METAL OFF)
set(CMAKE_INSTALL_LIBDIR lib)
include("{ROOT}/cpp/cmake/metal.cmake")
upsweep_add_metallib()
""")
    build = tmp_path / "build"
    configure = ["cmake", "-S", project, "-B", build, f"-DUPSWEEP_XCRUN={tools}/xcrun"]
    done = subprocess.run(configure, capture_output=True, text=True, check=True)
    where = "compiled here" if works else "compiled where they run"
    assert f"Metal kernels: {where}\n" in done.stdout
    if works:
        subprocess.run(["cmake", "--build", build], capture_output=True, check=True)
        command = log.read_text().splitlines()[-1].split()
        assert {"-std=metal3.1", "-fno-fast-math", "-mmacosx-version-min=14.0"} <= {
            *command
        }


SCAN = """
try:
    print(upsweep.cumprod([2.0, 3.0], stream=upsweep.gpu).tolist())
except RuntimeError as error:
    print(str(error).splitlines()[0])
"""
RESULT = "[2.0, 6.0]\n"
FAILURE = (
    "[cumprod] Unable to build metal library from source, kernels of prod_float32:\n"
)


@pytest.mark.parametrize(
    ("content", "without_compiler"),
    [(None, FAILURE), ("MTLB", RESULT), ("of a later system", FAILURE)],
)
def test_kernels_beside_the_library(tmp_path, content, without_compiler):
    """They are used if the system can read them; otherwise the source is."""
    package = tmp_path / "upsweep"
    shutil.copytree(upsweep.__path__[0], package)
    if content:
        (package / "lib" / "upsweep.metallib").write_text(content)
    environment = {"PYTHONPATH": str(tmp_path)}
    assert run(SCAN, **environment) == RESULT
    found = run(SCAN, UPSWEEP_EMULATOR_FAULT="compile", **environment)
    assert found == without_compiler
