"""Scans on an NVIDIA GPU beside PyTorch's and CuPy's and beside a copy.

    python bench/gpu.py [--json FILE] [--quick]

Times are medians of events on the stream around one call, whose input is in the
GPU's memory; the GPU is kept busy until the call has been made. Ratios are to a
copy of as many bytes in the same run. Accuracy is against extended precision.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch
import upsweep

SHAPES = [
    ((2**28,), 0),
    ((4096, 16384), 1),
    ((4096, 16384), 0),
    ((2**22, 16), 1),
    ((16, 2**22), 1),
    ((2**22, 16), 0),
    ((2**16, 1024), 1),
    ((64, 1024, 1024), 1),
]
DTYPES = ["float16", "bfloat16", "int32", "complex64"]
OTHERS = ["cumsum", "cummax", "logcumsumexp"]
GPU = upsweep.Device(upsweep.gpu, 0)


class Spy:
    """Asks upsweep for its stream, in the way a producer of DLPack is told."""

    def __init__(self, tensor):
        self.tensor, self.stream = tensor, None

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, *, stream, **_):
        self.stream = stream
        return self.tensor.__dlpack__(stream=stream)


def own_stream():
    spy = Spy(torch.zeros(1, device="cuda"))
    upsweep.from_dlpack(spy)
    return torch.cuda.ExternalStream(spy.stream)


def timed(stream, call, runs):
    """The median time of a call that gives work to the stream, in ms."""
    times = []
    for i in range(runs + 2):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(stream):
            torch.cuda._sleep(200_000)
            before.record()
            result = call()
            after.record()
        after.synchronize()
        del result
        if i >= 2:
            times.append(before.elapsed_time(after))
    return statistics.median(times)


def copy_time(stream, x, runs):
    y = torch.empty_like(x)
    return timed(stream, lambda: y.copy_(x), runs)


def values(shape, dtype):
    g = torch.Generator("cuda").manual_seed(1)
    noise = torch.empty(shape, device="cuda").uniform_(-1e-4, 1e-4, generator=g)
    if dtype == "int32":
        return (noise * 1e8).to(torch.int32) * 2 + 1
    if dtype == "complex64":
        return torch.polar(1 + noise, 1e4 * noise.flip(0))
    return (1 + noise).to(getattr(torch, dtype))


def peers(x, axis):
    """(name, call) for each library that is there."""
    yield "PyTorch", lambda: torch.cumprod(x, axis)
    try:
        import cupy
    except ImportError:
        return
    if x.dtype != torch.bfloat16:
        c = cupy.from_dlpack(x)

        def scan():
            with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
                return cupy.cumprod(c, axis, dtype=c.dtype)

        yield "CuPy", scan


def measure(stream, shape, axis, dtype, options):
    x = values(shape, dtype)
    a = upsweep.from_dlpack(x)
    copy = copy_time(stream, x, options.runs)
    row = {"shape": shape, "axis": axis, "dtype": dtype, "copy_ms": copy}
    scans = {
        "upsweep": lambda: upsweep.cumprod(a, axis, stream=GPU),
        "upsweep reverse": lambda: upsweep.cumprod(a, axis, reverse=True, stream=GPU),
        "upsweep exclusive": lambda: upsweep.cumprod(
            a, axis, inclusive=False, stream=GPU
        ),
    }
    if dtype == "float32":
        for op in OTHERS:
            scan = getattr(upsweep, op)
            scans["upsweep " + op] = lambda scan=scan: scan(a, axis, stream=GPU)
    row["ratio"] = {
        name: timed(stream, call, options.runs) / copy for name, call in scans.items()
    }
    for name, call in peers(x, axis):
        once = timed(stream, call, 1) / copy
        slow = once > 20
        row["ratio"][name] = once if slow else timed(stream, call, options.runs) / copy
    return row


def whole_calls():
    """A call on 2^16 elements until its result is there, in µs."""
    x = values((2**16,), "float32")
    a = upsweep.from_dlpack(x)

    def own():
        upsweep.eval(upsweep.cumprod(a, 0, stream=GPU))

    def launch():
        return upsweep.cumprod(a, 0, stream=GPU)

    def torchs():
        torch.cumprod(x, 0)
        torch.cuda.synchronize()

    found = {}
    for name, call in [("upsweep", own), ("upsweep, launch only", launch),
                       ("PyTorch", torchs)]:  # fmt: skip
        times = []
        for _ in range(300):
            start = time.perf_counter()
            result = call()
            times.append(time.perf_counter() - start)
            upsweep.synchronize(GPU)
            del result
        found[name] = statistics.median(times[50:]) * 1e6
    return found


def accuracy():
    """NaNs where there are none, and the largest error in ulps."""
    n = 2**20
    rng = np.random.default_rng(1)
    see_saw = np.resize(np.float32([1e-30, 1e30, 1e30, 1e-30]), 2**14)
    log_normal = rng.lognormal(0, 1, 2**14).astype(np.float32)
    near = rng.uniform(0.999, 1.001, n).astype(np.float32)
    exact = np.cumprod(near.astype(np.longdouble))
    found = {}

    def own(x):
        return np.asarray(upsweep.cumprod(x, 0, stream=GPU))

    def torchs(x):
        return torch.cumprod(torch.from_numpy(x).cuda(), 0).cpu().numpy()

    calls = [("upsweep", own), ("PyTorch", torchs)]
    try:
        import cupy

        calls.append(("CuPy", lambda x: cupy.cumprod(cupy.asarray(x)).get()))
    except ImportError:
        pass
    for name, call in calls:
        y = call(near)
        ulps = np.abs((y - exact) / np.spacing(np.abs(exact.astype(np.float32))))
        found[name] = {
            "see-saw NaNs": int(np.isnan(call(see_saw)).sum()),
            "log-normal NaNs": int(np.isnan(call(log_normal)).sum()),
            "ulps at 2^20": float(ulps.max()),
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write what is measured")
    parser.add_argument("--quick", action="store_true", help="sizes too small to tell")
    options = parser.parse_args()
    options.runs = 3 if options.quick else 15
    stream = own_stream()
    cases = [(shape, axis, "float32") for shape, axis in SHAPES]
    cases += [((2**27 if d == "complex64" else 2**28,), 0, d) for d in DTYPES]
    results = {"device": torch.cuda.get_device_name(), "rows": []}
    for shape, axis, dtype in cases:
        if options.quick:
            shape = tuple(max(n // 64, 1) for n in shape)
        row = measure(stream, shape, axis, dtype, options)
        results["rows"].append(row)
        ratios = ", ".join(f"{n} {r:.2f}" for n, r in row["ratio"].items())
        print(dtype, shape, f"axis {axis}: copy {row['copy_ms']:.4f} ms;", ratios,
              flush=True)  # fmt: skip
        torch.cuda.empty_cache()
        upsweep.clear_cache()
    results["whole call, us"] = whole_calls()
    results["accuracy"] = accuracy()
    print(results["whole call, us"], results["accuracy"], sep="\n")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
