"""The instruction sets of this build: prints those that this machine runs, best first,
and for the others why it cannot."""

import functools
import os
import subprocess
import sys

PROGRAM = "import upsweep; print(upsweep.device_info(upsweep.cpu)['isa'])"


def forced(isa):
    """Python's output and its last error, with that one forced."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"UPSWEEP_CPU_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip().rpartition("\n")[2]


@functools.cache
def names():
    """All of this build, best first."""
    listed = forced("?")[1].partition("choose one of ")[2]
    return listed.rstrip(".").split(", ")


@functools.cache
def why_not(isa):
    """Why this machine does not run it; empty if it does."""
    return forced(isa)[1]


def main():
    for isa in names():
        if why_not(isa):
            print(f"{isa} is skipped: {why_not(isa)}", file=sys.stderr)
        else:
            print(isa)


if __name__ == "__main__":
    main()
