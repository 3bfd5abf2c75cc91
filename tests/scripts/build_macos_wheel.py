"""Builds the wheel for macOS on Apple silicon, on Linux:

    python tests/scripts/build_macos_wheel.py FOLDER

It needs `pip install ziglang scikit-build-core nanobind cmake ninja`, and takes
metal-cpp from UPSWEEP_METAL_CPP, else from PyPI.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import metal_cpp

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / "tests" / "macos"
TARGET = "aarch64-macos.14.0"
PLATFORM = "macosx_14_0_arm64"
VERSION = f"{sys.version_info.major}{sys.version_info.minor}"


def run(*command, **options):
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, **options)


# The linker of ziglang lacks two things: argument files, of which nanobind has one with
# the symbols that Python provides when it loads the extension; and bundles, for which
# Python accepts libraries.
COMPILE = """for argument do
  shift
  case "$argument" in
    -Wl,@*) argument=-Wl,-undefined,dynamic_lookup ;;
    -bundle) argument=-dynamiclib ;;
  esac
  set -- "$@" "$argument"
done
"""


def make_tools(folder):
    """One command for each tool of ziglang."""
    folder.mkdir()
    zig = f'exec "{sys.executable}" -m ziglang'
    commands = {
        "cc": f'{COMPILE}{zig} cc -target {TARGET} "$@"',
        "c++": f'{COMPILE}{zig} c++ -target {TARGET} "$@"',
        "ar": f'{zig} ar "$@"',
        "ranlib": f'{zig} ranlib "$@"',
        # Nothing needs to change after linking.
        "install_name_tool": "exit 1",
    }
    for name, command in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)
    return folder


def copy_python_headers(folder):
    """Python's headers, which are the same everywhere except for one."""
    shutil.copytree(sysconfig.get_path("include"), folder)
    (folder / "pyconfig.h").unlink()
    shutil.copy(TOOLCHAIN / "pyconfig.h", folder)
    return folder


def build(output):
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        headers = os.environ.get("UPSWEEP_METAL_CPP") or metal_cpp.download(work)
        defines = {
            "UPSWEEP_METAL": "ON",
            "UPSWEEP_METAL_CPP": headers,
            "Python_INCLUDE_DIR": copy_python_headers(work / "python"),
        }
        environment = {
            **os.environ,
            "CMAKE_TOOLCHAIN_FILE": str(TOOLCHAIN / "toolchain.cmake"),
            "UPSWEEP_ZIG": str(make_tools(work / "zig")),
            "SETUPTOOLS_EXT_SUFFIX": f".cpython-{VERSION}-darwin.so",
            "_PYTHON_HOST_PLATFORM": "macosx-14.0-arm64",
        }
        settings = ["-C", "install.strip=false", "-C", f"build-dir={work / 'build'}"]
        for name, value in defines.items():
            settings += ["-C", f"cmake.define.{name}={value}"]
        run("pip", "wheel", "--no-deps", "--no-build-isolation", *settings,
            "-w", work / "wheel", ROOT, env=environment)  # fmt: skip
        (wheel,) = (work / "wheel").glob("*.whl")
        output.mkdir(parents=True, exist_ok=True)
        run("wheel", "tags", "--remove", f"--platform-tag={PLATFORM}", wheel)
        (wheel,) = (work / "wheel").glob("*.whl")
        return shutil.copy(wheel, output)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(build(Path(sys.argv[1])))
