"""Measures one scan beside a copy and other libraries, on any device."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

from bench.peers import Scan
from bench.report import Case
from bench.sweep_cases import Drawn
from bench.timing import Timing

# Seconds: a peer whose call takes longer is timed once if upsweep is faster.
SLOW = 0.25
ABSURD = 2.0  # seconds: such a call is not even made twice
MUCH_SLOWER = 2
LONGEST = 200  # characters of an error


class Timer(Protocol):
    """A device with the libraries there, and its clock."""

    versions: dict[str, str]
    missing: dict[str, str]

    def prepared(self, case: Drawn) -> tuple[dict[str, Scan], dict[str, Any]]: ...

    def once(self, call: Scan) -> float: ...

    def interleaved(self, calls: dict[str, Scan]) -> dict[str, Timing]: ...

    def clear(self) -> None: ...

    def where(self) -> dict[str, Any]: ...


def row_of(timer: Timer, case: Drawn, threads: int) -> Case:
    """A case and its times as data, or its error, which ends nothing."""
    row = case.described() | {"threads": threads}
    try:
        return row | timed(timer, case)
    except Exception as error:
        return row | {"error": one_line(error)}
    finally:
        timer.clear()


def timed(timer: Timer, case: Drawn) -> dict[str, Any]:
    """The times of the copies and the libraries."""
    copies, makers = timer.prepared(case)
    calls = {"upsweep": makers.pop("upsweep")()}
    ours = first_time(timer, calls["upsweep"])
    results: dict[str, dict[str, Any]] = {"upsweep": {}}
    for library, make in makers.items():
        try:
            scan = make()
            if scan is None:
                results[library] = {"unsupported": "not offered"}
                continue
            seconds = first_time(timer, scan)
        except Exception as error:
            results[library] = {"unsupported": one_line(error)}
            continue
        if seconds > ABSURD or seconds > max(SLOW, MUCH_SLOWER * ours):
            results[library] = asdict(Timing(seconds, seconds, seconds, 1))
        else:
            calls[library], results[library] = scan, {}
    timings = timer.interleaved({**copies, **calls})
    for library in calls:
        results[library] = asdict(timings[library])
    return {
        "copies": {way: asdict(timings[way]) for way in copies},
        "copy": min(copies, key=lambda way: timings[way].median),
        "results": results,
    }


def first_time(timer: Timer, call: Scan) -> float:
    """Seconds of a call; of a second one if the first may have compiled something."""
    seconds = timer.once(call)
    return timer.once(call) if SLOW < seconds < ABSURD else seconds


def one_line(error: Exception) -> str:
    """An error in a line that is not too long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:LONGEST]
