"""The instruction set that UPSWEEP_CPU_ISA names is the one that runs, and the
results of each are right."""

from pathlib import Path

import isas
import pytest
from support import cpu_only, run_python

pytestmark = [pytest.mark.own_isa, cpu_only]


def skip_unless_supported(isa):
    if reason := isas.why_not(isa):
        pytest.skip(reason)


@pytest.mark.parametrize("isa", isas.names())
def test_the_force_takes_effect(isa):
    skip_unless_supported(isa)
    assert isas.forced(isa) == (isa, "")


@pytest.mark.parametrize("isa", isas.names())
def test_results_are_those_of_the_oracle(isa):
    skip_unless_supported(isa)
    script = Path(__file__).parents[2] / "scripts" / "checked.py"
    found, scans = run_python(script, UPSWEEP_CPU_ISA=isa).split()
    assert found == isa
    assert int(scans) > 1000


def test_without_a_force_the_best_one_runs():
    best = next(isa for isa in isas.names() if not isas.why_not(isa))
    assert isas.forced("") == (best, "")


def test_an_unknown_name_says_what_there_is():
    assert isas.forced("mmx") == (
        "",
        "ValueError: [UPSWEEP_CPU_ISA] There is no mmx here; choose one of "
        f"{', '.join(isas.names())}.",
    )
