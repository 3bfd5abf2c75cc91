"""Describes the machine without identifying it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def description() -> dict[str, str | int]:
    """Processor, cores, memory, system."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        ),
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name; virtual ones hide the model but report the family."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    first, _, _ = text.partition("\n\n")
    lines = (line.partition(":") for line in first.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields and not any(c.isdigit() for c in name):
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def processors() -> list[int]:
    """The processors that this process may use; empty if the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))
