#!/usr/bin/env python3
"""Compiles the kernels for one chip, each set to a module of its own.

    compile.py FOLDER [--tuning FILE] [--chip sm_90]

Prints what a set needs: registers, spilled bytes, threadgroup memory.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

METAL = Path(__file__).resolve().parents[2] / "metal"


def compile_set(name, folder, tuning, chip):
    source = folder / f"{name}.cu"
    translate = [sys.executable, METAL / "translate.py", "--kernels", name,
                 "--prelude", "prelude_cuda.h", "--tuning", tuning,
                 METAL / "scan.metal"]  # fmt: skip
    with open(source, "w") as file:
        subprocess.run(translate, stdout=file, check=True)
    nvcc = ["nvcc", "-cubin", f"-arch={chip}", "-std=c++17", "--fmad=false",
            "--expt-relaxed-constexpr", f"-I{METAL}", "-Xptxas=-v",
            "-o", folder / f"{name}.cubin", source]  # fmt: skip
    done = subprocess.run(nvcc, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}:\n{done.stdout}{done.stderr}")
    pattern = r"entry function '([a-z]+)_.*?(\d+) bytes spill stores.*?Used (\d+) reg"
    needs = re.findall(pattern, done.stderr, re.S)
    return [f"{stage} {n} registers, {spilled} spilled" for stage, spilled, n in needs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuning", default=METAL / "tuning_nvidia.h", type=Path)
    parser.add_argument("--chip", default="sm_90")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    listing = (METAL / "kernels.def").read_text()
    names = re.findall(r"^UPSWEEP_(?:KERNEL|COPY)\((\w+),", listing, re.M)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {
            name: pool.submit(
                compile_set, name, options.folder, options.tuning, options.chip
            )
            for name in names
        }
        for name, job in jobs.items():
            print(f"{name}: {'; '.join(job.result())}", flush=True)


if __name__ == "__main__":
    main()
