"""Arrays of more than 2^31 and 2^32 elements, batched too."""

import numpy as np
import pytest
import upsweep

pytestmark = pytest.mark.skipif(
    not upsweep.is_available(upsweep.gpu), reason="there is no gpu"
)


@pytest.mark.parametrize("n", [2**31 + 12345, 2**32 + 12345])
@pytest.mark.parametrize("batches", [1, 3, 4096])
def test_more_elements_than_32_bits_count(n, batches):
    rows = n // batches
    x = np.zeros((batches, rows), np.uint8)
    at = [0, rows // 3, rows - 2]
    x[:, at] = [3, 4, 5]
    y = np.asarray(upsweep.cumsum(x, 1, stream=upsweep.gpu))
    for row in (0, batches // 2, batches - 1):
        assert (y[row, : rows // 3] == 3).all()
        assert (y[row, rows // 3 : rows - 2] == 7).all()
        assert (y[row, rows - 2 :] == 12).all()
    z = np.asarray(upsweep.cumsum(x, 0, reverse=True, stream=upsweep.gpu))
    assert (z[:, 0] == (np.arange(batches, 0, -1) * 3).astype(np.uint8)).all()
    assert (z[:, -2] == (np.arange(batches, 0, -1) * 5).astype(np.uint8)).all()
