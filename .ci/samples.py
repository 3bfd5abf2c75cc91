"""Gathers what type checkers read as users of upsweep: the samples of the documents, a
module each, the examples and tests/types.

    python .ci/samples.py FOLDER

Samples that show an error are left out: most of them are errors of types too.
"""

import ast
import doctest
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.rst"))]
FILES = [*(ROOT / "examples/python").glob("*.py"), *(ROOT / "tests/types").glob("*.py")]


def setup():
    """What Sphinx runs before the samples of each document."""
    for node in ast.parse((ROOT / "docs/conf.py").read_text(encoding="utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and node.targets[0].id == "doctest_global_setup"
        ):
            return ast.literal_eval(node.value)
    raise SystemExit("docs/conf.py has no doctest_global_setup")


def module(document):
    """The samples of a document; each keeps the line that it has there."""
    lines = [setup().replace("\n", "; ")]
    text = document.read_text(encoding="utf-8")
    for example in doctest.DocTestParser().get_examples(text):
        if example.exc_msg is None:
            lines += [""] * (example.lineno - len(lines))
            lines += example.source.splitlines()
    return "\n".join(lines) + "\n"


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for document in DOCUMENTS:
        name = "_".join(document.relative_to(ROOT).with_suffix("").parts)
        (folder / f"{name}.py").write_text(module(document), encoding="utf-8")
    for file in FILES:
        shutil.copy(file, folder)
    shutil.copy(ROOT / ".ci/pyrightconfig.json", folder)


main()
