"""Compares two runs: finds what has become slower relative to its yardstick."""

from __future__ import annotations

import statistics

from bench.report import TIMES, Results, figure, ratio

ALLOWED = 1.5
FEWEST = 5  # ratios whose median says something


def regressions(old: Results, new: Results) -> list[str]:
    """A sentence for each case in which upsweep's ratio grew too much.

    Ratios carry over from one state of a machine to another; times do not.
    """
    before = {case["id"]: case for case in old["cases"]}
    found = []
    for case in new["cases"]:
        if case["id"] not in before:
            continue
        was, now = ratio(before[case["id"]], "upsweep"), ratio(case, "upsweep")
        if was is not None and now is not None and now > ALLOWED * was:
            found.append(
                f"{case['title']}: {figure(now)} {TIMES} {case['target']['of']}, "
                f"was {figure(was)}"
            )
    return found


def slower_kinds(old: dict[str, list[float]], new: dict[str, list[float]]) -> list[str]:
    """A sentence for each kind of cases whose median ratio to a copy grew too much.

    The cases of a kind need not be the same.
    """
    found = []
    for kind, ratios in new.items():
        before = old.get(kind, [])
        if min(len(before), len(ratios)) < FEWEST:
            continue
        was, now = statistics.median(before), statistics.median(ratios)
        if now > ALLOWED * was:
            found.append(f"{kind}: {figure(now)} {TIMES} copy, was {figure(was)}")
    return found
