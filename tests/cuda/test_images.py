"""The kernels that are embedded in the library are those of kernels.def, for each
chip. Needs NVIDIA's cuobjdump, and no GPU."""

import collections
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import upsweep

METAL = Path(__file__).resolve().parents[2] / "metal"


def find_cuobjdump():
    site = Path(sysconfig.get_path("purelib"))
    return shutil.which("cuobjdump") or next(
        map(str, site.glob("nvidia/*/bin/cuobjdump")), None
    )


def test_the_embedded_kernels_are_those_of_the_list():
    tool = find_cuobjdump()
    if tool is None:
        pytest.skip("there is no cuobjdump (nvidia-cuda-cuobjdump on PyPI)")
    library = Path(upsweep.__file__).parent / "lib" / "libupsweep.so"
    listed = subprocess.run(
        [tool, "--list-text", "--list-ptx", library], capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    sets = re.findall(
        r"^UPSWEEP_KERNEL\((\w+),", (METAL / "kernels.def").read_text(), re.M
    )
    wanted = sorted(f"lookback_{name}" for name in sets)
    found = collections.defaultdict(list)
    for kernel, chip in re.findall(r": x-(\w+)\.(sm_\d+)\.elf\.bin", listed):
        found[chip].append(kernel)
    if not found:
        pytest.skip("this library has no CUDA backend")
    assert len(re.findall(r"^PTX file", listed, re.M)) == len(sets)
    for chip, kernels in found.items():
        assert sorted(kernels) == wanted, chip
