"""The benchmark of scans of Dask arrays: a quick run, its judge of results, and the
documents that show the stored one."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from support import run_python

for module in ("dask", "distributed", "psutil"):
    pytest.importorskip(module, reason=f"{module} is not installed")

from bench import chunked_errors, chunked_scans, report  # noqa: E402
from bench.chunked_chart import chart  # noqa: E402
from bench.chunked_report import in_markdown, in_rst  # noqa: E402

ROOT = Path(__file__).parents[2]
SIZE, CHUNK = 1 << 12, 331


def without_constants(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The results of a quick run, and what it printed and drew."""
    folder = tmp_path_factory.mktemp("chunked")
    file, drawing = folder / "chunked.json", folder / "chunked.svg"
    printed = run_python(
        *("-m", "bench.chunked", "--quick", "--json", file, "--chart", drawing),
        cwd=ROOT,
    )
    return without_constants(file.read_text(encoding="utf-8")), printed, drawing


@pytest.fixture(scope="module")
def stored():
    return without_constants(read("bench/chunked.json"))


def test_everything_is_measured(run):
    results, printed, _ = run
    for part in ("chunks", "workers"):
        for row in results[part]["rows"]:
            assert list(row["results"]) == list(chunked_scans.ALL)
            for timing in row["results"].values():
                assert 0 < timing["q1"] <= timing["median"] <= timing["q3"]
    schedulers = [(r["scheduler"], r["workers"]) for r in results["workers"]["rows"]]
    assert schedulers == [(s, n) for s in ("threads", "processes") for n in (1, 2)]
    for row in results["memory"]:
        assert row["growth_bytes"] >= 0
        assert len(row["samples"]) >= 2
    for name, table in in_markdown(results).items():
        assert f"{name}\n\n{table}" in printed
    assert results["machine"]["processor"] in printed


def test_upsweep_is_right_and_products_of_chunks_are_not(run):
    rows = run[0]["wrong"]["rows"]
    assert [row["line"] for row in rows] == list(chunked_errors.lines(SIZE))
    for row in rows:
        assert set(row["results"]["upsweep"].values()) == {0}, row["line"]
        assert row["results"]["Dask, Blelloch"]["ulp"] > 0, row["line"]


def test_the_chart_is_svg(run):
    root = ElementTree.parse(run[2]).getroot()
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    # Of the scans; of the input, the machine and the process.
    assert len(lines) == len(chunked_scans.ALL) + 3


def test_documents_show_the_stored_results(stored):
    assert not stored["quick"]
    readme = read("bench/README.md")
    for table in in_markdown(stored).values():
        assert table in readme
    assert " ".join(report.about(stored)) in readme
    guide = read("docs/guides/dask.rst")
    for name in ("chunks", "memory"):
        assert in_rst(stored, name) in guide
    assert stored["machine"]["processor"] in guide
    assert chart(stored) == read("bench/chunked.svg")


def test_parts_of_the_line_fit_together():
    size = 3 * chunked_scans.BLOCK
    whole = chunked_scans.factors(0, size)
    assert len(np.unique(whole)) > 1000
    middle = chunked_scans.BLOCK + 7
    parts = [chunked_scans.factors(0, middle), chunked_scans.factors(middle, size)]
    assert np.concatenate(parts)[:size].tobytes() == whole.tobytes()
    x = chunked_scans.line(size, 5)
    assert x.compute(scheduler="synchronous").tobytes() == whole.tobytes()
    assert x.name != chunked_scans.line(size, 5).name


def wrong(xs, ys):
    expected = chunked_errors.Expected(np.float32(xs))
    return expected.wrong(np.float32(ys))


def test_the_judge_by_hand():
    one = np.float32(1)
    above = np.nextafter(one, one * 2)
    inf, nan = np.inf, np.nan
    assert wrong([3, 0.5], [3, 1.5]) == {"ulp": 0, "hundredth": 0, "nan": 0}
    assert wrong([1, 1], [1, above]) == {"ulp": 0, "hundredth": 0, "nan": 0}
    assert wrong([1, 1], [1, above + 2 * (above - 1)])["ulp"] == 1
    assert wrong([1, 1], [1, 1.02]) == {"ulp": 1, "hundredth": 1, "nan": 0}
    assert wrong([1, 1], [1, nan]) == {"ulp": 1, "hundredth": 1, "nan": 1}
    assert wrong([1, 1], [1, inf])["hundredth"] == 1
    # What leaves the range stays out.
    leaves = [1e30, 1e30, 1e-30]
    assert wrong(leaves, [1e30, inf, inf])["ulp"] == 0
    assert wrong(leaves, [1e30, inf, 1e30])["hundredth"] == 1
    assert wrong(leaves, [1e30, nan, inf]) == {"ulp": 1, "hundredth": 1, "nan": 1}
    vanishes = [1e-30, 1e-30, 1e30]
    assert wrong(vanishes, [1e-30, 0, 0])["ulp"] == 0
    assert wrong(vanishes, [1e-30, 0, 1e-30])["ulp"] == 1
    # An ulp of a subnormal number.
    assert wrong([2.0**-149, 1], [2.0**-149, 2.0**-148])["hundredth"] == 0


@pytest.mark.parametrize("line", chunked_errors.lines(SIZE))
def test_a_wrong_library_is_counted(line):
    """One that gets the last chunk wrong."""
    right = chunked_scans.SCANS["upsweep"]

    def spoilt(x):
        last = x.numblocks[0] - 1

        def spoil(y, block_info=None):
            (block,) = block_info[0]["chunk-location"]
            return np.full_like(y, 3) if block == last else y

        return right(x).map_blocks(spoil, dtype=x.dtype)

    scans = {"right": right, "spoilt": spoilt}
    rows = chunked_errors.counts(scans, SIZE, CHUNK)
    (results,) = (row["results"] for row in rows if row["line"] == line)
    assert results["right"] == {"ulp": 0, "hundredth": 0, "nan": 0}
    assert results["spoilt"] == {
        "ulp": SIZE % CHUNK,
        "hundredth": SIZE % CHUNK,
        "nan": 0,
    }
