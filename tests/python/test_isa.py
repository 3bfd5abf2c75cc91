"""The instruction set that UPSWEEP_CPU_ISA names is the one that runs."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import upsweep
print(upsweep.device_info(upsweep.cpu)["isa"])
factors = upsweep.array([2.0, 0.5, -4.0, 0.125] * 5000)
last = [2.0, 1.0, -4.0, -0.5]
ends = upsweep.cumprod(factors).tolist()[:4]
assert ends == last, ends
assert upsweep.cumsum(upsweep.ones((70000,))).tolist()[-1] == 70000
"""


def run(isa):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"UPSWEEP_CPU_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_the_force_takes_effect(isa):
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("these instruction sets are x86-64's")
    done = run(isa)
    if f"This processor lacks {isa}" in done.stderr:
        pytest.skip(f"this processor lacks {isa}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [isa]


def test_an_unknown_name_says_what_there_is():
    done = run("mmx")
    assert done.returncode != 0
    assert "[UPSWEEP_CPU_ISA] There is no mmx here; choose one of" in done.stderr
