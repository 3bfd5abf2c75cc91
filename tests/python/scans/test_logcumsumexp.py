"""logcumsumexp where its sums change their scale, or have none: infinities and NaN,
lines that rise and fall far, plateaus, and results near zero."""

import math

import numpy as np
import oracle
import pytest
import upsweep
from support import (
    FLOATS,
    checked_general_scan,
    checked_scan,
    cpu_only,
    numpy_dtype,
    stream_for,
)

# Two blocks of stripes of float32, three of float64, and elements without a stripe.
LONG = 2500


def line(kind, n):
    rng = np.random.default_rng(7)
    at, x = np.arange(n), 3 * rng.normal(size=n)
    return {
        "leading none": lambda: np.where(at < n // 3, -np.inf, x),
        "all none": lambda: np.full(n, -np.inf),
        "some none": lambda: np.where(rng.random(n) < 0.3, -np.inf, x),
        "infinite": lambda: np.where(at == n // 2, np.inf, x),
        "infinite first": lambda: np.where(at == 0, np.inf, x),
        "infinite, then NaN": lambda: np.where(
            at == n // 2, np.inf, np.where(at == n // 2 + 99, np.nan, x)
        ),
        "NaN": lambda: np.where(at == n // 2 + 7, np.nan, x),
        "NaN, then infinite": lambda: np.where(
            at == n // 2, np.nan, np.where(at == n // 2 + 5, np.inf, x)
        ),
        "rising": lambda: 0.37 * (at - n / 2),
        "rising by a scale": lambda: 33.3 * (at - n / 2),
        "rising beyond exponents": lambda: 1e5 * np.sort(rng.random(n)) - 4e4,
        "falling": lambda: -0.9 * at,
        "a high first": lambda: np.where(at == 0, 900.0, x),
        "a low first": lambda: np.where(at < n // 2, -2000.0, x),
        "a step to zero": lambda: np.where(at < n // 2, -50.3, 0.1),
        "wide": lambda: 400 * rng.normal(size=n),
        "extreme": lambda: 1e38 * np.clip(rng.normal(size=n), -3, 3),
        "extreme, rising": lambda: 3e38 * np.linspace(-1, 1, n),
        "plateau": lambda: np.full(n, 12.3),
        "low plateau": lambda: np.full(n, -1234.5),
        "near zero": lambda: np.full(n, -math.log(n / 2)),
        "about zero": lambda: np.where(at == 0, -9.0, -np.log(at + 1.0) - 2),
        "subnormal": lambda: 1e-40 * rng.random(n),
    }[kind]()


KINDS = ["leading none", "all none", "some none", "infinite", "infinite first",
         "infinite, then NaN", "NaN", "NaN, then infinite", "rising",
         "rising by a scale", "rising beyond exponents", "falling", "a high first",
         "a low first", "a step to zero", "wide", "extreme", "extreme, rising",
         "plateau", "low plateau", "near zero", "about zero", "subnormal"]  # fmt: skip


def values(kind, name, n=LONG):
    with np.errstate(all="ignore"):
        return line(kind, n).astype(numpy_dtype(name))


def scan(x, **options):
    return upsweep.logcumsumexp(x, stream=stream_for(x.dtype.name), **options)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_line(kind, name):
    x = values(kind, name)
    checked_scan("logcumsumexp", upsweep.asarray(x), x)
    few = x[LONG // 2 - 60 : LONG // 2 + 90]
    checked_scan("logcumsumexp", few, few, inclusive=False)
    checked_scan("logcumsumexp", few[::-2], few[::-2])


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_lines_side_by_side(kind, name):
    """Each column has its turn at another time, so that the lanes of a row differ."""
    x = values(kind, name, 1200)
    columns = np.ascontiguousarray(x.reshape(60, 20))
    checked_scan("logcumsumexp", columns, columns, axis=0, reverse=True)
    checked_scan("logcumsumexp", columns.T, columns.T, axis=1)
    checked_scan("logcumsumexp", columns, columns, axis=1, inclusive=False)
    few = x.reshape(400, 3)
    checked_scan("logcumsumexp", few, few, axis=0)


@pytest.mark.parametrize("name", FLOATS)
def test_long_lines_backwards_and_with_steps(name):
    x = values("wide", name, 2 * LONG)
    checked_scan("logcumsumexp", x[::2], x[::2])
    checked_scan("logcumsumexp", x[:LONG], x[:LONG], reverse=True, inclusive=False)


# A prefix far below what follows it; sums of many elements that stay the largest part
# when their scale moves, or their stripes', by a difference that rounds.
LOW = -33.77716908047906
PREFIXES = {
    "150 below": [-160.0] * 16 + [-170.0] * 3 + [0.0],
    "300 below": [-200.0] * 16 + [-300.0] * 7 + [0.0],
    "nothing between": [-200.0] * 16 + [-np.inf] * 7 + [0.0],
    "behind stripes": [-160.0] * 260 + [-170.0] * 3 + [0.0] * 5,
    "a sum that moves": [
        -33.10107909966548,
        *[-1.1650874325949525] * 3,
        -1.0809899825960052,
    ],
    "a scale apart": [LOW, *[LOW + 31.9] * 7, -1.7771690804790587],
}


@pytest.mark.parametrize("columns", [1, 3, 16])
@pytest.mark.parametrize("kind", PREFIXES)
@pytest.mark.parametrize("name", FLOATS)
def test_sums_far_from_their_scale(name, kind, columns):
    line = np.array(PREFIXES[kind]).astype(numpy_dtype(name))
    x = np.ascontiguousarray(np.tile(line[:, None], columns))
    for a in (x[:, 0] if columns == 1 else x, np.repeat(line, 300)[::300]):
        checked_scan("logcumsumexp", a, a, axis=0)


@cpu_only
@pytest.mark.parametrize("name", FLOATS)
def test_the_first_result_is_the_first_element(name):
    x = values("wide", name, 40).reshape(1, 40) * np.ones((300, 1), numpy_dtype(name))
    x[0] = 2.0**-20 * np.arange(1, 41)
    for axis, a in ((0, x), (1, np.ascontiguousarray(x.T))):
        y = np.asarray(scan(a, axis=axis))
        assert (y.take(0, axis) == a.take(0, axis)).all()
    assert scan(x[0, :1]).tolist() == x[0, :1].tolist()


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("start", [-math.inf, -700.0, 0.5, 700.0, math.inf, math.nan])
def test_initial_values(name, start):
    for kind in ("wide", "rising", "leading none"):
        x = values(kind, name, 1300)
        checked_general_scan("logaddexp", x, x, initial=start, before=start)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["rising", "falling", "wide", "some none"])
def test_carries(kind, name):
    """The sums of a carry fit in the numbers of any device."""
    x = values(kind, name)
    for at in (1, 70, LONG - 9):
        start = upsweep.carry(x[:at], "logaddexp", stream=stream_for(name))
        record = np.asarray(start)
        assert record["total_re"] < 2.0**100
        assert record["total_re"] > 2.0**-100 or record["total_scale"] == -math.inf
        last = x[at:]
        before = oracle.After(x[:at])
        checked_general_scan("logaddexp", last, last, initial=start, before=before)


@cpu_only
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize(
    "amount", [1e-300, 1e-20, 1e300, 0.0, math.inf, -1.0, math.nan]
)
def test_records_may_have_any_sum(name, amount):
    carry = upsweep.carry(values("wide", name, 3), "logaddexp", stream=stream_for(name))
    record = np.asarray(carry).copy()
    record["prefix_re"], record["prefix_re_low"], record["prefix_scale"] = amount, 0, 3
    # No scan makes the others.
    wanted = 3 + np.log(amount) if 0 < amount < math.inf else np.nan
    for x in (np.full(4, -np.inf), np.full((4, 20), -np.inf)):
        start = upsweep.Carry("logaddexp", carry.dtype, record)
        if x.ndim == 2:
            start = upsweep.Carry("logaddexp", carry.dtype, np.tile(record, 20))
        y = np.asarray(
            upsweep.scan(
                x.astype(name),
                "logaddexp",
                0,
                initial=start,
                stream=stream_for(name),
            )
        )
        np.testing.assert_allclose(y, np.full(y.shape, wanted), rtol=2e-7)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads(kind, name):
    x = values(kind, name, 150001)
    columns = x[:150000].reshape(-1, 3)
    most = upsweep.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            upsweep.set_num_threads(threads)
            results = (scan(x), scan(columns, axis=0))
            found.append([np.asarray(y).tobytes() for y in results])
    finally:
        upsweep.set_num_threads(most)
    assert found[0] == found[1] == found[2]
