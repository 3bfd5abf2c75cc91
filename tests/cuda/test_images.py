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


def look_into_library(*options):
    """What cuobjdump says of the library."""
    tool = find_cuobjdump()
    if tool is None:
        pytest.skip("there is no cuobjdump (nvidia-cuda-cuobjdump on PyPI)")
    library = Path(upsweep.__file__).parent / "lib" / "libupsweep.so"
    return subprocess.run(
        [tool, *options, library], capture_output=True, text=True, check=True
    ).stdout


def test_the_embedded_kernels_are_those_of_the_list():
    listed = look_into_library("--list-text", "--list-ptx")
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


def test_posts_are_stored_and_loaded_whole():
    """A compiler may take a load apart of which only a part is used."""
    code = look_into_library("-sass")
    accesses = set(re.findall(r"\b((?:LDG|STG|LD|ST)\.E\S*\.STRONG\.GPU)", code))
    if "Function :" not in code:
        pytest.skip("this library has no CUDA backend")
    assert accesses == {"LDG.E.128.STRONG.GPU", "STG.E.128.STRONG.GPU"}
