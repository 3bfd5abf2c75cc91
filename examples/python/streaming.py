"""The cumulative product of a file that need not fit into memory.

The file is read and scanned in chunks. A Carry hands on what the chunks before amount
to, so the results are those of one scan of the whole file.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import upsweep


def scan_file(source, target, chunk):
    """Writes the running product of the float32 numbers in a file to another file, with
    the memory of one chunk. Returns the product of all."""
    size = Path(source).stat().st_size // 4
    numbers = np.memmap(source, np.float32, "r", shape=(size,))
    results = np.memmap(target, np.float32, "w+", shape=(size,))
    carry = None
    for first in range(0, size, chunk):
        part = np.array(numbers[first : first + chunk])
        results[first : first + chunk] = upsweep.scan(part, "prod", initial=carry)
        carry = upsweep.carry(part, "prod", initial=carry)
        done = min(first + chunk, size)
        print(f"\r{done:,} of {size:,}", end="", file=sys.stderr)
    print(file=sys.stderr)
    results.flush()
    return carry.value()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="products.f32", help="file of the results")
    parser.add_argument("--size", type=int, default=10_000_000, help="numbers")
    parser.add_argument("--chunk", type=int, default=1_000_000, help="numbers at once")
    options = parser.parse_args()
    returns = np.random.default_rng(0).normal(1, 1e-4, options.size)
    source = Path(options.out).with_suffix(".in.f32")
    returns.astype(np.float32).tofile(source)
    last = scan_file(source, options.out, options.chunk)
    source.unlink()
    print(f"the product of all is {np.asarray(last).item():.6g}")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
