# The steps of .ci/run, a function each, which runs in a shell of its own.

debian() {
  (($#)) || return 0
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y "$@"
}

system() {
  local missing=()
  python3 -c 'import ensurepip' || missing+=(python3-venv)
  [[ -e /usr/include/doctest/doctest.h ]] || missing+=(doctest-dev)
  command -v ccache || missing+=(ccache)
  # metal-cpp needs a compiler that has blocks.
  command -v clang++ || missing+=(clang)
  # For upsweep.distributed over MPI.
  command -v mpirun || missing+=(openmpi-bin)
  debian "${missing[@]}"
}

# upsweep.jax takes the headers of jaxlib, where they are before upsweep is built.
environment() {
  python3 -m venv "$work/venv"
  python -m pip install jax
}

# One of the README's two commands, so that what it says is what runs.
readme_command() {
  grep -E '^ *python -m pip install ' README.md | sed -n "$1p"
}

# In a folder where ccache knows the kernels (CCACHE_BASEDIR): later steps compile the
# same ones.
install() { SKBUILD_BUILD_DIR=$work/install bash -ec "$(readme_command 1)"; }

tools() { python -m pip install -r .ci/requirements.txt; }

formats() {
  ruff check .
  ruff format --check .
  find cpp metal python tests examples -name '*.h' -o -name '*.cpp' |
    xargs clang-format --dry-run -Werror
  python .ci/versions.py
}

# The package, and what its users write.
types() {
  mypy
  python .ci/samples.py "$work/typed"
  mypy --config-file .ci/samples.ini "$work/typed"
  pyright -p "$work/typed"
}

cpp_tests() {
  local compiler=$1
  shift
  cmake -G Ninja -S . -B "$work/cpp-$compiler" -DCMAKE_CXX_COMPILER="$compiler" \
    -DUPSWEEP_CUDA=OFF -DUPSWEEP_TESTS=ON -DUPSWEEP_PYTHON=OFF "$@"
  cmake --build "$work/cpp-$compiler"
  ctest --test-dir "$work/cpp-$compiler" --output-on-failure
}

# The best instruction set of this machine, for steps that run no other: the kernels for
# the others, which g++ compiles, would take minutes.
best_isa() { python tests/scripts/isas.py | head -n 1; }

cpp_gcc() { cpp_tests g++; }
cpp_clang() { cpp_tests clang++ -DUPSWEEP_CPU_ISAS="$(best_isa)"; }

# The C++ tests with the kernels for NEON, under an emulator. It takes about ten minutes
# and runs on request only.
neon() {
  local missing=()
  command -v qemu-aarch64 || missing+=(qemu-user)
  [[ -e /usr/aarch64-linux-gnu ]] || missing+=(g++-aarch64-linux-gnu)
  debian "${missing[@]}"
  cmake -G Ninja -S . -B "$work/neon" -DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_CXX_COMPILER_TARGET=aarch64-linux-gnu -DUPSWEEP_CPU_ISAS=neon \
    -Ddoctest_DIR=/usr/lib/cmake/doctest -DUPSWEEP_CUDA=OFF -DUPSWEEP_TESTS=ON
  cmake --build "$work/neon" --target upsweep_tests
  echo "skipped: test_fork.cpp, because the emulator cannot fork a process with threads"
  qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/neon/tests/cpp/upsweep_tests" \
    --source-file-exclude='*/gpu/*,*/test_fork.cpp'
}

# The C++ tests under sanitizers, whose first finding ends them.
sanitized() {
  local name=$1 compiler=$2 sanitizers=$3
  shift 3
  cmake -G Ninja -S . -B "$work/$name" -DCMAKE_CXX_COMPILER="$compiler" \
    -DUPSWEEP_SANITIZE="$sanitizers" -DUPSWEEP_TESTS=ON -DUPSWEEP_CUDA=OFF \
    -DUPSWEEP_CPU_ISAS="$(best_isa)" "$@"
  cmake --build "$work/$name" --target upsweep_tests
}

# With more threads than there may be processors. What works for GPUs is arithmetic.
races() {
  sanitized tsan g++ thread -DUPSWEEP_PYTHON=OFF
  UPSWEEP_NUM_THREADS=4 "$work/tsan/tests/cpp/upsweep_tests" \
    --source-file-exclude='*/gpu/*'
}

# With the extension and with libFuzzer's coverage, for foreign and fuzz.
addresses() {
  sanitized asan clang++ address,undefined,fuzzer-no-link -DUPSWEEP_PYTHON=ON \
    -Dnanobind_DIR="$(python -m nanobind --cmake_dir)" \
    -DPython_EXECUTABLE="$work/venv/bin/python"
  # With nothing to share among threads, and with something.
  for threads in 1 4; do
    UPSWEEP_NUM_THREADS=$threads "$work/asan/tests/cpp/upsweep_tests"
  done
  # Not the stub, which would import the extension without its runtime.
  cmake --build "$work/asan" --target _core
  python tests/fuzz/package.py "$work/asan" "$work/sanitized"
}

example() {
  cmake -G Ninja -S examples/cpp -B "$work/example" \
    -DCMAKE_PREFIX_PATH="$(python -m upsweep --cmake-dir)"
  cmake --build "$work/example"
  "$work/example/scans"
}

# What the test extra leaves out because it is large, then atheris, which has wheels for
# some versions of Python only.
test_tools() {
  python -m pip install 'upsweep[test]'  # the installed one, which needs no build
  python -m pip install torch==2.13.0 mpi4py
  python -m pip install --only-binary=:all: atheris 2>&1 | tee "$work/atheris" && return
  # Any other failure is one.
  grep 'No matching distribution' "$work/atheris"
  echo "skipped: foreign and fuzz, because atheris has no wheel for $(python -V)"
}

has_atheris() { python -c 'import atheris'; }

# Capsules and buffers of other libraries, under AddressSanitizer.
foreign() {
  has_atheris || return 0
  PYTHONPATH="$work/sanitized" LD_PRELOAD="$(python tests/fuzz/package.py --preload)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    python -m pytest -n "$(nproc)" -p no:cacheprovider \
    tests/python/interop/test_foreign_*.py
}

# From one seed, so that only a change decides the outcome; run.py chooses others.
fuzz() {
  has_atheris || return 0
  UPSWEEP_VERDICTS='' PYTHONPATH="$work/sanitized" python tests/fuzz/run.py "$1" \
    --seconds 60 --seed 1 --findings "$work"
}
fuzz_scans() { fuzz scans; }
fuzz_general() { fuzz general; }
fuzz_imports() { fuzz imports; }

metal_cpp() { python tests/scripts/metal_cpp.py "$work"; }

# An environment for another build of upsweep; it sees the packages of the first.
second_environment() {
  python3 -m venv "$work/$1"
  local purelib='import sysconfig; print(sysconfig.get_path("purelib"))'
  python -c "$purelib" >"$("$work/$1/bin/python" -c "$purelib")/packages.pth"
}

# The Metal backend on the software device. clang++ has compiled the core before.
metal() {
  second_environment metal
  CC=clang CXX=clang++ "$work/metal/bin/python" -m pip install \
    --no-build-isolation --no-deps --config-settings build-dir="$work/metal-build" \
    --config-settings cmake.define.UPSWEEP_METAL=ON \
    --config-settings cmake.define.UPSWEEP_METAL_EMULATOR=ON \
    --config-settings cmake.define.UPSWEEP_CPU_ISAS="$(best_isa)" \
    --config-settings cmake.define.UPSWEEP_METAL_CPP="$UPSWEEP_METAL_CPP" .
}

# The kernels of Metal without a backend.
kernels() {
  cmake -G Ninja -S tests/emulator/kernels -B "$UPSWEEP_KERNELS"
  cmake --build "$UPSWEEP_KERNELS"
}

on_software_gpu() {
  "$work/metal/bin/python" -m pytest -p no:cacheprovider "$@"
}

metal_failures() { on_software_gpu -n "$(nproc)" tests/emulator; }

# The suite with the software GPU as the default device. What is undefined on a
# GPU follows from the seed and the test, whichever worker runs it. The step suite
# runs all examples of the property tests; a third of them on software GPUs and on
# other instruction sets keeps the whole within its time.
metal_suite() {
  UPSWEEP_TEST_DEVICE=gpu UPSWEEP_EMULATOR_SEED=1 UPSWEEP_FEWER_EXAMPLES=3 \
    on_software_gpu -n "$(nproc)" --dist loadfile tests/python
}

# The CUDA backend, with kernels that nvcc compiled.
cuda() {
  second_environment cuda
  command -v nvcc || "$work/cuda/bin/python" -m pip install \
    nvidia-cuda-nvcc nvidia-cuda-runtime nvidia-cuda-crt nvidia-nvvm
  CMAKE_ARGS='' "$work/cuda/bin/python" -m pip install --no-build-isolation \
    --no-deps --config-settings build-dir="$work/cuda-build" --config-settings cmake.define.UPSWEEP_CUDA=ON \
    --config-settings cmake.define.UPSWEEP_CUDA_ARCHITECTURES=90 .
  "$work/cuda/bin/python" -m pytest -p no:cacheprovider tests/cuda
}

# A CUDA driver in software, for the same backend.
cuda_driver() {
  cmake -G Ninja -S tests/emulator/cuda -B "$work/software-cuda"
  cmake --build "$work/software-cuda"
}

cuda_failures() {
  UPSWEEP_SOFTWARE_CUDA_BUILD="$work/software-cuda" \
    "$work/cuda/bin/python" -m pytest -p no:cacheprovider tests/emulator/cuda
}

cuda_suite() {
  LD_LIBRARY_PATH="$work/software-cuda" UPSWEEP_TEST_DEVICE=gpu \
    UPSWEEP_FEWER_EXAMPLES=3 "$work/cuda/bin/python" -m pytest -n "$(nproc)" \
    --dist loadfile -p no:cacheprovider tests/python
}

macos() {
  # No test runs it, and no other step compiles with the same flags.
  CMAKE_ARGS=-DCMAKE_CXX_FLAGS_RELEASE=-O0 CMAKE_CXX_COMPILER_LAUNCHER= \
    python tests/scripts/build_macos_wheel.py "$work/macos"
  on_software_gpu tests/macos --wheel "$work/macos"
}

# The samples of the guides use what the tests use.
documentation() {
  sphinx-build -W --keep-going -q -b html docs "$work/html"
  sphinx-build -W --keep-going -q -b doctest docs "$work/samples"
  python -m doctest README.md
}

# The stable-ABI wheel, built and imported by a Python that takes it.
stable_abi() {
  local python
  for python in python3.14 python3.13 python3.12 none; do
    if "$python" --version; then break; fi
  done
  if [[ $python == none ]]; then
    echo "skipped: stable_abi, because there is no Python 3.12 or newer"
    return
  fi
  "$python" -m venv "$work/$python"
  "$work/$python/bin/python" -m pip wheel --no-deps -w "$work/wheel" .
  ls "$work"/wheel/upsweep-*-abi3-*.whl
  "$work/$python/bin/python" -m pip install "$work"/wheel/upsweep-*-abi3-*.whl
  "$work/$python/bin/python" -c 'import upsweep; upsweep.cumprod([1, 2])'
}

# What depends on the instruction set, on all of this machine but the best, which
# the step suite takes.
isas() {
  local isa
  for isa in $(python tests/scripts/isas.py | tail -n +2); do
    echo "== suite on $isa, after $SECONDS s"
    UPSWEEP_CPU_ISA=$isa UPSWEEP_FEWER_EXAMPLES=3 python -m pytest -n "$(nproc)" \
      --dist loadfile -m "not own_isa" tests/python
  done
}

suite() {
  echo "== suite, after $SECONDS s"
  local command
  command=$(readme_command 2)
  SKBUILD_BUILD_DIR=$work/install bash -ec "${command%%&&*}"
  # Its builds lie where ccache knows the kernels, too.
  TMPDIR=$work bash -ec "${command#*&&}"
}
