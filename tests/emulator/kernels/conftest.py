"""Builds the kernels for these tests, once a session. UPSWEEP_KERNELS may name a
build of this folder instead."""

import os
import subprocess
from pathlib import Path

import pytest
from scans import Engine, Tuning

HERE = Path(__file__).parent


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
def engine(built):
    return Engine(built / "libscans.so")


@pytest.fixture(scope="session")
def small_engine(built):
    """The kernels in threadgroups so small that short lines have many tiles."""
    return Engine(built / "libsmall_scans.so", Tuning(HERE / "tuning_small.h"))
