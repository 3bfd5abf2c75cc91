"""The benchmark of the general scan: every task runs and is checked."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import run_python

from bench import general
from bench.general_cpu import Library, NumPy, Upsweep

ROOT = Path(__file__).parents[2]


def test_a_quick_run_is_right(tmp_path):
    file = tmp_path / "general.json"
    printed = run_python("-m", "bench.general", "--quick", "--json", file, cwd=ROOT)
    results = json.loads(file.read_text(encoding="utf-8"))
    assert [row["task"] for row in results["tasks"]] == [
        task.name for task in general.tasks(quick=True)
    ]
    for row in results["tasks"]:
        assert row["results"]["upsweep"]["right"]
        assert row["results"]["upsweep"]["median"] > 0
        assert row["task"] in printed


@pytest.mark.parametrize("library", [Upsweep, NumPy])
def test_wrong_results_are_marked(library):
    class Wrong(library):
        def read(self, y):
            y = super().read(y)
            return y * np.float32(1.01) if isinstance(y, np.ndarray) else y

    tasks = [task for task in general.tasks(quick=True) if task.what == "segments"]
    marked = general.measured(tasks[0], [Copy(), Wrong()], 0)
    assert not marked["results"][library.name]["right"]


class Copy(Library):
    name = "copy"

    def call(self, task):
        return lambda: task.arrays["x"].copy()
