"""Products near the ends of a range: of threads whose elements suit the fast path, each
result is the exact product, rounded once."""

import numpy as np
import pytest
from oracle.formats import FORMATS
from oracle.product import Product
from scans import LOOK_BACK, THREE_PASSES, Geometry, scan
from test_kernels import numpy_dtype

SKIPPED = 16  # elements that get a line to an end; a thread has no more
STARTS = {
    "float32": (2.0**-127, 2.0**-138, 2.0**-146, 2.0**126),
    "bfloat16": (2.0**-127, 2.0**-131, 2.0**126),
    "float16": (2.0**-17, 2.0**-22, 2.0**14),
}
CASES = [(name, start) for name, starts in STARTS.items() for start in starts]


def factors(rng, kind, n):
    """Around 1, so that products stay where they are for long; some hit ties."""
    if kind == "ties":
        return np.resize([1.5, 0.75, 0.875, 1], n)
    x = np.exp(0.2 * rng.standard_normal(n)) * rng.choice([1, -1], n)
    x[1::2] = 1 / x[::2]
    return x


@pytest.mark.parametrize(("name", "start"), CASES)
@pytest.mark.parametrize("kind", ["ties", "pairs"])
@pytest.mark.parametrize("passes", [LOOK_BACK, THREE_PASSES], ids=["one", "three"])
def test_results_are_rounded_once(small_engine, name, start, kind, passes):
    rng = np.random.default_rng(len(kind))
    fmt, exact = FORMATS[name], Product(FORMATS[name])
    # A float has fewer bits than the products of float16 and bfloat16 that it holds.
    allowed = 0.5 if name == "float32" else 0.51
    x = factors(rng, kind, 1500).astype(numpy_dtype(name))
    x[:SKIPPED] = 1
    x[0] = x[8] = np.sqrt(start)
    geometry = Geometry(look_back_set=8) if passes == LOOK_BACK else Geometry()
    y, _ = scan(small_engine, "cumprod", x, passes=passes, geometry=geometry)
    state, subnormal = exact.start, 0
    both = zip(fmt.decode(x), fmt.decode(y), strict=True)
    for i, (factor, result) in enumerate(both):
        states = exact.step(state, factor)
        state = next((s for s in states if s == result), states[-1])
        if i < SKIPPED:
            continue
        assert exact.error(state, result) <= allowed, (i, state, result)
        m, e = result
        subnormal += e is not None and e + abs(m).bit_length() <= fmt.emin
    assert start > 1 or subnormal > 50
