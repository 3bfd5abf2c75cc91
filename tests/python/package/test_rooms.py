"""The rooms of the code: includes run downwards, product code includes nothing of
the tests, and the drawing in the guide shows what the sources say."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "docs/draw_rooms.py"

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
    honest = rooms.includes

    def includes(path):
        yield from honest(path)
        if path == ROOT / file:
            target = (path.parent / included).resolve()
            assert target.is_file()
            yield target.relative_to(ROOT)

    monkeypatch.setattr(rooms, "includes", includes)
    errors = [e for e in rooms.arrows_and_errors()[1] if e.startswith(file)]
    assert any(complaint in error for error in errors)
