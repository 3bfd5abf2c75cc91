"""Runs the examples and checks what they write."""

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from support import cpu_only, run_python

pytestmark = cpu_only

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"


def run(name, folder, *options):
    printed = run_python(EXAMPLES / f"{name}.py", *options, cwd=folder)
    assert "wrote" in printed
    return printed


def test_noise_schedule(tmp_path):
    run("noise_schedule", tmp_path)
    with (tmp_path / "noise_schedule.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 1000
    last = rows[-1]
    assert float(last["alphas_cumprod"]) == pytest.approx(4.0358e-05, rel=1e-4)
    assert float(rows[0]["alphas_cumprod_prev"]) == 1
    assert last["alphas_cumprod_prev"] == rows[-2]["alphas_cumprod"]


def test_volume_rendering(tmp_path):
    run("volume_rendering", tmp_path, "--width", "96", "--samples", "32")
    picture = (tmp_path / "spheres.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture[16:24] == (96).to_bytes(4, "big") + (60).to_bytes(4, "big")
    assert len(picture) > 2000


def test_streaming(tmp_path):
    run("streaming", tmp_path, "--size", "100003", "--chunk", "1000")
    returns = np.random.default_rng(0).normal(1, 1e-4, 100003).astype(np.float32)
    results = np.fromfile(tmp_path / "products.f32", np.float32)
    exact = np.cumprod(returns.astype(np.float64))
    assert np.abs(results / exact - 1).max() < 1.2e-7


def test_portfolio(tmp_path):
    printed = run("portfolio", tmp_path)
    assert "deepest fall" in printed
    chart = ElementTree.parse(tmp_path / "portfolio.svg")
    assert len(chart.findall(".//{*}polyline")) == 4


def test_no_example_goes_untested():
    tested = {
        name.removeprefix("test_") for name in globals() if name.startswith("test_")
    }
    assert {p.stem for p in EXAMPLES.glob("*.py")} <= tested
