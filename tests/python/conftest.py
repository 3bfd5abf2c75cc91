"""The device that the tests run on, which UPSWEEP_TEST_DEVICE names (cpu or gpu),
the seed of a software device, the hypothesis profile, and what the report says about
them."""

import ctypes
import os
import zlib
from pathlib import Path

import hypothesis
import pytest
import upsweep

hypothesis.settings.register_profile(
    "upsweep",
    deadline=None,
    derandomize=True,
    print_blob=True,
    # One of so many examples, where another run of the suite has them all.
    max_examples=60 // int(os.environ.get("UPSWEEP_FEWER_EXAMPLES", "1")),
)
hypothesis.settings.load_profile("upsweep")


# Before the test modules are loaded, because some make arrays.
if "UPSWEEP_TEST_DEVICE" in os.environ:
    upsweep.set_default_device(getattr(upsweep, os.environ["UPSWEEP_TEST_DEVICE"]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """What is undefined on a software GPU follows from UPSWEEP_EMULATOR_SEED and the
    test alone, not from the tests before it, which xdist chooses."""
    if seed := os.environ.get("UPSWEEP_EMULATOR_SEED"):
        library = next(Path(upsweep.__path__[0], "lib").glob("libupsweep*"))
        number = int(seed) + zlib.crc32(item.nodeid.encode())
        ctypes.CDLL(library).upsweep_emulator_seed(ctypes.c_uint64(number))


def pytest_report_header():
    settings = hypothesis.settings()
    return (
        f"upsweep {upsweep.__version__} from {upsweep.__path__[0]} "
        f"on {upsweep.device_info()['device_name']}, "
        f"hypothesis: {settings.max_examples} examples, derandomized"
    )
