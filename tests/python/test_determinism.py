"""The same input gives the same bits: from run to run, for any thread count."""

import json
from pathlib import Path

import pytest
from support import run_python

SCRIPT = Path(__file__).with_name("digests.py")
THREADS = ["1", "2", "4"]


@pytest.fixture(scope="module")
def digests():
    return {n: json.loads(run_python(SCRIPT, UPSWEEP_NUM_THREADS=n)) for n in THREADS}


def test_the_number_of_threads_is_what_was_asked_for(digests):
    assert {n: d.pop("threads") for n, d in digests.items()} == {
        n: int(n) for n in THREADS
    }


def test_runs_repeat_bit_for_bit(digests):
    for result in digests.values():
        assert {case for case, found in result.items() if len(set(found)) > 1} == set()


def test_results_do_not_depend_on_the_number_of_threads(digests):
    assert digests["1"] == digests["2"] == digests["4"]
