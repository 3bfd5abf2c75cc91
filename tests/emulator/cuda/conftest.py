"""The software CUDA driver, built once a session; UPSWEEP_SOFTWARE_CUDA_BUILD may
name a build of this folder instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import upsweep

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "python"))


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and upsweep.is_available(upsweep.gpu):
            item.add_marker(pytest.mark.skip(reason="there is a real GPU"))


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """The folder of the software libcuda.so.1."""
    if given := os.environ.get("UPSWEEP_SOFTWARE_CUDA_BUILD"):
        return Path(given)
    folder = tmp_path_factory.mktemp("cuda")
    for command in (
        ["cmake", "-S", HERE, "-B", folder],
        ["cmake", "--build", folder, "--parallel"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder
