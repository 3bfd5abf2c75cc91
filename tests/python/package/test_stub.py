"""The generated stub equals the copy in python/stub: a change of the Python interface
is a change of that copy."""

import ast
from pathlib import Path

import pytest
import upsweep

pytestmark = pytest.mark.own_isa

COPY = Path(__file__).parents[3] / "python" / "stub" / "_core.pyi"


def canonical(path):
    """The stub's text without what depends on the generator's formatting."""
    return ast.unparse(ast.parse(path.read_text(encoding="utf-8")))


def test_the_stub_equals_its_copy():
    stub = Path(upsweep.__file__).parent / "_core.pyi"
    assert canonical(stub) == canonical(COPY), f"if it is meant: cp {stub} {COPY}"


def test_every_public_name_is_in_the_stub():
    tree = ast.parse(COPY.read_text(encoding="utf-8"))
    names = {getattr(node, "name", None) for node in tree.body}
    names |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    assert set(upsweep.__all__) <= names
