"""Measures cases in a process of its own, whose parent sets the number of threads and
the processors. Prints JSON: the peers on the first line, then a line for each case."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np

from bench import inputs
from bench.cases import Case, selected
from bench.copying import Copier
from bench.oracle import Oracle
from bench.peers import Peer, Scan, UnsupportedError, installed
from bench.timing import Timing, interleaved


def measured(case: Case, peers: list[Peer], threads: int, seconds: float) -> Any:
    """Times and errors of a case, as data."""
    x = inputs.make(case)
    oracle = Oracle(case, x)
    scans: dict[str, Scan] = {}
    results: dict[str, dict[str, Any]] = {}
    for peer in peers:
        try:
            scan = peer.scan(case, x)
            y = peer.read(scan())
        except (UnsupportedError, ImportError) as error:
            results[peer.name] = {"unsupported": str(error)}
            continue
        scans[peer.name] = scan
        nans = int(np.isnan(y).sum())
        results[peer.name] = {"ulp": oracle.worst(y.reshape(x.shape)), "nans": nans}
    copies = Copier(x, case.nbytes, threads).ways()
    timings = interleaved({**copies, **scans}, seconds)
    for name in scans:
        results[name] |= asdict(timings[name])
    copied = {name: asdict(timings[name]) for name in copies}
    return case.described() | {
        "threads": threads,
        "copies": copied,
        "copy": fastest(timings, list(copies)),
        "results": results,
    }


def fastest(timings: dict[str, Timing], names: list[str]) -> str:
    """The name with the least median."""
    return min(names, key=lambda name: timings[name].median)


def main(request: dict[str, Any], to: TextIO) -> None:
    """Runs the parent's request."""
    threads, ids = request["threads"], request["ids"]
    peers, missing = installed(request["peers"], request["device"], threads)
    versions = {peer.name: peer.version for peer in peers}
    print(json.dumps({"versions": versions, "missing": missing}), file=to, flush=True)
    for case in selected([], request["quick"]):
        if case.id in ids:
            done = measured(case, peers, threads, request["seconds"])
            print(json.dumps(done), file=to, flush=True)


if __name__ == "__main__":
    # Output of libraries must not mix with the lines of the answer.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        main(json.loads(sys.argv[1]), answer)
