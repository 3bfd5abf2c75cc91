"""Kept verdicts: one for the same arguments to the bit, and none for a failure."""

import numpy as np
import pytest

import oracle
from oracle import verdicts

pytestmark = pytest.mark.own_isa


@pytest.fixture
def calls(tmp_path, monkeypatch):
    monkeypatch.setenv("UPSWEEP_VERDICTS", str(tmp_path / "verdicts"))
    return []


def test_the_same_arguments_are_judged_once(calls):
    @verdicts.kept
    def judge(*arguments, **options):
        calls.append((arguments, options))
        return len(calls) / 3

    x = np.float32([0, 1, np.nan])
    different = [
        ((x,), {}),
        ((-x,), {}),  # the sign of a zero
        ((x[:2],), {}),
        ((x.reshape(1, 3),), {}),
        ((x.view(np.int32),), {}),
        ((x.tolist(),), {}),
        ((oracle.After(x),), {}),
        ((oracle.After(x, x),), {}),
        ((x, x), {}),
        ((x,), {"axis": 0}),
        ((x,), {"axis": 1}),
        ((x,), {"axis": 0, "reverse": True}),
        ((x,), {"initial": np.float32(0)}),
        ((x,), {"initial": np.float32(-0.0)}),
        ((x,), {"initial": 0}),
        ((x,), {"initial": False}),
    ]
    first = [judge(*arguments, **options) for arguments, options in different]
    assert len(calls) == len(different)
    assert [judge(*a, **o) for a, o in different] == first
    backwards = np.float32([np.nan, 1, 0])[::-1]
    assert judge(backwards) == first[0]  # the same elements
    assert len(calls) == len(different)


def test_failures_are_not_kept(calls):
    x, wrong = np.float32([2, 3]), np.float32([2, 5])
    for _ in range(2):
        assert oracle.check("cumprod", x, np.float32([2, 6])) == 0
        with pytest.raises(AssertionError, match="wrong at index 1"):
            oracle.check("cumprod", x, wrong)
