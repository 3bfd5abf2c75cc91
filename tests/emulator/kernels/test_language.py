"""The shaders stay within Metal's language, as far as can be checked without Apple's
compiler: the linter, the translator and clang's address spaces."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scans import METAL

sys.path.insert(0, str(METAL))
from lint import lint
from translate import Error, Translator, tokenize, translate

HERE = Path(__file__).parent
SHADERS = [
    *(p for p in sorted(METAL.glob("*.h")) if not p.name.startswith("prelude_")),
    METAL / "scan.metal",
    HERE / "seeded_bugs.metal",
]


@pytest.mark.parametrize("path", SHADERS, ids=lambda p: p.name)
def test_the_shaders_are_clean(path):
    assert lint(path) == []


RIGHT = """
template <class M>
struct Pair {
  static constant constexpr uint kSize = 2;
  device const float* first;
  threadgroup typename M::Total* second;
  static METAL_FUNC float product(float a, float b) { return a * b; }
};
constant constexpr float kHalf = 0.5f;
METAL_FUNC void swap(thread uint& a, thread uint& b) { uint c = a & b; a *= c; }
METAL_FUNC uint shuffled(uint x) { return simd_shuffle_up(x, ushort(1)); }
[[kernel]] void f(device uint* out [[buffer(0)]]) {
  threadgroup uint tile[4];
  if (tile[0] * tile[1] == 1) {
    threadgroup uint other;
  }
}
"""

REFUSED = [
    ("double", "METAL_FUNC float f(float x) { return float(double(x)); }"),
    ("1.0: a double", "METAL_FUNC float f(float x) { return x * 1.0; }"),
    ("1e3: a double", "METAL_FUNC float f(float x) { return x * 1e3; }"),
    ("hexadecimal", "METAL_FUNC float f() { return 0x1p3f; }"),
    ("standard library", "METAL_FUNC float f(float x) { return std::abs(x); }"),
    ("lambda", "METAL_FUNC uint f(uint x) { return g([=](uint y) { return x; }); }"),
    ("lambda", "METAL_FUNC uint f() { uint x = [] { return 1u; }(); return x; }"),
    ("long", "METAL_FUNC ulong f(long x) { return x; }"),
    ("simd_shuffle_up of ulong",
     "METAL_FUNC ulong f(ulong x) { return simd_shuffle_up(x, ushort(1)); }"),
    ("simd_shuffle_up of bool",
     "METAL_FUNC bool f(bool x) { return simd_shuffle_up(x, ushort(1)); }"),
    ("simd_shuffle of ulong",
     "METAL_FUNC ulong f(uint2 x) { return simd_shuffle(as_type<ulong>(x), 1); }"),
    ("without an address space", "METAL_FUNC void f(uint* x) { x[0] = 1; }"),
    ("without an address space", "METAL_FUNC void f(const uint& x) {}"),
    ("without an address space", "METAL_FUNC void f(Pair<uint, uint>& x) {}"),
    ("without an address space", "struct S { typename M::Value* x; };"),
    ("threadgroup variable", "METAL_FUNC void f() { threadgroup uint tile[4]; }"),
    ("threadgroup variable", "threadgroup uint tile[4];"),
    ("not constant", "uint counter = 0;"),
    ("not constant", "constexpr uint kSize = 1;"),
    ("not constant", "struct S { static constexpr uint kA = 1; };"),
    ("no long long", "METAL_FUNC ulong f(ulong x) { return x + 1ll; }"),
    ("no long long", "METAL_FUNC ulong f(ulong x) { return x + 0x1ULL; }"),
    ("nested namespaces", "namespace a::b { METAL_FUNC uint f() { return 1; } }"),
    ("if with an initializer",
     "METAL_FUNC void f() { if (uint x = g(1); x > 0) { h(x); } }"),
    ("*x: neither", "METAL_FUNC void f(device float *x) {}"),
    ("&x: neither", "METAL_FUNC void f(const uint &x) {}"),
    ("without METAL_FUNC", "uint f() { return 1; }"),
    ("not static", "struct S { METAL_FUNC uint f() { return 1; } };"),
    ("derived", "struct S : T { uint x; };"),
    ("derived", "template <> struct S<uint> : T { uint x; };"),
    ("if constexpr", "METAL_FUNC void f() { if constexpr (kWide) g(); }"),
    ("virtual", "struct S { virtual void f(); };"),
    ("simd_sum", "METAL_FUNC float f(float x) { return simd_sum(x); }"),
]  # fmt: skip


def test_what_is_right_is_not_refused():
    assert lint("right.h", RIGHT) == []


@pytest.mark.parametrize(("message", "text"), REFUSED)
def test_what_metal_refuses_is_refused(message, text):
    found = lint("wrong.h", f"\n{text}\n")
    assert len(found) == 1
    assert found[0].startswith("wrong.h:2: ")
    assert message in found[0]


UNTRANSLATED = [
    ("unknown attribute 'early_fragment'", "[[early_fragment]] void f() {}"),
    ("unknown attribute 'thread_position_in_grid'",
     "[[kernel]] void f(uint i [[thread_position_in_grid]]) {}"),
    ("a parameter without an attribute", "[[kernel]] void f(uint i) {}"),
    ("cannot translate 'device'", "device uint x;"),
    ("cannot translate 'constant'", "void f(constant uint* x);"),
    ("cannot translate 'thread'", "void f(thread uint* x);"),
    ("expected a type", "void f(device const* x);"),
    ("the file ends too early", "[[kernel]] void f(uint i"),
    ("something else than its type",
     'template [[host_name("n")]] [[kernel]] decltype(f<A>) f<B>;'),
    ("f, which is no kernel",
     'template [[host_name("n")]] [[kernel]] decltype(f<A>) f<A>;'),
]  # fmt: skip


@pytest.mark.parametrize(("message", "text"), UNTRANSLATED)
def test_what_is_not_understood_is_not_translated(message, text):
    with pytest.raises(Error, match=re.escape(message)):
        Translator("wrong.metal", tokenize(text, 1)).run()


def test_unknown_pragmas_are_not_translated(tmp_path):
    (tmp_path / "wrong.metal").write_text("#pragma unroll\n")
    with pytest.raises(Error, match=r"wrong.metal:1: unknown pragma"):
        translate(tmp_path / "wrong.metal", "prelude_host.h", {})


# Clang checks address spaces in OpenCL's C++, which has Metal's, and C++14.
CLANG = shutil.which("clang++") or shutil.which("clang++-14")
needs_clang = pytest.mark.skipif(CLANG is None, reason="needs clang++")


OPENCL = ["-x", "clcpp", "-cl-std=clc++2021", "-cl-no-stdinc", "-Wall", "-Werror"]
CPP14 = ["-x", "c++", "-std=c++14", "-pedantic-errors"]


def compile_as(language, headers):
    command = [
        CLANG, *language, "-fsyntax-only", '-DUPSWEEP_HEADERS="scan.h"',
        '-DUPSWEEP_KERNELS="kernels.def"', f"-I{headers}",
        str(HERE / "vocabulary.clcpp"),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


def changed_copy(folder, file, right, wrong):
    """The headers with one mistake."""
    for path in METAL.iterdir():
        if path.suffix in (".h", ".def"):
            text = path.read_text()
            if path.name == file:
                assert right in text
                text = text.replace(right, wrong)
            (folder / path.name).write_text(text)
    return folder


@needs_clang
def test_address_spaces():
    done = compile_as(OPENCL, METAL)
    assert done.returncode == 0, done.stderr


@needs_clang
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("monoid.h", "threadgroup uint* tile;", "device uint* tile;"),
        ("tile_access.h", "put_slot(threadgroup uint* tile",
         "put_slot(device uint* tile"),
        ("spine.h", "device typename M::Prefix* carries;",
         "threadgroup typename M::Prefix* carries;"),
        ("range_exits.h", "thread Prefix& next", "device Prefix& next"),
        ("panel.h", "constant ScanParams& params", "thread ScanParams& params"),
    ],
)  # fmt: skip
def test_wrong_address_spaces_are_found(tmp_path, file, right, wrong):
    done = compile_as(OPENCL, changed_copy(tmp_path, file, right, wrong))
    assert done.returncode != 0
    assert re.search("address space|__(private|local|global|constant) ", done.stderr)


@needs_clang
def test_the_shaders_are_cpp14(tmp_path):
    done = compile_as(CPP14, METAL)
    assert done.returncode == 0, done.stderr
    later = "constexpr bool kLater = [] { return true; }();"
    copy = changed_copy(
        tmp_path, "group.h", "struct ThreadId {", f"{later}\nstruct ThreadId {{"
    )
    assert compile_as(CPP14, copy).returncode != 0


@pytest.fixture(scope="module")
def assemble(tmp_path_factory):
    """Assembles the library's embedded source for lines of kernels.def."""
    folder = tmp_path_factory.mktemp("embedded")
    embedded, program = folder / "embedded.cpp", folder / "print"
    (folder / "print.cpp").write_text("""
#include <iostream>
#include <iterator>

#include "source.h"

int main() {
  std::istreambuf_iterator<char> lines(std::cin), end;
  std::cout << upsweep::metal_source({lines, end});
}
""")
    root = METAL.parent
    for command in (
        ["cmake", f"-DSOURCE={METAL / 'scan.metal'}", f"-DOUTPUT={embedded}",
         "-P", root / "cpp/cmake/embed_metal.cmake"],
        ["c++", "-std=c++20", f"-I{root / 'cpp/src/metal'}", folder / "print.cpp",
         embedded, "-o", program],
    ):  # fmt: skip
        subprocess.run(command, capture_output=True, check=True)

    def run(kernels):
        return subprocess.run(
            [program], input=kernels, capture_output=True, text=True, check=True
        ).stdout

    return run


@pytest.mark.parametrize(
    "names",
    [
        ["prod_float32"],
        ["sum_uint16", "sum_float32", "min_bool"],
        ["prod_complex64", "logaddexp_float16", "logaddexp_complex64"],
        ["bits", "numbers"],
        ["vjp_float16", "jvp_float32"],
    ],
    ids=",".join,
)
def test_the_embedded_source_is_whole(assemble, tmp_path, names):
    table = (METAL / "kernels.def").read_text()
    lines = [re.search(rf"(?m)^UPSWEEP_[A-Z]+\({n}, .*\n", table)[0] for n in names]
    path = tmp_path / "whole.metal"
    path.write_text(assemble("".join(lines)))
    assert "".join(lines) in path.read_text()
    assert '#include "' not in path.read_text()
    assert lint(path) == []
    (tmp_path / "whole.cpp").write_text(translate(path, "prelude_host.h", {}))
    command = [
        "c++", "-std=c++20", "-fsyntax-only", f"-I{METAL}", f"-I{HERE.parent}",
        "-include", "threadgroup.h",
        tmp_path / "whole.cpp",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
