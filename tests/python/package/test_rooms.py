"""The rooms of the code: includes run downwards, product code includes nothing of the
tests, the drawing in the guide matches the sources, and so does its list of words."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "docs/draw_rooms.py"
GUIDE = ROOT / "docs/guides/organisation.rst"
CODE = ("cpp", "metal", "python/src")
# Names that the code once had instead of the field's.
PRIVATE = {
    *("Calm", "Steady", "Mixed", "Careful", "Runner", "Outflow", "Mildness"),
    *("Extremes", "Bounds", "Strip", "Entries", "Place", "dead", "alive", "follow"),
    *("bury", "Seat", "Spread", "Part", "Stretch", "Stage", "Whereabouts", "Lying"),
    *("Along", "kAnyhow", "mailbox", "Post", "posts", "Glance", "fan", "kFan"),
    *("speaks", "owes", "Exits", "settle", "turned", "comes_soon", "set_shortcut"),
    *("work_off", "lend", "seen_by", "Moment", "Arrival", "planted"),
}

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the sources are not here")


@pytest.fixture(scope="module")
def rooms():
    spec = importlib.util.spec_from_file_location("draw_rooms", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_includes_run_downwards(rooms):
    assert rooms.arrows_and_errors()[1] == []


def test_product_builds_add_nothing_of_the_tests(rooms):
    assert list(rooms.build_errors()) == []


def test_every_room_takes_part(rooms):
    arrows, _ = rooms.arrows_and_errors()
    drawn = {folder for arrow in arrows for folder in arrow}
    assert drawn == {room.folder for room in rooms.ROOMS}


def test_the_drawing_is_that_of_the_sources(rooms):
    arrows, _ = rooms.arrows_and_errors()
    assert rooms.DRAWING.read_text() == rooms.draw(arrows), (
        "run python docs/draw_rooms.py"
    )


@pytest.mark.parametrize(
    ("file", "included", "complaint"),
    [
        ("cpp/src/core/plan.h", "../host/pool.h", "lies above"),
        ("cpp/src/host/pool.cpp", "../cpu/isa.h", "lies above"),
        ("cpp/src/ops.cpp", "cpu/isa.h", "only cpp/src/backend.cpp may"),
        ("cpp/src/cpu/scan.cpp", "../gpu/passes.h", "another backend"),
        ("python/src/scan.cpp", "../../cpp/src/core/op.h", "private"),
        ("metal/params.h", "../tests/emulator/engine.h", "includes tests/"),
    ],
)
def test_a_wrong_include_is_found(rooms, monkeypatch, file, included, complaint):
    original = rooms.includes

    def includes(path):
        yield from original(path)
        if path == ROOT / file:
            target = (path.parent / included).resolve()
            assert target.is_file()
            yield target.relative_to(ROOT)

    monkeypatch.setattr(rooms, "includes", includes)
    errors = [e for e in rooms.arrows_and_errors()[1] if e.startswith(file)]
    assert any(complaint in error for error in errors)


def identifiers():
    """The identifiers of the code, without comments and literals."""
    for top in CODE:
        for path in (ROOT / top).rglob("*"):
            if path.suffix in (".h", ".cpp", ".metal", ".def"):
                text = re.sub(
                    r'//.*|R"\((?s:.*?)\)"|"(?:[^"\\\n]|\\.)*"', "", path.read_text()
                )
                yield from re.findall(r"\b[A-Za-z_]\w*", text)


def snake(identifier):
    """FastPath, kFastPath and fast_path_ as _fast_path_."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier).lower()
    return "_" + words.strip("_") + "_"


def test_the_words_of_the_guide_are_those_of_the_code():
    section = GUIDE.read_text().partition("\nWords\n-----\n")[2].partition("\n---")[0]
    entries = re.findall(r"^(\w.*)\n    ", section, re.MULTILINE)
    terms = [term for entry in entries for term in entry.split(", ")]
    assert len(terms) >= 20
    found = "".join({snake(identifier) for identifier in identifiers()})
    missing = [
        term
        for term in terms
        if not re.search(rf"_{term.replace(' ', '_')}(e?s)?_", found)
    ]
    assert missing == []


def test_no_private_word_names_anything():
    assert sorted(PRIVATE.intersection(identifiers())) == []
