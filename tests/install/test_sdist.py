"""The sdist builds to the wheel that is installed."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("scikit_build_core") is None
    or importlib.util.find_spec("nanobind") is None,
    reason="scikit-build-core and nanobind are not installed",
)


def run(*command, cwd=ROOT):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count())},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def installed_files():
    """The files of the installed wheel, without those that pip added."""
    written = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}
    files = importlib.metadata.files("upsweep") or []
    return {
        f.as_posix()
        for f in files
        if f.name not in written and f.suffix != ".pyc" and ".." not in f.parts
    }


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(
        "-c",
        f"from scikit_build_core.build import build_sdist; build_sdist('{folder}')",
    )
    (found,) = folder.glob("upsweep-*.tar.gz")
    return found


def test_the_sdist_holds_sources_only(sdist):
    with tarfile.open(sdist) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]
    assert {"pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"} <= set(names)
    assert not [
        n for n in names if n.endswith((".so", ".a", ".o", ".pyc")) or "/build/" in n
    ]


def test_the_sdist_builds_to_the_same_wheel(sdist, tmp_path):
    # The names do not depend on optimisation, and no compiler cache has objects of
    # sources in this folder.
    build = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
             "-C", "cmake.define.UPSWEEP_CUDA=OFF",
             "-C", "cmake.define.CMAKE_CXX_FLAGS_RELEASE=-O0"]  # fmt: skip
    run(*build, "-w", tmp_path, sdist, cwd=tmp_path)
    (wheel,) = tmp_path.glob("upsweep-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if not n.endswith(("/", "RECORD"))}
    assert names == installed_files()
    # Neither the benchmark nor a test is in it.
    folders = {name.split("/")[0].partition("-")[0] for name in names}
    assert folders == {"upsweep"}
    assert not [n for n in names if "bench" in n or "test" in n]
