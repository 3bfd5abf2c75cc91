"""Runs the examples and checks what they write."""

import csv
import itertools
import re
import runpy
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


def test_ray_gradients(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    printed = run("ray_gradients", tmp_path)
    ours = re.findall(r"upsweep.torch.cumprod: (\d+) of \d+ gradients", printed)
    assert ours == ["0", "0"]
    theirs = re.findall(r"^.*: torch.cumprod: (\d+) of \d+ gradients", printed, re.M)
    assert len(theirs) == 2
    picture = ElementTree.parse(tmp_path / "ray_gradients.svg").getroot()
    assert len(picture.findall(".//{*}polyline")) == 6


@pytest.mark.parametrize(("op", "scan"), [("prod", np.cumprod), ("sum", np.cumsum)])
def test_streaming(tmp_path, op, scan):
    size, chunk = 100003, 1000
    options = ("--op", op, "--size", str(size), "--chunk", str(chunk))
    printed = run("streaming", tmp_path, *options)
    returns = np.random.default_rng(0).normal(1, 1e-4, size).astype(np.float32)
    results = np.fromfile(tmp_path / "scanned.f32", np.float32)
    exact = scan(returns.astype(np.float64))
    assert np.abs(results / exact - 1).max() < 1.2e-7
    assert f"the {op} of all is {exact[-1]:.6g}" in printed
    peak = re.search(r"at most ([\d,]+) bytes", printed).group(1)
    assert int(peak.replace(",", "")) < 8 * chunk


def test_streaming_reads_a_file(tmp_path):
    np.float32([1, 2, 3, 4]).tofile(tmp_path / "numbers")
    run("streaming", tmp_path, "numbers", "--chunk", "3", "-o", "products")
    results = np.fromfile(tmp_path / "products", np.float32)
    assert results.tolist() == [1, 2, 6, 24]
    assert (tmp_path / "numbers").exists()


def test_ragged_rays(tmp_path):
    printed = run("ragged_rays", tmp_path, "--rays", "20")
    assert "padded" in printed
    assert "light at the wall" in printed
    picture = ElementTree.parse(tmp_path / "rays.svg")
    assert len(picture.findall(".//{*}path")) == 16

    example = runpy.run_path(str(EXAMPLES / "ragged_rays.py"))
    _, offsets, density = example["march"](20)
    reaching, at_wall = example["transmittance"](density, offsets)
    clear = np.exp(-density * example["STEP"]).astype(np.float64)
    for ray, (first, end) in enumerate(itertools.pairwise(offsets)):
        exact = np.cumprod(np.append(1, clear[first:end]))
        np.testing.assert_allclose(reaching[first:end], exact[:-1], 1.2e-7)
        np.testing.assert_allclose(at_wall[ray], exact[-1], 2.4e-7)


def test_out_of_core(tmp_path):
    _, _, zarr = (
        pytest.importorskip(needed, reason=f"{needed} is not installed")
        for needed in ("dask", "psutil", "zarr")
    )
    mib, chunk_mib = 24, 0.5
    options = ("--mib", str(mib), "--chunk-mib", str(chunk_mib))
    printed = run("out_of_core", tmp_path, *options)
    returns = zarr.open(tmp_path / "returns.zarr")[:]
    results = zarr.open(tmp_path / "products.zarr")[:]
    exact = np.cumprod(returns.astype(np.float64))
    assert np.abs(results / exact - 1).max() < 1.2e-7
    assert f"{mib} MiB in {mib / chunk_mib:.0f} chunks" in printed
    ElementTree.parse(tmp_path / "memory.svg")


def test_portfolio(tmp_path):
    printed = run("portfolio", tmp_path)
    assert "deepest fall" in printed
    chart = ElementTree.parse(tmp_path / "portfolio.svg")
    assert len(chart.findall(".//{*}polyline")) == 4


def test_returns(tmp_path):
    printed = run("returns", tmp_path, "--steps", "500", "--environments", "30")
    assert "500 steps of 30 environments" in printed
    picture = ElementTree.parse(tmp_path / "returns.svg")
    assert len(picture.findall(".//{*}polyline")) == 2

    example = runpy.run_path(str(EXAMPLES / "returns.py"))
    rewards, values, done = example["synthetic_episodes"](300, 7)
    gamma, lam = example["GAMMA"], example["LAMBDA"]
    to_come = example["returns"](rewards, values[-1], done)
    estimates = example["advantages"](rewards, values, done)
    # By their definitions: sums over the rest of the episode.
    for start, environment in itertools.product(range(0, 300, 7), range(7)):
        total, surprises = 0.0, 0.0
        for step in range(start, 300):
            reward, is_end = rewards[step, environment], done[step, environment]
            following = 0 if is_end else values[step + 1, environment]
            surprise = reward + gamma * following - values[step, environment]
            total += gamma ** (step - start) * reward
            surprises += (gamma * lam) ** (step - start) * surprise
            if is_end:
                break
        else:
            total += gamma ** (300 - start) * values[300, environment]
        assert to_come[start, environment] == pytest.approx(total, abs=1e-6)
        assert estimates[start, environment] == pytest.approx(surprises, abs=1e-6)


def test_diffusion(tmp_path):
    printed = run("diffusion", tmp_path)
    errors = dict(re.findall(r"largest error of (.*): ([\d.]+) ulp", printed))
    assert float(errors["upsweep"]) <= 1
    assert float(errors["float16 loop"]) > 100
    picture = ElementTree.parse(tmp_path / "diffusion.svg")
    assert len(picture.findall(".//{*}polyline")) == 4


def test_no_example_goes_untested():
    tested = {
        name.removeprefix("test_") for name in globals() if name.startswith("test_")
    }
    assert {p.stem for p in EXAMPLES.glob("*.py")} <= tested
