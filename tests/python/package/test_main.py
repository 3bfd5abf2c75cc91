"""python -m upsweep: what it prints, and where the CMake package is."""

from pathlib import Path

import numpy as np
import pytest
import upsweep
from support import run_python

# As in an environment without NumPy: importing it fails.
WITHOUT_NUMPY = """
import runpy, sys
sys.modules["numpy"] = None
if sys.argv[1:] == ["-m", "upsweep"]:
    sys.argv[1:] = []
    runpy.run_module("upsweep", run_name="__main__")
"""
SCANS_AND_CONVERSIONS = """
import array, pickle
import upsweep

a = upsweep.array([[1.5, 2.0], [3.0, 4.0]])
for scan in (
    upsweep.cumprod,
    upsweep.cumsum,
    upsweep.cummax,
    upsweep.cummin,
    upsweep.logcumsumexp,
):
    upsweep.eval(scan(a, axis=1, reverse=True, inclusive=False))
b = upsweep.asarray(array.array("d", [1, 2, 3]))
assert b.tolist() == memoryview(b).tolist() == [1, 2, 3]
assert upsweep.array_equal(upsweep.from_dlpack(b), pickle.loads(pickle.dumps(b)))
assert repr(a.astype(upsweep.bfloat16)[0, 1]) == "array(2, dtype=bfloat16)"
print(upsweep.cumprod([1, 2, 3]).tolist())
print("done")
"""


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


def test_it_runs_without_numpy():
    printed = run_python("-c", WITHOUT_NUMPY, "-m", "upsweep")
    assert "4.0358" in printed
    assert "pip install 'upsweep[numpy]'" in printed


def test_the_package_works_without_numpy():
    printed = run_python("-c", WITHOUT_NUMPY + SCANS_AND_CONVERSIONS)
    assert printed.split() == ["[1,", "2,", "6]", "done"]


def test_the_benchmark_is_in_a_checkout_only():
    with pytest.raises(AssertionError, match=r"run python -m bench in a checkout\.$"):
        run_python("-m", "upsweep", "bench", "--quick")


def test_an_unknown_option_is_an_error():
    with pytest.raises(AssertionError, match="usage"):
        run_python("-m", "upsweep", "--no-such-option")
