"""Makes an importable package from a build folder with sanitizers:

    python tests/fuzz/package.py BUILD FOLDER

The folder then contains upsweep/; add it to PYTHONPATH. The sanitizers' runtime must be
loaded before Python: `--preload` prints the library for LD_PRELOAD, which also contains
libFuzzer.
"""

import argparse
import shutil
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "python" / "upsweep"


def make(build, folder):
    """Links, not copies: the extension finds its library next to the real one."""
    package = Path(folder) / "upsweep"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    extensions = list((Path(build) / "python").glob("_core.*.so"))
    if len(extensions) != 1:
        raise SystemExit(f"{build} has no extension: build its target _core")
    for file in [*SOURCE.iterdir(), *extensions]:
        (package / file.name).symlink_to(file.resolve())


def preload():
    """atheris' build of the runtime of AddressSanitizer and UBSan."""
    import atheris

    return Path(atheris.path()) / "asan_with_fuzzer.so"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preload", action="store_true")
    parser.add_argument("build", nargs="?")
    parser.add_argument("folder", nargs="?")
    arguments = parser.parse_args()
    if arguments.preload:
        print(preload())
    else:
        make(arguments.build, arguments.folder)


if __name__ == "__main__":
    main()
