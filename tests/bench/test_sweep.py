"""The sweep: a quick run, its report and its picture, and rows that fail."""

import copy
import json
from argparse import Namespace
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import run_python

from bench import sweep, sweep_report
from bench.regression import slower_kinds
from bench.report import NONE, TIMES
from bench.sweep_cases import LIMITS, MIB, QUICK, drawn
from bench.sweep_chart import COLOURS, chart
from bench.timing import Timing

ROOT = Path(__file__).parents[2]


def without_constants(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a quick run, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    printed = run_python(
        *("-m", "bench.sweep", "--quick", "--seed", 7, "--minutes", 0.02),
        *("--json", folder / "new.json", "--chart", folder / "new.svg"),
        cwd=ROOT,
    )
    return folder, printed


@pytest.fixture
def results(run):
    return without_constants((run[0] / "new.json").read_text(encoding="utf-8"))


def from_files(*arguments):
    return run_python("-m", "bench.sweep", "--from", *arguments, cwd=ROOT)


def test_rows_are_the_cases_of_the_seed(results):
    rows = results["cases"]
    expected = [case.described() for case in islice(drawn(7, QUICK), len(rows))]
    named = [{key: row[key] for key in expected[0]} for row in rows]
    assert named == without_constants(json.dumps(expected))
    for row in rows:
        ours = row["results"]["upsweep"]
        assert 0 < ours["q1"] <= ours["median"] <= ours["q3"]
        assert row["copies"][row["copy"]]["median"] > 0
        assert "NumPy" in row["results"]


def test_the_summary_names_the_machine_and_the_rows(run, results):
    count = len(results["cases"])
    assert f"{count} rows of seed 7, 0 of them above 1 MiB, 0 failed." in run[1]
    assert results["machine"]["processor"] in " ".join(run[1].split())
    assert "Quick" in run[1]


def test_results_are_pooled(run, results):
    file = run[0] / "new.json"
    count = 2 * len(results["cases"])
    assert f"{count} rows of seed 7, 0 of" in from_files(file, file)


def test_results_of_two_devices_are_not_pooled(run, results, tmp_path):
    other = tmp_path / "gpu.json"
    other.write_text(json.dumps(results | {"device": "gpu"}))
    with pytest.raises(AssertionError, match="one device only"):
        from_files(run[0] / "new.json", other)


def dots(drawing):
    return ElementTree.fromstring(drawing).findall("{http://www.w3.org/2000/svg}circle")


def test_the_chart_has_a_dot_for_each_row(run, results):
    drawing = (run[0] / "new.svg").read_text(encoding="utf-8")
    assert drawing == chart([results])
    assert len(dots(drawing)) == len(results["cases"]) + len(COLOURS)


def timing(seconds):
    return {"median": seconds, "q1": seconds, "q3": seconds, "rounds": 5}


def row(case, copies, peers=None, threads=2, copy_seconds=1e-3):
    """A row of upsweep's time in copies, and its times over those of peers."""
    ours = copies * copy_seconds
    beside = {name: timing(ours / r) for name, r in (peers or {}).items()}
    return case.described() | {
        "threads": threads,
        "copies": {"memcpy": timing(copy_seconds)},
        "copy": "memcpy",
        "results": {"upsweep": timing(ours), **beside},
    }


def large_cases(op, dtype, device="cpu"):
    least = sweep_report.LARGE[device]
    for case in drawn(3, LIMITS[device]):
        if (case.op, case.dtype) == (op, dtype) and case.nbytes > least:
            yield case


def results_of(rows, device="cpu"):
    return {
        "date": "2026-01-01", "device": device, "threads": 2, "quick": False,
        "seed": 3, "instruction_set": "avx2", "versions": {"upsweep": "1"},
        "missing": {}, "cases": rows,
        "machine": dict.fromkeys(
            ("processor", "cores", "memory_gib", "system", "libc", "python"), "?"
        ),
    }  # fmt: skip


def line(table, start):
    (found,) = (x for x in table.splitlines() if x.startswith(f"| {start}"))
    return found


def test_goals_are_judged():
    product = list(islice(large_cases("cumprod", "float32"), 3))
    logs = next(large_cases("logcumsumexp", "float32"))
    turned = next(large_cases("cumsum", "complex64"))
    rows = [row(c, r) for c, r in zip(product, (1, 1.4, 2.6), strict=True)]
    rows += [row(logs, 7.9), row(turned, 3.1)]
    table = sweep_report.goals_table(results_of(rows))
    assert line(table, "real") == (
        "| real, not logcumsumexp | 2.5, median 1.5 | 3 | 1.40 | 2.58 | 2.60 "
        "| 1 above |"
    )
    assert line(table, "logcumsumexp float32").endswith("| met |")
    assert line(table, "complex64").endswith("| 1 above |")
    assert line(table, "logcumsumexp float64").endswith(
        "| 12 | 0" + 4 * f" | {NONE}" + " |"
    )
    slow = [row(c, 1.6) for c in product]
    table = sweep_report.goals_table(results_of(slow))
    assert line(table, "real").endswith("| median missed |")


def test_goals_of_the_gpu_have_no_exceptions():
    case = next(large_cases("cumprod", "int8", "gpu"))
    assert case.nbytes > 64 * MIB
    rows = [row(case, 2.1, threads=0, copy_seconds=1e-9)]
    assert line(
        sweep_report.goals_table(results_of(rows, "gpu")), "not logcumsumexp"
    ).endswith("| 1 above, median missed |")


def test_small_inputs_are_not_judged():
    small = next(c for c in drawn(3, QUICK) if c.dtype == "float32")
    run = results_of([row(small, 50)])
    assert sweep_report.large(run) == []
    assert len(sweep_report.measured(run)) == 1


def test_short_elements_may_take_their_time():
    case = next(large_cases("cumprod", "int8"))
    goal = sweep_report.GOALS["cpu"][0]
    fast = row(case, 5, copy_seconds=1e-5)
    seconds = 0.4e-9 * case.size / 2
    assert sweep_report.limit(fast, goal) == pytest.approx(seconds / 1e-5)
    assert sweep_report.limit(row(case, 5, copy_seconds=1), goal) == 2.5
    wide = row(next(large_cases("cumprod", "int32")), 5, copy_seconds=1e-5)
    assert sweep_report.limit(wide, goal) == 2.5


def test_the_worst_row_is_the_one_farthest_above_its_limit():
    product = next(large_cases("cumprod", "float32"))
    logs = next(large_cases("logcumsumexp", "float32"))
    run = results_of([row(logs, 9), row(product, 3)])
    assert [r["op"] for r in sweep_report.by_share(run)] == ["cumprod", "logcumsumexp"]
    text = sweep_report.summary([run], 1)
    assert sweep_report.name(row(product, 3)) in text
    assert sweep_report.name(row(logs, 9)) not in text


def test_rows_slower_than_a_peer_are_found():
    found = list(islice(large_cases("cumsum", "float64"), 3))
    rows = [
        row(found[0], 1, {"NumPy": 1.2, "PyTorch": 1.5}),
        row(found[1], 1, {"NumPy": 1.04}),
        row(found[2], 1, {"NumPy": 2}),
    ]
    slower = sweep_report.slower_rows(results_of(rows))
    assert [r["number"] for r in slower] == [found[2].number, found[0].number]
    assert sweep_report.fastest_peer(rows[0]) == (pytest.approx(1.5), "PyTorch")


def test_the_tables_fit():
    for device, limits in LIMITS.items():
        rows = [
            row(case, 98.7, {"PyTorch": 23.4})
            for case in islice(drawn(2, limits), 2000)
        ]
        text = sweep_report.summary([results_of(rows, device)], len(rows))
        assert max(map(len, text.splitlines())) <= 100


def test_sizes_are_in_powers_of_two():
    sizes = {
        1: "1 B", 1024: "1 KiB", 1536: "1.5 KiB", 1023 * 1024: "1023 KiB",
        MIB: "1 MiB", 1000 * MIB: "1000 MiB", 1024 * MIB: "1 GiB",
    }  # fmt: skip
    assert {n: sweep_report.binary(n) for n in sizes} == sizes


def test_the_99th_percentile_lies_between_the_nearest():
    assert sweep_report.percentile_99([2.0]) == 2
    assert sweep_report.percentile_99(list(range(101))) == 99
    assert sweep_report.percentile_99([1.0, 2.0]) == pytest.approx(1.99)


def test_a_kind_that_has_become_slower_is_found():
    cases = list(islice(large_cases("cumprod", "float32"), 5))
    old, new = (
        sweep_report.kinds(results_of([row(c, r) for c in cases])) for r in (1, 1.6)
    )
    assert slower_kinds(old, new) == [f"cumprod float32: 1.60 {TIMES} copy, was 1.00"]
    little = {kind: [1.4] * 5 for kind in old}
    assert slower_kinds(old, little) == []
    assert slower_kinds(old, {k: v[:4] for k, v in new.items()}) == []


def test_a_comparison_decides_the_exit_status(tmp_path, capsys):
    cases = list(islice(large_cases("cumprod", "float32"), 5))
    runs = [results_of([row(c, r) for c in cases]) for r in (1, 1.6)]
    file = tmp_path / "old.json"
    file.write_text(json.dumps(runs[0]))
    assert sweep.compared(file, [copy.deepcopy(runs[0])]) == 0
    assert sweep.compared(file, [runs[1]]) == 1
    assert "slower: cumprod float32" in capsys.readouterr().err


class Timer:
    """A device on which some cases raise, and whose calls take given seconds."""

    versions, missing = {"upsweep": "1"}, {}

    def __init__(self, errors=(), seconds=None):
        self.errors, self.seconds = dict(errors), seconds or {}
        self.calls = []

    def prepared(self, case):
        if case.number in self.errors:
            raise self.errors[case.number]

        def make(name):
            if name == "broken":
                raise TypeError("no such\nscan")
            return None if name == "missing" else name

        names = "upsweep", "peer", "broken", "missing"
        return {"copy": "copy"}, {name: lambda name=name: make(name) for name in names}

    def once(self, call):
        self.calls.append(call)
        return self.seconds.get(call, 1e-3)

    def interleaved(self, calls):
        self.timed = list(calls)
        return {n: Timing.of([self.seconds.get(n, 1e-3)] * 5) for n in calls}

    def clear(self):
        pass

    def where(self):
        return {"machine": results_of([])["machine"], "instruction_set": "?"}


def swept(timer, minutes=1.0):
    options = Namespace(quick=True, device="cpu", seed=1, minutes=minutes)
    return sweep.swept_on(timer, 2, options)


def test_a_row_that_fails_does_not_end_the_sweep(capsys):
    timer = Timer({1: MemoryError("too\nlarge"), 4: KeyboardInterrupt()})
    run = swept(timer)
    assert [r["number"] for r in run["cases"]] == [0, 1, 2, 3]
    assert run["cases"][1]["error"] == "MemoryError: too large"
    text = sweep_report.summary([run], 5)
    assert "4 rows of seed 1, 0 of them above 1 MiB, 1 failed." in text
    assert "MemoryError: too large" in text
    progress = capsys.readouterr().err
    assert progress.startswith("1:00 left [1] ")
    assert "MemoryError: too large" in progress
    assert len(dots(chart([run]))) == 3 + len(COLOURS)


def test_a_peer_that_fails_is_noted():
    timer = Timer({1: KeyboardInterrupt()})
    (first,) = swept(timer)["cases"]
    assert first["results"]["broken"] == {"unsupported": "TypeError: no such scan"}
    assert first["results"]["missing"] == {"unsupported": "not offered"}
    assert timer.timed == ["copy", "upsweep", "peer"]


@pytest.mark.parametrize(
    ("ours", "peer", "calls", "alone"),
    [
        (1e-3, 0.2, 1, False),
        (1e-3, 0.3, 2, True),  # twice, in case the first compiled something
        (0.3, 0.4, 2, False),  # not much slower than upsweep
        (1e-3, 3.0, 1, True),
        (2.9, 3.0, 1, True),
    ],
)
def test_a_slow_peer_is_timed_once(ours, peer, calls, alone):
    timer = Timer({1: KeyboardInterrupt()}, {"upsweep": ours, "peer": peer})
    (first,) = swept(timer)["cases"]
    assert timer.calls.count("peer") == calls
    assert ("peer" not in timer.timed) == alone
    assert first["results"]["peer"]["median"] == peer
    assert first["results"]["peer"]["rounds"] == (1 if alone else 5)


def test_the_time_is_kept():
    assert len(swept(Timer(), minutes=0)["cases"]) == 1
