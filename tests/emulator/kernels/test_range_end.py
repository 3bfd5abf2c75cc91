"""Products near the ends of a range: of threads whose elements suit the fast path, each
result is the exact product, rounded once."""

import numpy as np
import oracle
import pytest
from oracle.formats import FORMATS
from oracle.product import Product
from scans import LOOK_BACK, THREE_PASSES, Geometry, scan
from test_kernels import numpy_dtype

SKIPPED = 16  # elements that get a line to an end; a thread has no more
STARTS = {
    "float32": (2.0**-127, 2.0**-138, 2.0**-146, 1.4 * 2.0**127),
    "bfloat16": (2.0**-127, 2.0**-131, 1.4 * 2.0**127),
    "float16": (2.0**-17, 2.0**-22, 1.4 * 2.0**15),
}
CASES = [(name, start) for name, starts in STARTS.items() for start in starts]
PASSES = pytest.mark.parametrize("passes", [LOOK_BACK, THREE_PASSES], ids=["1", "3"])


def factors(rng, kind, n):
    """Around 1, so that products stay where they are for long; some hit ties, and some
    get close to twice what they were."""
    if kind == "ties":
        return np.resize([1.5, 0.75, 0.875, 1], n)
    if kind == "turns":
        return np.resize([1.4140625, 0.70703125], n)
    x = np.exp(0.2 * rng.standard_normal(n)) * rng.choice([1, -1], n)
    x[1::2] = 1 / x[::2]
    return x


def scanned(engine, x, passes, **options):
    geometry = Geometry(look_back_set=8) if passes == LOOK_BACK else Geometry()
    return scan(engine, "cumprod", x, passes=passes, geometry=geometry, **options)[0]


@pytest.mark.parametrize(("name", "start"), CASES)
@pytest.mark.parametrize("kind", ["ties", "pairs", "turns"])
@pytest.mark.parametrize("inclusive", [True, False])
@PASSES
def test_results_are_rounded_once(small_engine, name, start, kind, inclusive, passes):
    rng = np.random.default_rng(len(kind))
    fmt, exact = FORMATS[name], Product(FORMATS[name])
    # A float has fewer bits than the products of float16 and bfloat16 that it holds.
    allowed = 0.5 if name == "float32" else 0.51
    x = factors(rng, kind, 1500).astype(numpy_dtype(name))
    x[:SKIPPED] = 1
    x[0] = x[8] = np.sqrt(start)
    y = scanned(small_engine, x, passes, inclusive=inclusive)
    results = fmt.decode(y)[0 if inclusive else 1 :]
    state, near = exact.start, 0
    for i, (factor, result) in enumerate(zip(fmt.decode(x), results, strict=False)):
        states = exact.step(state, factor)
        state = next((s for s in states if s == result), states[-1])
        if i < SKIPPED:
            continue
        assert exact.error(state, result) <= allowed, (i, state, result)
        m, e = result
        top = None if e is None else e + abs(m).bit_length()
        near += top is not None and (top <= fmt.emin or top > fmt.emax)
    overflows_soon = start > 1 and kind != "turns"
    assert near > 50 or overflows_soon


@pytest.mark.parametrize("signs", [[1], [1, -1]])
@PASSES
def test_both_ends_in_one_thread(small_engine, signs, passes):
    """A float16 can round to 0 and then get out of the range in a few steps."""
    for steps in ([-14, -14, 15, 15, 15], [15, 15, -14, -14, -14, -14]):
        x = np.ones(1500, np.float16)
        x[8 : 8 + len(steps)] = np.resize(signs, len(steps)) * 2.0 ** np.array(steps)
        oracle.check("cumprod", x, scanned(small_engine, x, passes))


@PASSES
def test_a_tie_with_zero_is_one_everywhere(small_engine, passes):
    """The thread of x[4] has nothing but products just above half of the least one."""
    a = 2.0**-12
    x = np.ones(1500, np.float32)
    x[0], x[1], x[8] = 2.0**-50 * (1 + a), 2.0**-50, 2.0**40
    x[4] = 2.0**-50 * (1 - a + a * a)
    y = scanned(small_engine, x, passes)
    assert y[4] == y[7] == 2.0**-149
    oracle.check("cumprod", x, y)
