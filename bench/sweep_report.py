"""The results of the sweep as tables: goals, kinds, the worst rows, faster peers."""

from __future__ import annotations

import math
import statistics
import textwrap
from dataclasses import dataclass

from bench.cases import ITEM_SIZES
from bench.report import NONE, TIMES, Case, Results, about, figure, markdown
from bench.report import ratio as ratio_to
from bench.sweep_cases import DTYPES, MIB, OPS

# Smaller inputs are not judged beside a copy: calls and caches decide about their time.
LARGE = {"cpu": MIB, "gpu": 64 * MIB}
# Nine in ten medians of equal calls on the CPU differ by less.
NOISE = 1.05
WIDTH = 88  # columns of a paragraph
# A core may take as long for an element of one or two bytes, even if a copy in the
# cache takes less.
SHORT_SECONDS = 0.4e-9

LOGS = ("logcumsumexp",)
OTHERS = tuple(op for op in OPS if op not in LOGS)
COMPLEX = ("complex64",)
REAL = tuple(dtype for dtype in DTYPES if dtype not in COMPLEX)


@dataclass(frozen=True)
class Goal:
    """At most so many copies for each row, and for the median of all."""

    name: str
    ops: tuple[str, ...]
    dtypes: tuple[str, ...]
    limit: float
    median: float = math.inf


GOALS = {
    "cpu": (
        Goal("real, not logcumsumexp", OTHERS, REAL, 2.5, 1.5),
        Goal("complex64, not logcumsumexp", OTHERS, COMPLEX, 3),
        Goal("logcumsumexp float32", LOGS, ("float32",), 8),
        Goal("logcumsumexp float64", LOGS, ("float64",), 12),
    ),
    "gpu": (
        Goal("not logcumsumexp", OTHERS, REAL + COMPLEX, 2, 1.25),
        Goal("logcumsumexp", LOGS, REAL + COMPLEX, 2.5),
    ),
}

DTYPE_KINDS = {
    **dict.fromkeys(("float16", "bfloat16"), "short floats"),
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16"), "short integers"),
    **dict.fromkeys(("int32", "uint32", "int64", "uint64"), "long integers"),
}


def ratio(row: Case) -> float:
    """The time over that of the copy."""
    found = ratio_to(row, "upsweep", "copy")
    assert found is not None
    return found


def kind_of(row: Case) -> str:
    """The operator and the kind of dtype."""
    op = "cummax, cummin" if row["op"] in ("cummax", "cummin") else row["op"]
    return f"{op} {DTYPE_KINDS.get(row['dtype'], row['dtype'])}"


def limit(row: Case, goal: Goal) -> float:
    """How many copies a row may take."""
    if not row["threads"] or ITEM_SIZES[row["dtype"]] > 2:
        return goal.limit
    seconds: float = SHORT_SECONDS * math.prod(row["shape"]) / row["threads"]
    copy = float(row["copies"][row["copy"]]["median"])
    return max(goal.limit, seconds / copy)


def goal_of(row: Case, device: str) -> Goal | None:
    """The goal that a row belongs to."""
    for goal in GOALS[device]:
        if row["op"] in goal.ops and row["dtype"] in goal.dtypes:
            return goal
    return None


def measured(run: Results) -> list[Case]:
    """The rows without those that failed."""
    return [row for row in run["cases"] if "error" not in row]


def large(run: Results) -> list[Case]:
    """The rows that are judged beside a copy."""
    return [row for row in measured(run) if row["nbytes"] > LARGE[run["device"]]]


def fastest_peer(row: Case) -> tuple[float, str] | None:
    """upsweep's time over that of the fastest other library, and its name."""
    names = [name for name in row["results"] if name != "upsweep"]
    found = [(ratio_to(row, "upsweep", name), name) for name in names]
    return max(((r, name) for r, name in found if r is not None), default=None)


def pooled(runs: list[Results]) -> Results:
    """One run with the rows of all."""
    return runs[0] | {"cases": [row for run in runs for row in run["cases"]]}


def summary(runs: list[Results], worst: int) -> str:
    """Everything, in Markdown."""
    run = pooled(runs)
    failed = [row for row in run["cases"] if "error" in row]
    lines = dict.fromkeys(line for one in runs for line in about(one))
    seeds = ", ".join(dict.fromkeys(str(one["seed"]) for one in runs))
    size = binary(LARGE[run["device"]])
    parts = [
        *lines,
        f"{len(run['cases'])} rows of seed {seeds}, {len(large(run))} of them above "
        f"{size}, {len(failed)} failed.",
        f"Goals, in copies, for inputs above {size}:",
        goals_table(run),
        f"Kinds, in copies, for inputs above {size}:",
        kinds_table(run),
        f"The worst rows above {size}, by the share of their limit:",
        rows_table(by_share(run)[:worst]),
    ]
    slower = slower_rows(run)
    parts.append(
        f"{len(slower)} rows of any size take more than {NOISE} times as long as "
        "a peer:"
    )
    parts.append(rows_table(slower[:worst]))
    parts += [f"Failed: {name(row)}: {row['error']}" for row in failed]
    return "\n\n".join(p if p[0] == "|" else textwrap.fill(p, WIDTH) for p in parts)


