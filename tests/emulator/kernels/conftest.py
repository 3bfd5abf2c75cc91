"""Builds the kernels for these tests, once a session. UPSWEEP_KERNELS may name a
build of this folder instead, or UPSWEEP_CUBINS a folder of kernels for CUDA."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scans import METAL, Engine, Tuning

HERE = Path(__file__).parent


def cuda_engine(folder, tuning):
    sys.path.append(str(HERE.parents[1] / "cuda"))
    import driver

    return driver.Engine(folder, Tuning(tuning))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    if given := os.environ.get("UPSWEEP_KERNELS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("kernels")
    for command in (
        ["cmake", "-S", HERE, "-B", folder],
        ["cmake", "--build", folder, "--parallel"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def engine(request):
    if cubins := os.environ.get("UPSWEEP_CUBINS"):
        return cuda_engine(cubins, METAL / "tuning_nvidia.h")
    return Engine(request.getfixturevalue("built") / "libscans.so")


@pytest.fixture(scope="session")
def small_engine(request):
    """The kernels in threadgroups so small that short lines have many tiles."""
    tuning = HERE / "tuning_small.h"
    if cubins := os.environ.get("UPSWEEP_CUBINS"):
        return cuda_engine(Path(cubins) / "small", tuning)
    built = request.getfixturevalue("built")
    return Engine(built / "libsmall_scans.so", Tuning(tuning))
