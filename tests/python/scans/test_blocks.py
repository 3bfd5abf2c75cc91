"""The boundaries of the blocks of a line or its rows: the carry into a block may be too
small, or too large, for the fastest kernels."""

import numpy as np
import pytest
import upsweep
from support import checked_scan

LAYOUTS = {
    "line": lambda x: (x, 0),
    "rows": lambda x: (np.repeat(x[None], 16, 0), 1),
    "columns": lambda x: (np.repeat(x[:, None], 16, 1), 0),
    "wide columns": lambda x: (np.repeat(x[:, None], 256, 1), 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("edge", [8, 64, 128, 1024, 1024 + 64])
def test_a_product_that_enters_a_block_subnormal(layout, edge):
    for depth, rise in [(110, 100), (124, 100), (140, 100), (147, 126)]:
        x = np.ones(2048, np.float32)
        x[0], x[1] = 1 / 3, 1.1
        x[edge - 2 : edge + 1] = 2.0**-70, 2.0 ** (70 - depth), 2.0**rise
        a, axis = LAYOUTS[layout](x)
        checked_scan("cumprod", a, a, axis=axis)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("inclusive", [True, False])
def test_a_sum_of_doubles_that_was_infinite_stays_so(layout, inclusive):
    x = np.zeros(2048)
    x[0], x[1:4], x[4] = np.finfo(np.float64).max, 2.0**969, -(2.0**1000)
    a, axis = LAYOUTS[layout](x)
    y = upsweep.cumsum(a, axis=axis, inclusive=inclusive, stream=upsweep.cpu)
    infinite = np.isinf(np.asarray(y))
    assert infinite.any()
    assert np.array_equal(infinite, np.logical_or.accumulate(infinite, axis))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_many_roundings_of_columns_do_not_add_up(dtype):
    up = 1 + np.finfo(dtype).eps
    x = np.tile(np.array([up, 1 / up], dtype), 2**13)[:, None].repeat(16, 1)
    assert checked_scan("cumprod", x, x, axis=0) < 0.51
