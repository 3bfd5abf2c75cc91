"""What inspect, help and the stub say about the scans."""

import importlib.metadata
import inspect
import pydoc
from pathlib import Path

import pytest
import upsweep
from support import OPS

pytestmark = pytest.mark.own_isa

REST = (
    "axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, "
    "stream: None | Stream | Device | DeviceType = None) -> array"
)


def plain(signature):
    """Without the quotes and module names of annotations."""
    return str(signature).replace("'", "").replace("upsweep.", "")


@pytest.mark.parametrize("op", OPS)
def test_signature(op):
    function = getattr(upsweep, op)
    assert plain(inspect.signature(function)) == f"(a: object, /, {REST}"
    parameters = inspect.signature(function).parameters
    kinds = [p.kind.description for p in parameters.values()]
    assert kinds == ["positional-only", "positional or keyword", *["keyword-only"] * 3]
    assert parameters["axis"].default is None
    assert parameters["reverse"].default is False
    assert parameters["inclusive"].default is True


@pytest.mark.parametrize("op", OPS)
def test_help_shows_the_signature_and_the_arguments(op):
    text = plain(pydoc.plain(pydoc.render_doc(getattr(upsweep, op))))
    assert f"{op}(a: object, /, {REST}" in text
    for word in ("axis", "reverse", "inclusive", "stream"):
        assert text.count(word) >= 1
    method = plain(pydoc.plain(pydoc.render_doc(getattr(upsweep.array, op))))
    assert f"{op}(self, /, {REST}" in method


@pytest.mark.parametrize("op", OPS)
def test_the_stub_shows_the_signature(op):
    package = Path(upsweep.__file__).parent
    assert (package / "py.typed").exists()
    stubs = "\n".join(p.read_text() for p in package.glob("*.pyi"))
    flat = " ".join(plain(stubs).split())
    assert f"def {op}(a: object, /, {REST}" in flat


def test_every_public_name_is_documented():
    names = [n for n in dir(upsweep) if not n.startswith("_")]
    functions = [n for n in names if callable(getattr(upsweep, n))]
    assert {"cumprod", "array", "Device", "Stream", "zeros"} <= set(functions)
    assert [n for n in functions if not getattr(upsweep, n).__doc__] == []


def test_the_version_is_that_of_the_package():
    assert upsweep.__version__ == importlib.metadata.version("upsweep")
