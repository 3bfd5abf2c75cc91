"""The benchmark: its oracle, its output, and its reports of what is missing or
slower."""

import copy
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from support import run_python

from bench import cuda, inputs, oracle, peers, report, session
from bench.cases import CASES, Case, near_copy
from bench.chart import chart
from bench.oracle import Oracle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a quick run, and what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    printed = run_python(
        *("-m", "bench", "--quick"),
        *("--json", folder / "new.json", "--chart", folder / "new.svg"),
        cwd=ROOT,
    )
    return folder, printed


@pytest.fixture
def results(run):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (run[0] / "new.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse)


def command(run, *arguments):
    return run_python(
        "-m", "bench", "--from", run[0] / "new.json", *arguments, cwd=ROOT
    )


def test_all_cases_are_measured(results):
    assert [case["id"] for case in results["cases"]] == [case.id for case in CASES]
    for case in results["cases"]:
        ours = case["results"]["upsweep"]
        assert 0 < ours["q1"] <= ours["median"] <= ours["q3"]
        assert ours["nans"] == 0
        assert ours["ulp"] <= 1
        assert case["copies"][case["copy"]]["median"] > 0


def test_the_machine_and_versions_are_named(run, results):
    assert results["machine"]["processor"] in run[1]
    assert f"NumPy {np.__version__}" in run[1]


def test_the_case_of_one_thread_has_one(results):
    threads = {case["id"]: case["threads"] for case in results["cases"]}
    assert threads["in-cache"] == 1
    assert threads["row"] == results["threads"]


def test_the_chart_is_svg_with_a_bar_for_each_result(run, results):
    root = ElementTree.parse(run[0] / "new.svg").getroot()
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    charted = [case for case in results["cases"] if case["charted"]]
    assert len(bars) == sum(
        "median" in result
        for case in charted
        for name, result in case["results"].items()
        if name != "C loop"
    )


def test_tables_and_chart_come_from_data(run, results):
    short = command(run, "--table", "short", "--chart", run[0] / "again.svg")
    assert short.startswith(report.short_table(results))
    assert chart(results) == (run[0] / "again.svg").read_text(encoding="utf-8")
    assert report.long_table(results) in command(run, "--table", "markdown")


@pytest.mark.parametrize("stored", ["results.json", "gpu.json"])
def test_documents_show_the_stored_results(stored):
    text = (ROOT / "bench" / stored).read_text(encoding="utf-8")
    table = report.short_table(json.loads(text))
    assert table in (ROOT / "bench/README.md").read_text(encoding="utf-8")
    head, align, *rows = table.splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition(f"{head}\n{align}\n")[2].partition("\n\n")[0].splitlines()
    assert len(shown) > 4
    assert [row for row in shown if row not in rows] == []


def test_a_terminal_shows_the_tables(run, results):
    for arguments in ((), ("--targets",)):
        printed = command(run, *arguments)
        assert max(map(len, printed.splitlines())) <= 100
        assert ("target" in printed) == bool(arguments)
        assert ("missed" in printed or "met" in printed) == bool(arguments)
        for case in results["cases"]:
            assert f"\n{case['title']}\n" in printed
    assert "target" not in command(run, "--table", "markdown")
    assert report.long_table(results, targets=True) in command(
        run, "--table", "markdown", "--targets"
    )


def test_the_ids_are_listed():
    printed = run_python("-m", "bench", "--list", cwd=ROOT)
    assert [line.split()[0] for line in printed.splitlines()] == [c.id for c in CASES]
    some = run_python("-m", "bench", "--list", "--cases", "tall,short", cwd=ROOT)
    assert [line.split()[0] for line in some.splitlines()] == [
        "tall-axis1",
        "tall-axis0",
        "short",
    ]


def test_no_case_of_that_name():
    with pytest.raises(AssertionError, match="no case has 'nothing' in its id; --list"):
        run_python("-m", "bench", "--quick", "--cases", "nothing", cwd=ROOT)


def test_a_reader_that_goes_away(run):
    arguments = ("-m", "bench", "--from", run[0] / "new.json")
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + 13


def test_the_time_that_is_left_is_said_from_the_start(monkeypatch, capsys, results):
    clock = iter([0, 0, 20, 60])
    monkeypatch.setattr(session.time, "monotonic", lambda: next(clock))
    cases = [Case(f"{k}", (1,), near_copy(1)) for k in range(3)]
    progress = session.Progress(cases, 9.5)
    for _ in cases:
        progress.finish(results["cases"][0])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":", 1)[1][:13] for line in lines] == [
        "30 left [1/3]",
        "40 left [2/3]",
        "30 left [3/3]",
    ]