def figures(ratios: list[float]) -> list[str]:
    """The number, the median, the 99th percentile and the largest."""
    if not ratios:
        return ["0", NONE, NONE, NONE]
    found = [statistics.median(ratios), percentile_99(ratios), max(ratios)]
    return [str(len(ratios)), *map(figure, found)]


def percentile_99(ratios: list[float]) -> float:
    """Interpolated between the nearest two."""
    place = 0.99 * (len(ratios) - 1)
    low, high = (sorted(ratios)[f(place)] for f in (math.floor, math.ceil))
    return low + (high - low) * (place % 1)


def goals_table(run: Results) -> str:
    """How far the goals are met."""
    lines = []
    for goal in GOALS[run["device"]]:
        rows = [row for row in large(run) if goal_of(row, run["device"]) is goal]
        ratios = [ratio(row) for row in rows]
        over = sum(ratio(row) > limit(row, goal) for row in rows)
        median = statistics.median(ratios) if ratios else 0
        most = f"{goal.limit:g}"
        if goal.median < math.inf:
            most += f", median {goal.median:g}"
        verdict = f"{over} above" if over else "met"
        if median > goal.median:
            verdict = f"{verdict}, median missed" if over else "median missed"
        lines.append([goal.name, most, *figures(ratios), verdict if ratios else NONE])
    return markdown(["goal", "limit", "rows", "median", "99 %", "worst", ""], lines)


def kinds(run: Results) -> dict[str, list[float]]:
    """The ratios of each kind."""
    found: dict[str, list[float]] = {}
    for row in large(run):
        found.setdefault(kind_of(row), []).append(ratio(row))
    return found


def kinds_table(run: Results) -> str:
    """The distribution for each kind."""
    lines = [[kind, *figures(ratios)] for kind, ratios in sorted(kinds(run).items())]
    return markdown(["kind", "rows", "median", "99 %", "worst"], lines)


def by_share(run: Results) -> list[Case]:
    """The rows that have a goal, the one nearest its limit, or above it, first."""
    shares = []
    for row in large(run):
        goal = goal_of(row, run["device"])
        if goal is not None:
            shares.append((ratio(row) / limit(row, goal), row))
    return [row for _, row in sorted(shares, key=lambda pair: -pair[0])]


def slower_rows(run: Results) -> list[Case]:
    """The rows in which a peer is faster, the worst first."""
    peers = [(fastest_peer(row), row) for row in measured(run)]
    found = [(p[0], row) for p, row in peers if p is not None and p[0] > NOISE]
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def rows_table(rows: list[Case]) -> str:
    """Rows by name, beside the copy and the fastest peer."""
    lines = []
    for row in rows:
        peer = fastest_peer(row)
        beside = f"{figure(peer[0])} {peer[1]}" if peer else NONE
        lines.append([name(row), binary(row["nbytes"]), figure(ratio(row)), beside])
    return markdown(["row", "size", f"{TIMES} copy", f"{TIMES} peer"], lines)


def name(row: Case) -> str:
    """The operator, the dtype, the shape with the scanned axis in brackets, and what
    is not usual."""
    extents = [
        f"[{n}]" if k == row["axis"] else str(n) for k, n in enumerate(row["shape"])
    ]
    words = [f"{row['op']} {row['dtype']} {TIMES.join(extents)}"]
    if row["reverse"]:
        words.append("rev.")
    if not row["inclusive"]:
        words.append("excl.")
    if row["layout"] != "contiguous":
        words.append(row["layout"])
    return f"{' '.join(words)}, {row['values']}"


def binary(count: int) -> str:
    """Bytes for readers, by powers of two."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", MIB), ("KiB", 1 << 10)):
        if count >= scale:
            value = count / scale
            return f"{value:.2g} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count} B"


def summary_of_row(row: Case) -> str:
    """A row's result in a few words."""
    if "error" in row:
        return str(row["error"])
    peer = fastest_peer(row)
    beside = f", {figure(peer[0])} {TIMES} {peer[1]}" if peer else ""
    return f"{figure(ratio(row))} {TIMES} copy{beside}"
