"""The cumulative product of an array that need not fit into memory, from Zarr to Zarr.

Without an array, the program makes one of daily returns. It draws how much memory the
scan takes while it runs: a few chunks, whatever the size of the array.
"""

import argparse
import threading
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import psutil
import upsweep.dask
from dask.diagnostics import ProgressBar

MIB = 2**20


class Memory(threading.Thread):
    """Samples the memory of this process."""

    def __init__(self, seconds=0.05):
        super().__init__(daemon=True)
        self.seconds, self.ended = seconds, threading.Event()
        self.process, self.samples = psutil.Process(), []

    def run(self):
        while True:
            self.samples.append(self.process.memory_info().rss / MIB)
            if self.ended.wait(self.seconds):
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def make_returns(path, elements, chunk):
    """A Zarr array of factors near 1."""
    rng = da.random.default_rng(0)
    returns = rng.normal(1, 1e-4, elements, chunks=chunk).astype(np.float32)
    returns.to_zarr(path, overwrite=True)


def draw(path, samples, seconds, array_mib):
    """Memory against time, beside the size of the array."""
    width, height, left, top = 640, 300, 60, 20
    most = 1.15 * max(*samples, array_mib)

    def place(i, mib):
        x = left + i * (width - left - 20) / max(len(samples) - 1, 1)
        return f"{x:.1f},{top + (1 - mib / most) * (height - top - 40):.1f}"

    def line(points, color, dashes):
        return (
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" '
            f'stroke-width="2" stroke-dasharray="{dashes}"/>'
        )

    last = len(samples) - 1
    curve = [place(i, mib) for i, mib in enumerate(samples)]
    size = [place(0, array_mib), place(last, array_mib)]
    base = [place(0, 0), place(last, 0)]
    at = [point.split(",") for point in (size[0], curve[last // 2], base[1])]
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f"{line(base, '#888', '')}{line(size, '#c50', '6 4')}{line(curve, '#06c', '')}"
        f'<text x="{at[0][0]}" y="{float(at[0][1]) - 6}" fill="#c50">the array: '
        f"{array_mib:,.0f} MiB</text>"
        f'<text x="{at[1][0]}" y="{float(at[1][1]) - 8}" fill="#06c">the process: at '
        f"most {max(samples):,.0f} MiB</text>"
        f'<text x="{at[2][0]}" y="{float(at[2][1]) + 18}" text-anchor="end">'
        f"{seconds:.1f} s</text></svg>\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("array", type=Path, nargs="?", help="a Zarr array")
    parser.add_argument("-o", "--out", type=Path, default=Path("products.zarr"))
    parser.add_argument("--axis", type=int, default=0)
    parser.add_argument("--mib", type=int, default=1024, help="of a made array")
    parser.add_argument("--chunk-mib", type=float, default=16, help="of its chunks")
    parser.add_argument("--workers", type=int, default=2, help="chunks at once")
    args = parser.parse_args()

    with dask.config.set(scheduler="threads", num_workers=args.workers):
        source = args.array
        if source is None:
            source = Path("returns.zarr")
            make_returns(source, args.mib * MIB // 4, int(args.chunk_mib * MIB / 4))
        factors = da.from_zarr(source)
        products = upsweep.dask.cumprod(factors, args.axis)
        with Memory() as memory, ProgressBar():
            products.to_zarr(args.out, overwrite=True)

    seconds = len(memory.samples) * memory.seconds
    draw(Path("memory.svg"), memory.samples, seconds, factors.nbytes / MIB)
    chunks = factors.npartitions
    print(f"{factors.nbytes / MIB:,.0f} MiB in {chunks} chunks, {seconds:.1f} s")
    print(f"memory grew by {max(memory.samples) - memory.samples[0]:,.0f} MiB")
    print(f"wrote {args.out} and memory.svg")


if __name__ == "__main__":
    main()
