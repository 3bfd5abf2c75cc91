"""Results as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Results = dict[str, Any]
Case = dict[str, Any]

NONE, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


def seconds(case: Case, name: str) -> float | None:
    """The median time of a library, of the fastest copy for "copy", or None."""
    if name == "copy":
        name, timings = case["copy"], case["copies"]
    else:
        timings = case["results"]
    median = timings.get(name, {}).get("median")
    return None if median is None else float(median)


def ratio(case: Case, name: str, of: str | None = None) -> float | None:
    """A library's time over that of the case's yardstick, or of another."""
    own = seconds(case, name)
    yardstick = seconds(case, of or case["target"]["of"])
    return None if own is None or yardstick is None else own / yardstick


def libraries(results: Results) -> list[str]:
    """Those that were measured, upsweep first."""
    return list(results["versions"])


def duration(value: float | None) -> str:
    """A time for readers."""
    if value is None:
        return NONE
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{figure(value * scale)} {unit}"
    return f"{value * 1e9:.0f} ns"


def figure(value: float | None) -> str:
    """About three digits."""
    if value is None:
        return NONE
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def error(case: Case, name: str) -> str:
    """What is wrong with a result, in ulp if possible."""
    result = case["results"].get(name, {})
    if "median" not in result:
        return NONE
    if result["nans"]:
        return f"{result['nans']:,} NaN"
    ulp = result["ulp"]
    if ulp is None:
        return "wrong"
    if case["dtype"].startswith("int"):
        return "exact"
    if ulp < 10:
        return f"{ulp:.1f}"
    return f"{ulp:,.0f}" if ulp < 1e7 else "over 10⁷"


def verdict(case: Case) -> str:
    """Whether the target is met."""
    reached = ratio(case, "upsweep")
    if reached is None:
        return NONE
    return "met" if reached <= case["target"]["limit"] else "missed"


def summary(case: Case) -> str:
    """upsweep's result in a few words."""
    reached = ratio(case, "upsweep")
    if reached is None:
        return f"{duration(seconds(case, 'upsweep'))}"
    wrong = error(case, "upsweep")
    wrong += " ulp" if wrong[0].isdigit() else ""
    return f"{figure(reached)} {TIMES} {case['target']['of']}, {wrong}"


def about(results: Results) -> list[str]:
    """Sentences on what was measured where."""
    machine = results["machine"]
    versions = [
        " ".join((name, version)).strip()
        for name, version in results["versions"].items()
    ]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, {machine['libc']}"
    )
    how = (
        machine.get("gpu") or f"{results['threads']} threads; upsweep's instruction set"
    )
    lines = [
        f"{where}; {how}: {results['instruction_set']}; {results['date']}.",
        f"Python {machine['python']}, {', '.join(versions)}.",
    ]
    if calls := results.get("whole_call_seconds"):
        times = ", ".join(f"{name} {duration(t)}" for name, t in calls.items())
        lines.append(
            f"A whole call on 2¹⁶ elements, until the result is there: {times}."
        )
    if results["missing"]:
        lines.append("Missing: " + ", ".join(results["missing"]) + ".")
    if results["quick"]:
        lines.append("Quick: sizes too small to say anything about speed.")
    return lines


def short_table(results: Results) -> str:
    """Markdown: ratios and errors, a row for each case."""
    names = [name for name in libraries(results) if name != "C loop"]
    rows = []
    for case in results["cases"]:
        yardstick = case["target"]["of"]
        unit = f"{yardstick}, {duration(seconds(case, yardstick))}"
        cells = [cell(case, name) for name in names]
        rows.append([case["title"], unit, *cells])
    return markdown(["case", f"1 {TIMES}", *names], rows)


def cell(case: Case, name: str) -> str:
    """A ratio and an error."""
    reached = ratio(case, name)
    if reached is None:
        reached_or_time = duration(seconds(case, name))
    else:
        reached_or_time = figure(reached)
    text = f"{reached_or_time} ({error(case, name)})"
    if NONE in text:
        return NONE
    return f"**{text}**" if name == "upsweep" else text


HEAD = [
    "case",
    "library",
    "median",
    "quartiles",
    "rounds",
    "GB/s",
    f"{TIMES} copy",
    "ulp",
]
TARGET = "target"


def long_rows(results: Results, targets: bool) -> Iterable[list[str]]:
    """Everything that was measured, a row for each library and case."""
    for case in results["cases"]:
        title = case["title"]
        timings = {**case["copies"], **case["results"]}
        for name, timing in timings.items():
            if "median" not in timing:
                yield [title, name, *[NONE] * (len(head(targets)) - 2)]
                continue
            fast = name == case["copy"]
            median = timing["median"]
            row = [
                title,
                name,
                duration(median),
                f"{duration(timing['q1'])} to {duration(timing['q3'])}",
                str(timing["rounds"]),
                figure(case["bytes_moved"] / median / 1e9),
                "1" if fast else figure(median / timings[case["copy"]]["median"]),
                error(case, name) if name in case["results"] else "",
            ]
            if targets:
                row.append(target(case) if name == "upsweep" else "")
            yield row


def target(case: Case) -> str:
    """The target and whether it is met."""
    limit = case["target"]["limit"]
    return f"≤ {limit:.3g} {TIMES} {case['target']['of']}: {verdict(case)}"


def head(targets: bool) -> list[str]:
    """The names of the columns."""
    return [*HEAD, TARGET] if targets else HEAD


def long_table(results: Results, targets: bool = False) -> str:
    """Markdown."""
    return markdown(head(targets), list(long_rows(results, targets)))


def terminal_table(results: Results, targets: bool = False) -> str:
    """Everything that was measured, aligned, under the name of each case."""
    rows = [head(targets), *long_rows(results, targets)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines, before = [], ""
    for row in rows:
        title, *cells = row
        if title != before and before:
            lines += ["", title]
        before = title
        justified = [
            text.ljust(width) if name in ("library", TARGET) else text.rjust(width)
            for name, text, width in zip(rows[0][1:], cells, widths[1:], strict=True)
        ]
        lines.append("  " + "  ".join(justified).rstrip())
    return "\n".join(lines)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table whose columns, except the first, are right-aligned."""
    lines = [head, [":--"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
