"""The engine finds the bugs of seeded_bugs.metal and of our kernels with a barrier
removed; and it runs correct kernels."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scans import (
    DERIVATIVES,
    LOOK_BACK,
    METAL,
    Engine,
    Geometry,
    Refused,
    Tuning,
    derivative,
    memory,
    scan,
)

THREADS, GROUPS = 64, 8


@pytest.fixture(scope="module")
def seeded_bugs(built):
    tuning = Tuning()
    tuning.threads = THREADS
    return Engine(built / "libseeded_bugs.so", tuning)


def run(engine, kernel, values, groups=1):
    x = np.array(values, np.uint32)
    y = np.full(x.shape, 0xDEAD, np.uint32)
    moved = engine.run(kernel, [memory(x)[0], memory(y)[0]], groups)
    return y, moved


@pytest.mark.parametrize("seed", range(5))
def test_right_kernels_are_right(seeded_bugs, seed):
    seeded_bugs.set_seed(seed)
    x = np.arange(GROUPS * THREADS, dtype=np.uint32)
    y, moved = run(seeded_bugs, "reverse_each_group", x, GROUPS)
    assert (y == x.reshape(GROUPS, -1)[:, ::-1].ravel()).all()
    assert moved.tolist() == [x.nbytes, x.nbytes]
    y, _ = run(seeded_bugs, "exchange_in_device_memory", x[:THREADS])
    assert (y == x[:THREADS][::-1]).all()
    y, _ = run(seeded_bugs, "sum_up_to_lane", x, GROUPS)
    assert (y == x.reshape(-1, 32).cumsum(axis=1).ravel()).all()
    y, _ = run(seeded_bugs, "bytes_side_by_side", x, GROUPS)
    assert (y.view(np.uint8)[: 63 * GROUPS] == x[: 63 * GROUPS].astype(np.uint8)).all()
    y, _ = run(seeded_bugs, "last_group_adds", x, GROUPS)
    assert y[GROUPS] == x[:GROUPS].sum()


def test_atomics_do_not_race(seeded_bugs):
    y, moved = run(seeded_bugs, "count_threads", [7] * THREADS)
    assert set(y.tolist()) == {THREADS - 1 + 7}
    # All threads read one element at once.
    assert moved[0] == 4


def test_each_read_of_a_thread_counts(seeded_bugs):
    x = np.arange(GROUPS * THREADS, dtype=np.uint32)
    y, moved = run(seeded_bugs, "read_three_times", x, GROUPS)
    assert (y == 3 * x).all()
    assert moved.tolist() == [3 * x.nbytes, x.nbytes]


def test_barriers_may_be_many(seeded_bugs):
    """More than the engine has numbers for."""
    y, _ = run(seeded_bugs, "wait_many_times", [2**21 + 5] * THREADS)
    assert y.tolist() == [*range(THREADS)][::-1]


def test_float32_arithmetic_flushes_subnormal_numbers(seeded_bugs):
    x = np.resize(np.float32([1.5, 1e-40, -1e-40, 1.2e-38]), THREADS)
    y, _ = run(seeded_bugs, "add_as_floats", x.view(np.uint32))
    assert (y.view(np.float32)[:4] == np.float32([3, 0, 0, 2.4e-38])).all()


SEEDED_BUGS = {
    "race_between_threads": "race: a|memory that was never written",
    "race_to_write": "race: a write of threadgroup memory",
    "race_after_read": "race: a (read|write) of threadgroup memory",
    "barrier_for_some": "barrier that some threads do not reach",
    "two_barriers": "two barriers at once",
    "shuffle_for_some": "simdgroup function that some of its threads do not reach",
    "two_shuffles": "two simdgroup functions at once",
    "read_beyond": "outside buffer 0, at byte 256 of 256",
    "write_before": "outside buffer 1, at byte -4 of 256",
    "vector_askew": "misaligned access",
    "unwritten": "memory that was never written",
    "beyond_the_tile": "outside threadgroup memory",
    "too_much_memory": "more threadgroup memory than there is",
    "barrier_for_device_memory": "race: a read of threadgroup memory",
    "barrier_for_threadgroup_memory": "race: a read of device memory",
    "write_after_foreign_read": "race: a (read|write) of device memory that another "
    "thread has",
    "two_threads_write_one_word": "race: a write of device memory that another thread",
    "two_groups_write_one_word": "race: a write .* that another threadgroup has used",
    "reads_another_group": "race: a (read|write) .* that another threadgroup has",
}
BETWEEN_GROUPS = {"two_groups_write_one_word", "reads_another_group"}


@pytest.mark.parametrize("kernel", SEEDED_BUGS)
@pytest.mark.parametrize("seed", range(3))
def test_seeded_bugs_are_found_and_survived(seeded_bugs, kernel, seed):
    seeded_bugs.set_seed(seed)
    groups = GROUPS if kernel in BETWEEN_GROUPS else 1
    with pytest.raises(Refused, match=SEEDED_BUGS[kernel]) as failure:
        run(seeded_bugs, kernel, range(groups * THREADS), groups)
    assert kernel in str(failure.value)
    y, _ = run(seeded_bugs, "reverse_each_group", range(THREADS))
    assert y.tolist() == [*range(THREADS)][::-1]


def test_all_seeded_kernels_are_run(seeded_bugs):
    right = {"reverse_each_group", "sum_up_to_lane", "count_threads", "add_as_floats",
             "exchange_in_device_memory", "wait_many_times", "bytes_side_by_side",
             "last_group_adds", "read_three_times"}  # fmt: skip
    assert {*seeded_bugs.kernel_names()} == right | {*SEEDED_BUGS}


def test_unknown_kernels_and_missing_buffers(seeded_bugs):
    with pytest.raises(Refused, match="no kernel named nothing"):
        seeded_bugs.run("nothing", [], 1)
    x = np.zeros(THREADS, np.uint32)
    with pytest.raises(Refused, match="not bound: 1"):
        seeded_bugs.run("reverse_each_group", [memory(x)[0]], 1)


# Our kernels without one of their barriers. A line in chunks, which leaves the range in
# some of them, needs every one.
BARRIER = re.compile(r"^ *threadgroup_barrier\([^;]*\);\n", re.MULTILINE)
BARRIERS = [
    (file.name, i)
    for file in sorted(METAL.glob("*.h"))
    if not file.name.startswith("prelude")
    for i in range(len(BARRIER.findall(file.read_text())))
]


SCANS = """
UPSWEEP_KERNEL(prod_float32, Product<Float32>)
UPSWEEP_KERNEL(prod_complex64, ComplexProduct)
UPSWEEP_KERNEL(resets_prod_complex64, WithResets<ComplexProduct>)
"""
GRADIENTS = """
UPSWEEP_VJP(vjp_float32, Float32)
UPSWEEP_JVP(jvp_float32, Float32)
"""


@pytest.fixture(scope="module")
def objects(built, tmp_path_factory):
    """Compiles some kernels, including look-back, from a copy of metal/."""
    folder = tmp_path_factory.mktemp("mutants")
    engine = built / "CMakeFiles/engine.dir"

    def build(name, replace, kernels=SCANS):
        copy = folder / name
        copy.mkdir()
        for file in METAL.iterdir():
            if file.is_file():
                (copy / file.name).write_text(file.read_text())
        (copy / "kernels.def").write_text(kernels)
        tuning = (copy / "tuning_apple.h").read_text()
        (copy / "tuning_apple.h").write_text(f"#define UPSWEEP_LOOK_BACK\n{tuning}")
        replace(copy)
        translate = [sys.executable, METAL / "translate.py", "--prelude",
                     "prelude_host.h", copy / "scan.metal"]  # fmt: skip
        text = subprocess.run(translate, capture_output=True, text=True, check=True)
        (copy / "scan.cpp").write_text(text.stdout)
        objects = [str(o) for o in engine.glob("**/*.o")]
        subprocess.run(
            ["c++", "-std=c++20", "-O1", "-fPIC", "-shared", "-ffp-contract=off",
             f"-I{METAL}", f"-I{METAL.parent / 'tests/emulator'}", "-include",
             "threadgroup.h", "scan.cpp",
             *objects, "-lpthread", "-o", "kernels.so"],
            check=True, cwd=copy, capture_output=True,
        )  # fmt: skip
        return Engine(copy / "kernels.so")

    return build


def scans_that_take_every_barrier(engine):
    x = np.full(40000, 1.001, np.float32)
    x[20000:] = 0.9
    for geometry in (Geometry(tiles=2), Geometry()):
        scan(engine, "cumprod", x, geometry=geometry)
    # If vectors of input and output start at different elements, threads move different
    # ones; if layouts differ, items change places.
    scan(engine, "cumprod", x[1:])
    scan(engine, "cumprod", x[:32000].reshape(320, 100).T, 1)
    # Short lines, whose results change places too.
    several = Geometry(line_threads=1, lines=(1, 4))
    scan(engine, "cumprod", x[:6000].reshape(3, 2000).T, 1, geometry=several)
    # Lines of one thread each, for which no simdgroup waits.
    scan(engine, "cumprod", x[:32000].reshape(100, 320), 0)
    for lines in (x, x[:32000].reshape(1000, 32)):
        geometry = Geometry(group=2, look_back_set=2)
        scan(engine, "cumprod", lines, 0, geometry=geometry, passes=LOOK_BACK)
    # A saturated pair is followed through other threads' items for a few elements.
    z = np.full(4000, 1 + 0.001j, np.complex64)
    z[1006:1008] = 1e30 + 1e30j
    scan(engine, "cumprod", z)
    scan(engine, "cumprod", z, reset=np.arange(4000) == 1000)


def derivatives_that_take_every_barrier(engine):
    x = np.full(20000, 1.001, np.float32)
    for kind in DERIVATIVES:
        derivative(engine, kind, x, x)
        # More groups of chunks than a threadgroup scans at once.
        derivative(engine, kind, x, x, geometry=Geometry(span=1))


def test_kernels_with_all_their_barriers_pass(objects):
    scans_that_take_every_barrier(objects("whole", lambda folder: None))
    whole = objects("whole_gradients", lambda folder: None, GRADIENTS)
    derivatives_that_take_every_barrier(whole)


def test_the_spine_orders_device_memory(objects):
    def weaken(folder):
        path = folder / "spine.h"
        text = path.read_text()
        both = "mem_flags::mem_threadgroup | mem_flags::mem_device"
        assert both in text
        path.write_text(text.replace(both, "mem_flags::mem_threadgroup"))

    with pytest.raises(Refused, match="a read of device memory"):
        scans_that_take_every_barrier(objects("weak", weaken))


@pytest.mark.parametrize(("file", "index"), BARRIERS)
def test_every_barrier_is_needed(objects, file, index):
    def remove(folder):
        path = folder / file
        text = path.read_text()
        match = list(BARRIER.finditer(text))[index]
        path.write_text(text[: match.start()] + "\n" + text[match.end() :])

    kernels, run = SCANS, scans_that_take_every_barrier
    if file.startswith("gradient"):
        kernels, run = GRADIENTS, derivatives_that_take_every_barrier
    with pytest.raises(Refused, match=r"race|was never written|barrier"):
        run(objects(f"{file}-{index}", remove, kernels))
