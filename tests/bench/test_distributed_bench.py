"""The benchmark of scans over several processes: a quick run, and the table that the
documents show."""

import importlib.util
import json
from pathlib import Path

import pytest
from support import run_python

from bench import distributed

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
def test_a_quick_run(tmp_path):
    file = tmp_path / "distributed.json"
    printed = run_python(
        *("-m", "bench.distributed", "--elements", 4096, "--rounds", 2, "--json", file),
        cwd=ROOT,
    )
    results = json.loads(file.read_text(encoding="utf-8"))
    assert results["processes"] == 2
    assert all(seconds > 0 for seconds in results["seconds"].values())
    assert distributed.table(results["seconds"]) in printed


def test_the_documents_show_what_was_measured():
    results = json.loads((ROOT / "bench/distributed.json").read_text(encoding="utf-8"))
    shown = (ROOT / "bench/README.md").read_text(encoding="utf-8")
    assert distributed.table(results["seconds"]) in shown
