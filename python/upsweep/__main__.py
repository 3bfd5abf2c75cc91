"""Shows what is installed and does the main job on real input."""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
from array import array as c_array
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import upsweep
from upsweep import _core

STEPS = 1000  # of the noise schedule of denoising diffusion models (Ho 2020)
SEE_SAW = (1e-30, 1e30, 1e30, 1e-30)  # each prefix is finite, each half is not
PERIODS = 4096
TIMED = 1 << 20


def numpy_if_installed() -> Any:
    """The module, or None."""
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def ulps(value: float, exact: Fraction) -> float:
    """The distance of a float32 value from the exact one in units of its last bit."""
    ulp = Fraction(2) ** (math.frexp(exact)[1] - 24)
    return float(abs(Fraction(value) - exact) / ulp)


def worst_error(factors: Iterable[float], products: Iterable[float]) -> float:
    """The largest error of cumulative products, in ulp."""
    exact, worst = Fraction(1), 0.0
    for factor, product in zip(factors, products, strict=True):
        exact *= Fraction(factor)
        worst = max(worst, ulps(product, exact))
    return worst


def log_step_scan(factors: c_array[float]) -> c_array[float]:
    """Cumulative products by doubling steps in float32, as in the warps of a GPU."""
    products, step = factors, 1
    while step < len(products):
        head, tail = products[:step], products[step:]
        tail = c_array("f", (x * y for x, y in zip(products, tail, strict=False)))
        products, step = head + tail, 2 * step
    return products


def best_time(work: Callable[[], object]) -> float:
    """The shortest of several runs, in seconds."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def why_no_gpu() -> str:
    """The reason that the library gives for having no GPU."""
    try:
        upsweep.default_stream(upsweep.gpu)
    except ValueError as error:
        _, _, reason = str(error).partition("gpu backend: ")
        return reason.rstrip(".") or "this build has no backend for one"
    return "it went away"


def show_machine() -> None:
    """Prints the version, the devices and the instruction set."""
    print(f"upsweep {upsweep.__version__}")
    for kind in upsweep.DeviceType:
        for index in range(upsweep.device_count(kind)):
            device = upsweep.Device(kind, index)
            info = upsweep.device_info(device)
            print(f"  {device}: " + ", ".join(f"{k} {v}" for k, v in info.items()))
    if not upsweep.is_available(upsweep.gpu):
        print(f"  no gpu: {why_no_gpu()}")


def show_schedule(numpy: Any) -> None:
    """Prints the end of a published noise schedule, next to exact arithmetic."""
    print(f"\nNoise schedule: betas linear from 1e-4 to 0.02, {STEPS} steps, float32")
    betas = [1e-4 + (0.02 - 1e-4) * step / (STEPS - 1) for step in range(STEPS)]
    alphas = upsweep.array([1 - beta for beta in betas])
    alphas_cumprod = upsweep.cumprod(alphas)
    factors = alphas.tolist()
    exact = math.prod(map(Fraction, factors))
    products = alphas_cumprod.tolist()
    print(f"  alphas_cumprod ends at {products[-1]:.4e}; exactly {float(exact):.8e}")
    print(f"  largest error: {worst_error(factors, products):.2f} ulp")
    if numpy is not None:
        other = numpy.cumprod(numpy.asarray(alphas)).tolist()
        print(f"  NumPy's:       {worst_error(factors, other):.2f} ulp")


def show_see_saw(numpy: Any) -> None:
    """Prints how many results are NaN where every exact one is finite."""
    factors = c_array("f", SEE_SAW * PERIODS)
    count = len(factors)
    print(f"\nSee-saw: 1e-30, 1e30, 1e30, 1e-30, ... ({count} factors, float32)")

    ours = upsweep.cumprod(upsweep.asarray(factors))

    def nans(products: Iterable[float]) -> int:
        return sum(map(math.isnan, products))

    print(f"  NaN in upsweep's results:  {nans(ours.tolist())}")
    if numpy is not None:
        other = numpy.cumprod(numpy.frombuffer(factors, numpy.float32))
        print(f"  in NumPy's, left to right: {nans(other.tolist())}")
    print(f"  in a plain parallel scan:  {nans(log_step_scan(factors))} (emulated)")


def show_timing(numpy: Any) -> None:
    """Prints the time of one call."""
    factors = c_array("f", (1 - 1e-6, 1 + 1e-6)) * (TIMED // 2)
    ours = upsweep.array(factors)
    print(f"\nTime of cumprod on {TIMED} float32 numbers, best of 10")
    seconds = best_time(lambda: upsweep.eval(upsweep.cumprod(ours)))
    print(f"  upsweep: {seconds * 1e3:.2f} ms")
    if numpy is None:
        print("  NumPy:   not installed; pip install 'upsweep[numpy]' adds it")
        return
    theirs = numpy.asarray(ours)
    seconds = best_time(lambda: numpy.cumprod(theirs))
    print(f"  NumPy:   {seconds * 1e3:.2f} ms")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m upsweep", description=__doc__)
    parser.add_argument("--version", action="version", version=upsweep.__version__)
    parser.add_argument(
        "--cmake-dir",
        action="store_true",
        help="print the directory of the CMake package, for CMAKE_PREFIX_PATH",
    )
    parser.add_argument(
        "--pkg-config-dir",
        action="store_true",
        help="print the directory of upsweep.pc, for PKG_CONFIG_PATH",
    )
    if sys.argv[1:2] == ["bench"]:
        sys.exit("The benchmark is not installed: run python -m bench in a checkout.")
    arguments = parser.parse_args()
    libraries = Path(_core.__file__).parent / "lib"
    if arguments.cmake_dir:
        print(libraries / "cmake" / "upsweep")
        return
    if arguments.pkg_config_dir:
        print(libraries / "pkgconfig")
        return
    numpy = numpy_if_installed()
    show_machine()
    show_schedule(numpy)
    show_see_saw(numpy)
    show_timing(numpy)


if __name__ == "__main__":
    main()
