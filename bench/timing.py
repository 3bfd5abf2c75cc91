"""Times calls that take turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], object]

BATCH = 1e-3  # seconds: short calls are timed in batches that last this long
FEWEST, MOST = 5, 51  # rounds
# In a pause, threads that a library leaves spinning after a call go to sleep.
PAUSE = 2e-3


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median of all rounds, and its quartiles."""

    median: float
    q1: float
    q3: float
    rounds: int

    @classmethod
    def of(cls, seconds: list[float]) -> Timing:
        """The timing of rounds."""
        q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, q1, q3, len(seconds))


def elapsed(call: Call, repeats: int = 1) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def interleaved(calls: dict[str, Call], seconds: float) -> dict[str, Timing]:
    """Times calls in turns, each for its share of the seconds, but at least FEWEST
    times. Rounds that skip a slow call are spread evenly. Each is called twice
    beforehand, to warm up and to estimate its time."""
    repeats, rounds = {}, {}
    for name, call in calls.items():
        call()
        duration = elapsed(call)
        repeats[name] = max(1, int(BATCH / duration))
        share = seconds / len(calls) / (duration * repeats[name] + PAUSE)
        rounds[name] = min(max(int(share), FEWEST), MOST)
    total = max(rounds.values())
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for turn in range(total):
            for name, call in calls.items():
                if (turn + 1) * rounds[name] // total == len(taken[name]):
                    continue
                time.sleep(PAUSE)
                if repeats[name] > 1:
                    call()
                taken[name].append(elapsed(call, repeats[name]))
    finally:
        gc.enable()
    return {name: Timing.of(times) for name, times in taken.items()}
