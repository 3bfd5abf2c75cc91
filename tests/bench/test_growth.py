"""The measurement of growth: a quick run, its tables and its picture."""

import copy
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import run_python

from bench import growth
from bench.growth_chart import MOST, chart
from bench.growth_report import rows_of, shapes_table, sizes_table
from bench.report import NONE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The results of a quick run, its picture and what it printed."""
    folder = tmp_path_factory.mktemp("growth")
    files = folder / "new.json", folder / "new.svg"
    printed = run_python(
        *("-m", "bench.growth", "--quick"),
        *("--json", files[0], "--chart", files[1]),
        cwd=ROOT,
    )
    text, drawing = (file.read_text(encoding="utf-8") for file in files)
    return json.loads(text), drawing, printed


@pytest.fixture
def results(run):
    return copy.deepcopy(run[0])


def test_rows_are_the_cases(results):
    found = [row for row in results["cases"] if row["threads"] == results["threads"]]
    expected = list(growth.cases(growth.QUICK))
    assert [row["part"] for row in found] == [part for part, _ in expected]
    assert [row["shape"] for row in found] == [list(c.shape) for _, c in expected]
    assert all(row["results"]["upsweep"]["median"] > 0 for row in found)


def test_every_shape_has_as_many_elements(results):
    for part in ("rows", "columns"):
        rows = rows_of(results, part)
        assert {row["nbytes"] for row in rows} == {4 << growth.QUICK.shapes}
        lengths = [row["shape"][row["axis"]] for row in rows]
        assert lengths == [1 << k for k in range(growth.QUICK.shapes + 1)]


def test_the_tables_have_a_line_for_each_length(results):
    sizes = sizes_table(results).splitlines()[2:]
    assert [line.split(" | ")[0] for line in sizes] == ["| 1", "| 4", "| 16", "| 64"]
    shapes = shapes_table(results).splitlines()[2:]
    assert len(shapes) == growth.QUICK.shapes + 1
    assert all(line.count("|") == 6 for line in shapes)


def test_the_picture_comes_out_again(run, results, tmp_path):
    source, drawing = tmp_path / "old.json", tmp_path / "again.svg"
    source.write_text(json.dumps(results), encoding="utf-8")
    arguments = ("--from", source, "--chart", drawing)
    assert run_python("-m", "bench.growth", *arguments, cwd=ROOT) == run[2]
    assert drawing.read_text(encoding="utf-8") == run[1]


def heights(drawing):
    """Of the points of all lines."""
    lines = ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}polyline")
    return [
        [float(pair.split(",")[1]) for pair in line.get("points").split()]
        for line in lines
    ]


def test_the_picture_has_all_lines_and_points(results):
    on_one_thread = results["threads"] > 1
    found = heights(chart(results))
    libraries = len(results["versions"])
    assert len(found) == 1 + libraries + on_one_thread + 2 * libraries
    assert sum(map(len, found)) == 4 * (1 + libraries + on_one_thread) + 10 * libraries


def test_shapes_that_are_far_too_slow_are_at_the_edge(results):
    (row,) = (r for r in rows_of(results, "rows") if r["shape"][1] == 2)

    def drawn_at(copies):
        seconds = copies * row["copies"][row["copy"]]["median"]
        row["results"]["upsweep"]["median"] = seconds
        return heights(chart(results))

    assert drawn_at(MOST / 2) != drawn_at(MOST)
    assert drawn_at(MOST) == drawn_at(10 * MOST)


def test_rows_that_failed_are_named_and_left_out(results):
    (row,) = (r for r in rows_of(results, "columns") if r["shape"][0] == 4)
    for key in ("copies", "copy", "results"):
        del row[key]
    row["error"] = "MemoryError: no room"
    lines = shapes_table(results).splitlines()
    (line,) = (text for text in lines if text.startswith("| 4 |"))
    assert line.endswith(f"{NONE} | {NONE} |")
    assert "MemoryError: no room" in growth.summary(results)
    chart(results)
