"""Makes an importable package of a build folder with sanitizers, for Python to run
under them: `python tests/fuzz/package.py BUILD FOLDER`.

The folder then has upsweep/, and goes on PYTHONPATH. The sanitizers' runtime has to
be loaded before Python: `--preload` prints the library that LD_PRELOAD names, which
has libFuzzer in it as well.
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
