"""The device that the tests run on, which UPSWEEP_TEST_DEVICE names (cpu or gpu),
the hypothesis profile, and what the report says about them."""

import os

import hypothesis
import upsweep

hypothesis.settings.register_profile(
    "upsweep", deadline=None, derandomize=True, print_blob=True, max_examples=60
)
hypothesis.settings.load_profile("upsweep")


# Before the test modules are loaded, because some make arrays.
if "UPSWEEP_TEST_DEVICE" in os.environ:
    upsweep.set_default_device(getattr(upsweep, os.environ["UPSWEEP_TEST_DEVICE"]))


def pytest_report_header():
    settings = hypothesis.settings()
    return (
        f"upsweep {upsweep.__version__} from {upsweep.__path__[0]} "
        f"on {upsweep.device_info()['device_name']}, "
        f"hypothesis: {settings.max_examples} examples, derandomized"
    )
