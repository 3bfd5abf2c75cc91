"""More than 2^31 elements."""

from pathlib import Path

import numpy as np
import pytest
import upsweep

N = 2**31 + 10


def available_memory():
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return 0
    fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


pytestmark = [
    pytest.mark.own_isa,  # tests only what all sets share
    pytest.mark.skipif(
        available_memory() < 8 * 2**30,
        reason="needs 8 GiB of free memory, and Linux's count of it",
    ),
    pytest.mark.skipif(
        upsweep.device_info()["architecture"] == "software",
        reason="takes a software GPU too long",
    ),
]


@pytest.fixture(autouse=True)
def cache_given_back():
    yield
    upsweep.clear_cache()


def test_uint8_products():
    x = np.ones(N, np.uint8)
    x[0], x[2**31 - 1], x[2**31 + 5] = 3, 5, 7
    y = np.asarray(upsweep.cumprod(upsweep.asarray(x)))
    assert y.shape == (N,)
    assert y[0] == y[2**30] == y[2**31 - 2] == 3
    assert y[2**31 - 1] == y[2**31 + 4] == 15
    assert y[2**31 + 5] == y[-1] == 105


def test_bool_along_a_strided_axis_in_reverse():
    x = np.ones((N // 2, 2), bool)
    x[2**30 + 1, 0] = x[5, 1] = False
    y = np.asarray(upsweep.cumprod(upsweep.asarray(x), axis=0, reverse=True))
    assert y[2**30 + 2 :].all()
    assert not y[: 2**30 + 2, 0].any()
    assert y[6:, 1].all()
    assert not y[:6, 1].any()


def test_a_view_that_is_larger_than_its_storage():
    wide = upsweep.broadcast_to(upsweep.array(1, upsweep.uint8), (N,))
    y = np.asarray(upsweep.cumsum(wide, reverse=True, inclusive=False))
    assert y[-1] == 0
    assert y[0] == (N - 1) % 256
    assert y[9] == (N - 10) % 256
