"""Compares two runs: finds what has become slower relative to its yardstick."""

from __future__ import annotations

from bench.report import TIMES, Results, figure, ratio

ALLOWED = 1.5


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
