"""The generated stub equals the golden copy, so any change of the interface shows."""

import ast
from pathlib import Path

import pytest
import upsweep

pytestmark = pytest.mark.own_isa

GOLDEN = Path(__file__).parent / "golden" / "_core.pyi"


def canonical(path):
    """The stub's text without what depends on the generator's formatting."""
    return ast.unparse(ast.parse(path.read_text(encoding="utf-8")))


def test_the_stub_is_the_golden_one():
    stub = Path(upsweep.__file__).parent / "_core.pyi"
    assert canonical(stub) == canonical(GOLDEN), f"if it is meant: cp {stub} {GOLDEN}"


def test_every_public_name_is_in_the_stub():
    tree = ast.parse(GOLDEN.read_text(encoding="utf-8"))
    names = {getattr(node, "name", None) for node in tree.body}
    names |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    assert set(upsweep.__all__) <= names