def test_missing_peers_are_named(monkeypatch, results):
    monkeypatch.setitem(sys.modules, "torch", None)
    found, missing = peers.installed(["NumPy", "PyTorch"], "cpu", 1)
    assert [peer.name for peer in found] == ["NumPy"]
    assert list(missing) == ["PyTorch"]
    assert "Missing: PyTorch." in report.about({**results, "missing": missing})


def test_what_a_library_cannot_do_has_a_dash(results):
    (case,) = (c for c in results["cases"] if c["id"] == "row-float16")
    case["results"]["other"] = {"unsupported": "float16"}
    assert report.cell(case, "other") == report.NONE


def test_a_seeded_regression_fails(run, results):
    old = copy.deepcopy(results)
    (case,) = (c for c in old["cases"] if c["id"] == "tall-axis0")
    case["results"]["upsweep"]["median"] /= 1.6
    earlier = run[0] / "old.json"
    earlier.write_text(json.dumps(old), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"slower: float32, .*, axis 0"):
        command(run, "--compare", earlier)


def test_the_same_results_pass(run):
    command(run, "--compare", run[0] / "new.json")


def test_every_library_does_the_scan_of_the_case(results):
    for case in results["cases"]:
        for name, result in case["results"].items():
            if "unsupported" not in result:
                assert result["nans"] == 0, name
                assert result["ulp"] < 4096, name


def worst(xs, ys, dtype="float32", **options):
    x, y = np.array(xs, dtype), np.array(ys, dtype)
    case = Case("hand", x.shape, near_copy(1), dtype=dtype, **options)
    return Oracle(case, x).worst(y)


def test_the_oracle_on_products_by_hand():
    assert worst([3, 0.5, 4], [3, 1.5, 6]) == 0
    assert worst([3, 0.5, 4], [3, 1.5, 6 + 2**-21]) == 1
    assert worst([3, 0.5, 4], [6, 2, 4], reverse=True) == 0
    assert worst([3, 0.5, 4], [1, 3, 1.5], inclusive=False) == 0
    assert worst([3, 0.5, 4], [2, 4, 1], inclusive=False, reverse=True) == 0
    assert worst([-3, 0.5, -4], [-3, -1.5, 6]) == 0
    assert worst([-3, 0.5, -4], [-3, 1.5, 6]) > 1e6
    assert worst([3, 0.5, 4], [3, np.nan, 6]) is None
    assert worst([3, 0.5, 4], [3, np.inf, 6]) is None


def test_errors_on_an_nvidia_gpu_by_hand():
    case = Case("row", (3,), near_copy(1))
    assert cuda.error(case, np.float32([2, 3, 4]), np.float32([2, 6, 24])) == 0
    above = np.nextafter(np.float32(24), np.float32(25))
    assert cuda.error(case, np.float32([2, 3, 4]), np.float32([2, 6, above])) == 1
    # A product that has left the range stays out.
    leaves, inf = np.float32([1e30, 1e30, 1e-30]), np.float32(np.inf)
    assert cuda.error(case, leaves, np.float32([1e30, inf, inf])) < 1
    assert cuda.error(case, leaves, np.float32([1e30, inf, 1e30])) is None
    assert cuda.error(case, leaves, np.float32([1e30, inf, np.nan])) is None


def test_the_oracle_counts_subnormal_ulps():
    assert worst([2**-10, 2**-10], [2**-10, 2**-20], "float16") == 0
    assert worst([2**-10, 2**-10], [2**-10, 2**-20 + 2**-24], "float16") == 1


def test_the_oracle_on_others_by_hand():
    assert worst([0.5, 0.25, 0.25], [0.5, 0.75, 1], "float64", op="cumsum") == 0
    assert worst([1, 3, 2], [1, 3, 3], "int32", op="cummax") == 0
    assert worst([1, 3, 2], [1, 3, 2], "int32", op="cummax") is None
    assert worst([2**31 - 1, 2], [2**31 - 1, -2], "int32") == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_oracle_is_exact_on_long_lines(dtype):
    case = Case("long", (oracle.LONG,), near_copy(1), dtype=dtype)
    xs = inputs.make(case)
    samples = oracle.products(xs, dtype)
    product = Fraction(1)
    for k, x in enumerate(xs.tolist()):
        product *= Fraction(x)
        if k % oracle.STRIDE == oracle.STRIDE - 1:
            at = k // oracle.STRIDE
            found = Fraction(samples.high[at]) + Fraction(samples.low[at])
            assert abs(found / product - 1) < Fraction(1, 2**100)
    assert k == oracle.LONG - 1
