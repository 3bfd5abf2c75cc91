"""The kernels embedded in the library are those of kernels.def, for each chip. Needs
NVIDIA's cuobjdump, but no GPU."""

import collections
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import upsweep

METAL = Path(__file__).resolve().parents[2] / "metal"


def look_into_library(*options, tools=("cuobjdump",)):
    """What cuobjdump says of the library."""
    site = Path(sysconfig.get_path("purelib"))
    folders = [os.environ["PATH"], *map(str, site.glob("nvidia/*/bin"))]
    path = os.pathsep.join(folders)
    for tool in tools:
        if shutil.which(tool, path=path) is None:
            pytest.skip(f"there is no {tool} (nvidia-cuda-{tool} on PyPI)")
    library = Path(upsweep.__file__).parent / "lib" / "libupsweep.so"
    return subprocess.run(
        [shutil.which("cuobjdump", path=path), *options, library],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_the_embedded_kernels_are_those_of_the_list():
    listed = look_into_library("--list-text", "--list-ptx")
    images = look_into_library("--list-elf")
    sets = re.findall(
        r"^UPSWEEP_(KERNEL|COPY|VJP|JVP)\((\w+),",
        (METAL / "kernels.def").read_text(),
        re.M,
    )
    stages = {"KERNEL": ["lookback", "wholelines"], "COPY": ["copy"]}
    stages["VJP"] = ["reduce", "sumspine", "sumgroups", "finish"]
    stages["JVP"] = ["products", "productspine", "productgroups", *stages["VJP"]]
    wanted = sorted(f"{s}_{name}" for kind, name in sets for s in stages[kind])
    found = collections.defaultdict(list)
    for kernel, chip in re.findall(r": x-(\w+)\.(sm_\d+)\.elf\.bin", listed):
        found[chip].append(kernel)
    if not found:
        pytest.skip("this library has no CUDA backend")
    for chip, kernels in found.items():
        assert sorted(kernels) == wanted, chip
        # Each image has intermediate code for chips of 7.5, and for later ones.
        count = len(re.findall(rf"^ELF file.*\.{chip}\.cubin", images, re.M))
        assert len(re.findall(r"^PTX file", listed, re.M)) == 2 * count


def test_tile_states_are_stored_and_loaded_whole():
    """A compiler may split a load if only some of its words are used."""
    # Their tile states leave one, two or no words of a vector unused.
    sets = ("min_uint16", "prod_float32", "prod_complex64")
    functions = ",".join(f"lookback_{name}" for name in sets)
    code = look_into_library(
        "-sass", "-fun", functions, tools=("cuobjdump", "nvdisasm")
    )
    if "Function :" not in code:
        pytest.skip("this library has no CUDA backend")
    accesses = set(re.findall(r"\b((?:LDG|STG|LD|ST)\.E\S*\.STRONG\.GPU)", code))
    assert accesses == {"LDG.E.128.STRONG.GPU", "STG.E.128.STRONG.GPU"}
