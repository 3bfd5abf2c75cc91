"""The cumulative product or sum of a file that need not fit into memory.

The file, of float32 numbers, is read and scanned in chunks. A Carry hands on what the
chunks before amount to, so the results are those of one scan of the whole file. Without
a file, the program makes one of daily returns.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import upsweep


def chunks_of(path, mode, size, chunk):
    """Maps one chunk of a file of float32 numbers at a time, so that memory holds no
    more than that."""
    for first in range(0, size, chunk):
        shape = (min(chunk, size - first),)
        yield np.memmap(path, np.float32, mode, offset=4 * first, shape=shape)


def scan_file(source, target, op, chunk):
    """Writes the scan of the numbers in a file to another file. Returns the result of
    all numbers."""
    size = source.stat().st_size // 4
    with target.open("wb") as file:
        file.truncate(4 * size)
    carry = upsweep.carry(np.array([], np.float32), op)
    done = 0
    for numbers, results in zip(
        chunks_of(source, "r", size, chunk),
        chunks_of(target, "r+", size, chunk),
        strict=True,
    ):
        results[:] = upsweep.scan(numbers, op, initial=carry)
        carry = upsweep.carry(numbers, op, initial=carry)
        done += len(numbers)
        print(f"\r{done:,} of {size:,}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return carry.value().item()


def make_returns(path, size, chunk):
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for first in range(0, size, chunk):
            returns = random.normal(1, 1e-4, min(chunk, size - first))
            returns.astype(np.float32).tofile(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="float32 numbers")
    parser.add_argument("-o", "--out", type=Path, default="scanned.f32")
    parser.add_argument("--op", choices=["prod", "sum"], default="prod")
    parser.add_argument("--chunk", type=int, default=1_000_000, help="numbers at once")
    parser.add_argument("--size", type=int, default=10_000_000, help="of a made file")
    args = parser.parse_args()

    source = args.file
    if source is None:
        source = args.out.with_suffix(".in.f32")
        make_returns(source, args.size, args.chunk)
    last = scan_file(source, args.out, args.op, args.chunk)
    if args.file is None:
        source.unlink()
    print(f"the {args.op} of all is {last:.6g}")
    print(f"at most {upsweep.get_peak_memory():,} bytes of results were in memory")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
