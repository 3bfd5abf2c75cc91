"""Coverage-guided fuzzing of the native code, against exact arithmetic:
`python tests/fuzz/run.py scans`, `general` or `imports`.

Needs atheris, what the tests need, and upsweep built by clang with sanitizers and
with the counters that guide libFuzzer:

    cmake -B build -DCMAKE_CXX_COMPILER=clang++ -DUPSWEEP_PYTHON=ON \\
        -DUPSWEEP_SANITIZE=address,undefined,fuzzer-no-link
    cmake --build build --target _core
    python tests/fuzz/package.py build sanitized
    PYTHONPATH=sanitized python tests/fuzz/run.py scans --seconds 60

It prints how much it ran, and stops at the first finding, whose input it writes to a
file: `--replay FILE` prints what that input means, and runs it once.
"""

import argparse
import importlib
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import package

HERE = Path(__file__).parent
TARGETS = ["scans", "general", "imports"]
# The seeds: all bytes mean something, and these reach most of the code.
SEEDS, SEED_LENGTHS = 400, range(30, 120)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0 is another each time")
    parser.add_argument("--corpus", type=Path, help="a folder of inputs, added to")
    parser.add_argument("--findings", type=Path, default=Path("."))
    parser.add_argument("--replay", type=Path, help="a file with one input")
    # For the process with the sanitizers; libFuzzer's own options follow.
    parser.add_argument("--inside", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args()


def environment():
    """The environment that loads the sanitizers' runtime before Python."""
    return {
        # More threads than there may be processors.
        "UPSWEEP_NUM_THREADS": "3",
        **os.environ,
        "LD_PRELOAD": str(package.preload()),
        # Python releases little at exit, and checks sizes itself.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def inside(arguments):
    """Fuzzes or replays in this process."""
    sys.path.append(str(HERE.parent / "python"))
    target = importlib.import_module(arguments.target)
    if arguments.replay:
        data = arguments.replay.read_bytes()
        print(target.read(data), flush=True)
        target.one(data)
        return
    import atheris

    atheris.Setup([sys.argv[0], *arguments.inside], target.one)
    atheris.Fuzz()


def write_seeds(folder, seed):
    numbers = random.Random(seed)
    for i in range(SEEDS):
        data = numbers.randbytes(numbers.choice(SEED_LENGTHS))
        Path(folder, f"seed-{i:03}").write_bytes(data)


def fuzz(arguments):
    """Returns the exit status and the output."""
    with tempfile.TemporaryDirectory() as seeds:
        write_seeds(seeds, arguments.seed)
        folders = [seeds]
        if arguments.corpus:
            arguments.corpus.mkdir(parents=True, exist_ok=True)
            folders.insert(0, arguments.corpus)
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-seed={arguments.seed}",
            f"-artifact_prefix={arguments.findings}/{arguments.target}-",
            "-max_len=256",
            "-len_control=0",
            # Of a clock that runs on while a virtual machine stands still.
            "-timeout=300",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            *map(str, folders),
        ]
        command = [sys.executable, __file__, arguments.target, "--inside", *options]
        done = subprocess.run(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    return done.returncode, done.stdout


def last(pattern, text):
    """The group of the last match."""
    found = re.findall(pattern, text)
    return found[-1] if found else "?"


def summary(target, printed):
    executions = last(r"number_of_executed_units: (\d+)", printed)
    rate = last(r"average_exec_per_sec: +(\d+)", printed)
    covered = last(r"cov: (\d+)", printed)
    counters = last(r"\((\d+) inline 8-bit counters\)", printed)
    seed = last(r"INFO: Seed: (\d+)", printed)
    return (
        f"{target}: {executions} executions, {rate} a second, "
        f"{covered} of {counters} edges covered, seed {seed}"
    )


def report(arguments, printed):
    """The finding, without the coverage output before it."""
    progress = re.compile(r"#\d+\s|\tNEW_FUNC|INFO:")
    lines = [line for line in printed.splitlines() if not progress.match(line)]
    print(*lines, sep="\n")
    # Where it was: of a long output, the end may be all that is kept.
    print(*[line for line in lines if re.match(r" +#\d+ ", line)][:30], sep="\n")
    file = last(r"Test unit written to (\S+)", printed)
    command = [sys.executable, __file__, arguments.target, "--replay", file]
    print(f"To run it again: {shlex.join(command)}")


def main():
    arguments = parse()
    if arguments.inside is not None:
        inside(arguments)
    elif arguments.replay:
        command = [*sys.argv, "--inside"]
        os.execve(sys.executable, [sys.executable, *command], environment())
    else:
        status, printed = fuzz(arguments)
        if status:
            report(arguments, printed)
        print(summary(arguments.target, printed))
        sys.exit(status)


if __name__ == "__main__":
    main()
