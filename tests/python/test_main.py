"""python -m upsweep: what it prints, and where the CMake package is."""

from pathlib import Path

import numpy as np
import pytest
import upsweep
from support import run_python


@pytest.fixture(scope="module")
def printed():
    return run_python("-m", "upsweep")


def test_it_names_version_device_and_instruction_set(printed):
    assert upsweep.__version__ in printed
    assert "cpu" in printed.lower()
    assert upsweep.device_info(upsweep.cpu)["isa"] in printed.lower()


def test_it_does_the_main_job_on_the_published_schedule(printed):
    assert "4.0358" in printed


def test_it_shows_the_see_saw_and_a_timing_next_to_numpy(printed):
    assert "see-saw" in printed.lower()
    assert "numpy" in printed.lower()


def test_the_schedule_ends_where_it_was_published():
    alphas = 1 - np.linspace(1e-4, 0.02, 1000)
    products = upsweep.cumprod(alphas, stream=upsweep.cpu)  # they are float64
    assert products.tolist()[-1] == pytest.approx(4.0358e-05, rel=2e-5)


def test_cmake_dir_holds_the_package():
    found = Path(run_python("-m", "upsweep", "--cmake-dir").strip())
    assert list(found.rglob("upsweep*onfig.cmake"))


def test_an_unknown_option_is_an_error():
    with pytest.raises(AssertionError, match="usage"):
        run_python("-m", "upsweep", "--no-such-option")
