"""The functions for frameworks hand arrays to the core, whose results other tests check
on every device and instruction set: one of each is enough here."""

import pytest
import upsweep

SOFTWARE = pytest.mark.skipif(
    upsweep.device_info()["device_name"].startswith("software"),
    reason="runs on the CPU and on real GPUs",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if "frameworks" in item.path.parts:
            item.add_marker(pytest.mark.own_isa)
            item.add_marker(SOFTWARE)
