"""The same input gives the same bits: from run to run, and for any number of
threads."""

import json
from pathlib import Path

import isas
import pytest
from support import cpu_only, run_python

pytestmark = [pytest.mark.own_isa, cpu_only]

SCRIPT = Path(__file__).parents[2] / "scripts" / "digests.py"
THREADS = [1, 2, 4]


@pytest.fixture(scope="module", params=isas.names())
def runs(request):
    """The output of digests.py with each number of threads."""
    if reason := isas.why_not(request.param):
        pytest.skip(reason)
    force = {"UPSWEEP_CPU_ISA": request.param}
    found = []
    for threads in THREADS:
        text = run_python(SCRIPT, UPSWEEP_NUM_THREADS=str(threads), **force)
        found.append(json.loads(text))
        assert found[-1].pop("isa") == request.param
        assert found[-1].pop("threads") == threads
    return found


def test_runs_repeat_bit_for_bit(runs):
    for digests in runs:
        assert [case for case, seen in digests.items() if len(seen) > 1] == []


def test_results_do_not_depend_on_the_number_of_threads(runs):
    one, *more = runs
    assert len(one) > 2000
    for digests in more:
        assert digests.keys() == one.keys()
        assert [case for case in one if digests[case] != one[case]] == []
