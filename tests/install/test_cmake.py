"""The C++ package: found in the installed wheel by CMake and pkg-config, and built
without Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import upsweep

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cpp"
# Prefer the programs of the environment whose Python runs the tests.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

pytestmark = pytest.mark.skipif(
    shutil.which("cmake", path=PATH) is None, reason="CMake is not installed"
)


def run(*command, **environment):
    done = subprocess.run(
        [*map(str, command)],
        env={**os.environ, "PATH": PATH, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def configure(source, build, *options):
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=PATH) else []
    # The result does not depend on the build type. Debug compiles faster, but a
    # compiler cache already has the objects of the wheel.
    cached = "CMAKE_CXX_COMPILER_LAUNCHER" in os.environ
    build_type = "Release" if cached else "Debug"
    options = [
        *generator, f"-DCMAKE_BUILD_TYPE={build_type}", "-DUPSWEEP_CUDA=OFF", *options
    ]  # fmt: skip
    run("cmake", "-S", source, "-B", build, *options)
    run("cmake", "--build", build, "--parallel", os.cpu_count())


def check_example(prefix, build):
    """Builds the example against the package under a prefix, and runs it."""
    configure(EXAMPLE, build, f"-DCMAKE_PREFIX_PATH={prefix}")
    check_output(run(build / "scans"))


def check_with_pkg_config(folder, program):
    """Builds the example with what upsweep.pc says, and runs it."""
    if not shutil.which("pkg-config", path=PATH):
        pytest.skip("pkg-config is not installed")

    def ask(*options):
        said = run("pkg-config", *options, "upsweep", PKG_CONFIG_PATH=str(folder))
        return said.split()

    assert ask("--modversion") == [upsweep.__version__]
    (libraries,) = ask("--variable=libdir")
    compiler = os.environ.get("CXX", "c++").split()
    flags = ask("--cflags", "--libs")
    run(*compiler, "-std=c++20", EXAMPLE / "main.cpp", "-o", program, *flags,
        f"-Wl,-rpath,{libraries}")  # fmt: skip
    check_output(run(program))


def check_output(printed):
    assert "10! = 3.6288e+06" in printed
    assert "sum of a million ones: 1.04858e+06" in printed
    assert "[cumprod] Axis 2 is out of bounds for array with 1 dimensions." in printed


@pytest.mark.skipif(sys.platform == "darwin", reason="Macs can build it")
def test_a_backend_is_never_dropped_silently(tmp_path):
    configuration = ["cmake", "-S", str(ROOT), "-B", str(tmp_path)]
    environment = {**os.environ, "PATH": PATH}
    for wanted, says in [
        ("AUTO", r"Metal backend: no, the system is \w+, not macOS\n"),
        ("ON", r"UPSWEEP_METAL is ON, but the system is \w+,\s+not macOS\."),
        ("perhaps", r'UPSWEEP_METAL must be AUTO, ON or OFF, not\s+"perhaps"\.'),
    ]:
        done = subprocess.run(
            [*configuration, f"-DUPSWEEP_METAL={wanted}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(says, done.stdout + done.stderr)
        assert (done.returncode == 0) == (wanted == "AUTO")


@pytest.mark.skipif(sys.platform == "darwin", reason="Macs cannot build it")
def test_cuda_is_never_dropped_silently(tmp_path):
    for wanted, says in [
        ("AUTO", r"CUDA backend: no, /nowhere does not run\n"),
        ("OFF", ""),
        ("ON", r"UPSWEEP_CUDA is ON, but /nowhere does not run\."),
        ("perhaps", r'UPSWEEP_CUDA must be AUTO, ON or OFF, not\s+"perhaps"\.'),
    ]:
        done = subprocess.run(
            ["cmake", "-S", ROOT, "-B", tmp_path, "-DUPSWEEP_NVCC=/nowhere",
             f"-DUPSWEEP_CUDA={wanted}"],
            env={**os.environ, "PATH": PATH}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert re.search(says, done.stdout + done.stderr)
        assert (done.returncode == 0) == (wanted in ("AUTO", "OFF"))


def test_the_wheel_carries_the_package(tmp_path):
    prefix = run(sys.executable, "-m", "upsweep", "--cmake-dir").strip()
    check_example(prefix, tmp_path / "build")


def test_the_wheel_carries_a_file_for_pkg_config(tmp_path):
    folder = run(sys.executable, "-m", "upsweep", "--pkg-config-dir").strip()
    check_with_pkg_config(folder, tmp_path / "scans")


def test_the_core_installs_without_python(tmp_path):
    core, prefix = tmp_path / "core", tmp_path / "prefix"
    configure(ROOT, core, "-DUPSWEEP_PYTHON=OFF", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--install", core)
    installed = [p.name for p in prefix.rglob("*") if p.is_file()]
    assert not [name for name in installed if name.endswith((".py", ".pyi"))]
    headers = prefix / "include" / "upsweep"
    public = ROOT / "cpp" / "include" / "upsweep"
    assert {p.name for p in headers.iterdir()} == {p.name for p in public.iterdir()}
    check_example(prefix, tmp_path / "build")
    (file,) = prefix.rglob("upsweep.pc")
    check_with_pkg_config(file.parent, tmp_path / "scans")
