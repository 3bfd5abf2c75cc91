"""The wheel for macOS, as far as it can be checked without a Mac."""

import re
import zipfile
from pathlib import Path

import pytest
from macholib.mach_o import (
    CPU_TYPE_NAMES,
    LC_BUILD_VERSION,
    LC_CODE_SIGNATURE,
    LC_LOAD_DYLIB,
    LC_LOAD_WEAK_DYLIB,
    LC_RPATH,
)
from macholib.MachO import MachO
from macholib.SymbolTable import SymbolTable

METAL = Path(__file__).parents[2] / "metal"
FRAMEWORK = "/System/Library/Frameworks/{0}.framework/Versions/{1}/{0}"
SYSTEM = "/usr/lib/libSystem.B.dylib"
# Symbols from any library, as Apple's linker marks them, and ziglang's.
ANY = (0xFE, 0)


@pytest.fixture(scope="module")
def wheel(request):
    (found,) = request.config.getoption("--wheel").glob("upsweep-*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def library(unpacked):
    return unpacked / "upsweep" / "lib" / "libupsweep.dylib"


@pytest.fixture(scope="module")
def extension(unpacked):
    (found,) = (unpacked / "upsweep").glob("_core*.so")
    return found


class Binary:
    """What the loader of macOS would see."""

    def __init__(self, path):
        (self.header,) = MachO(str(path)).headers
        self.symbols = SymbolTable(MachO(str(path))).undefsyms

    def commands(self, *kinds):
        return [
            (command, data)
            for load, command, data in self.header.commands
            if load.cmd in kinds
        ]

    def libraries(self):
        loads = self.commands(LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB)
        return [data.rstrip(b"\0").decode() for _, data in loads]

    def needs(self):
        """{symbol: the library that has it}; None for any loaded library."""
        libraries = self.libraries()
        found = {}
        for symbol, name in self.symbols:
            ordinal = symbol.n_desc >> 8 & 0xFF
            any_library = ordinal in ANY
            found[name.decode()] = None if any_library else libraries[ordinal - 1]
        return found


def test_the_tags_name_a_mac(wheel, unpacked):
    assert re.search(r"-cp3\d+-(cp3\d+|abi3)-macosx_14_0_arm64\.whl$", wheel.name)
    (metadata,) = unpacked.glob("upsweep-*.dist-info/WHEEL")
    tags = re.findall(r"^Tag: (.*)$", metadata.read_text(), re.MULTILINE)
    assert [tag.split("-")[-1] for tag in tags] == ["macosx_14_0_arm64"]


def test_the_package_is_complete(unpacked, extension, library):
    names = {p.relative_to(unpacked / "upsweep") for p in unpacked.rglob("*")
             if p.is_relative_to(unpacked / "upsweep")}  # fmt: skip
    for wanted in ["__init__.py", "py.typed", "_core.pyi", "include/upsweep/upsweep.h",
                   "lib/cmake/upsweep/upsweep-config.cmake"]:  # fmt: skip
        assert Path(wanted) in names
    assert extension.name.endswith(("-darwin.so", ".abi3.so"))
    assert library.exists()


def test_binaries_are_for_arm64_and_macos_14_and_signed(extension, library):
    for path in (extension, library):
        binary = Binary(path)
        assert CPU_TYPE_NAMES[binary.header.header.cputype] == "ARM64"
        ((version, _),) = binary.commands(LC_BUILD_VERSION)
        assert (version.platform, version.minos) == (1, 14 << 16)
        assert binary.commands(LC_CODE_SIGNATURE)


def test_the_extension_needs_the_library_and_python(extension):
    binary = Binary(extension)
    assert sorted(binary.libraries()) == [SYSTEM, "@rpath/libupsweep.dylib"]
    ((_, rpath),) = binary.commands(LC_RPATH)
    assert rpath.rstrip(b"\0") == b"@loader_path/lib"
    loose = [name for name, library in binary.needs().items() if library is None]
    assert loose
    assert all(re.match(r"__?Py", name) for name in loose), loose


def test_the_library_needs_metal_and_the_system(library):
    binary = Binary(library)
    frameworks = [("CoreGraphics", "A"), ("Foundation", "C"), ("Metal", "A")]
    assert sorted(binary.libraries()) == [
        *(FRAMEWORK.format(*framework) for framework in frameworks),
        SYSTEM,
        "/usr/lib/libobjc.A.dylib",
    ]
    needs = binary.needs()
    assert None not in needs.values()
    assert needs["_MTLCreateSystemDefaultDevice"] == FRAMEWORK.format("Metal", "A")
    assert needs["_objc_msgSend"] == "/usr/lib/libobjc.A.dylib"
    assert needs["_pthread_atfork"] == SYSTEM


def pieces():
    """The source of the kernels between its includes."""
    for path in sorted([*METAL.glob("*.h"), METAL / "scan.metal"]):
        if path.name.startswith("prelude_") or path.name == "tuning_nvidia.h":
            continue  # for other GPUs
        text = re.sub(r'(?m)^#(pragma once|include ".*")$', "\0", path.read_text())
        for piece in text.split("\0"):
            if piece.strip():
                yield path.name, piece.strip()


def test_the_source_of_the_kernels_is_embedded(library):
    data = library.read_bytes()
    found = list(pieces())
    assert len(found) > 10
    for name, piece in found:
        # The program joins long literals from pieces at run time.
        for line in piece.splitlines():
            assert line.encode() in data, f"{name}: {line}"
    monoids = re.findall(r"(?m)^UPSWEEP_(?:KERNEL|COPY)\(\w+, (.*)\)$",
                         (METAL / "kernels.def").read_text())  # fmt: skip
    assert len(monoids) > 30
    assert all(monoid.encode() in data for monoid in monoids)
