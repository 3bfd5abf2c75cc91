"""Draws the rooms of the code from its #includes: docs/_static/organisation.svg.

    python docs/draw_rooms.py           writes the drawing
    python docs/draw_rooms.py --check   fails if it differs from the sources

A room is a folder. An include from one room to another is an arrow. Both forms fail if
an arrow breaks the rules: a room includes only rooms below it, and only the registry
includes backends.
"""

import re
import sys
from collections import namedtuple
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs/_static/organisation.svg"

Room = namedtuple("Room", "folder kind title note x y width height")

# From top to bottom. A room includes only those after it.
ROOMS = [
    Room("python/src", "face", "Python", "converts arguments and results",
         30, 30, 560, 74),
    Room("cpp/src", "front", "Entry points",
         "checks, plans, allocates, enqueues; views and arrays",
         30, 138, 560, 74),
    Room("cpp/src/cpu", "backend", "CPU backend", "tiles, threads, kernels",
         30, 246, 220, 74),
    Room("cpp/src/metal", "backend", "Metal backend", "Apple GPUs",
         270, 246, 150, 74),
    Room("cpp/src/cuda", "backend", "CUDA backend", "NVIDIA GPUs",
         440, 246, 150, 74),
    Room("cpp/src/gpu", "backend", "GPU base", "from a plan to kernel launches",
         270, 354, 320, 74),
    Room("cpp/src/host", "floor", "Host",
         "queues, threads, copies, memory", 180, 462, 240, 74),
    Room("cpp/src/monoid", "kernel", "Monoids", "arithmetic",
         30, 570, 240, 74),
    Room("metal", "kernel", "GPU kernels", "for all GPUs", 440, 462, 150, 74),
    Room("cpp/src/core", "floor", "Core",
         "the backend interface, plans, storage, events, dtypes",
         30, 678, 560, 74),
    Room("cpp/include/upsweep", "face", "C++", "",
         630, 30, 170, 722),
]  # fmt: skip
RANK = {room.folder: rank for rank, room in enumerate(ROOMS)}
# Every room includes the public headers; their arrows would hide the others.
PUBLIC = "cpp/include/upsweep"
CLIENTS = {"python/src"}
# Only this file knows which backends there are.
REGISTRY = "cpp/src/backend.cpp"
BACKENDS = {"cpp/src/cpu", "cpp/src/gpu", "cpp/src/metal", "cpp/src/cuda"}
# Backends that must not include each other.
UNRELATED = [
    {"cpp/src/cpu", "cpp/src/gpu"},
    {"cpp/src/cpu", "cpp/src/metal"},
    {"cpp/src/cpu", "cpp/src/cuda"},
    {"cpp/src/metal", "cpp/src/cuda"},
]

INCLUDE_PATHS = [ROOT / p for p in ("cpp/include", "metal", "tests/emulator")]
SOURCES = {".h", ".cpp", ".metal", ".def", ".in"}
# Product code: tests/ may include it, but it must not include tests/.
PRODUCT = ("cpp", "metal", "python")


def includes(path):
    """The files of the repository that a source includes, relative to itself or to an
    include path of the build."""
    for name in re.findall(
        r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE
    ):
        for folder in (path.parent, *INCLUDE_PATHS):
            found = (folder / name).resolve()
            if found.is_file():
                yield found.relative_to(ROOT)
                break


def sources():
    for top in PRODUCT:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                yield path


def room_of(path):
    folder = path.parent.as_posix()
    return folder if folder in RANK else None


def arrows_and_errors():
    """The pairs of rooms of which the first includes the second, and violations of the
    rules."""
    arrows, errors = set(), []
    for path in sources():
        file = path.relative_to(ROOT)
        here = room_of(file)
        if here is None and path.suffix in (".h", ".cpp", ".metal"):
            errors.append(f"{file} is in no room of docs/draw_rooms.py")
        for target in includes(path):
            there = room_of(target)
            if target.parts[0] == "tests":
                errors.append(f"{file} includes {target}")
            if here is None or there is None or here == there:
                continue
            arrows.add((here, there))
            if RANK[there] < RANK[here]:
                errors.append(f"{file} includes {target}, which lies above it")
            if {here, there} in UNRELATED:
                errors.append(f"{file} includes {target} of another backend")
            if here in CLIENTS and there != PUBLIC:
                errors.append(f"{file} includes {target}, which is private")
            if here == "cpp/src" and there in BACKENDS and file.as_posix() != REGISTRY:
                errors.append(f"{file} includes {target}: only {REGISTRY} may")
    return arrows, errors


def build_errors():
    """Build files of the product that use files of the tests."""
    for top in PRODUCT:
        for path in sorted((ROOT / top).rglob("*")):
            if path.name != "CMakeLists.txt" and path.suffix != ".cmake":
                continue
            added = re.findall(
                r"(?:add_subdirectory|configure_file|include)\(\s*\S*tests/\S*",
                path.read_text(),
            )
            for call in added:
                yield f"{path.relative_to(ROOT)}: {call}"


def essential(arrows):
    """The arrows that no chain of other arrows implies."""
    below = {}
    for here, there in arrows:
        below.setdefault(here, set()).add(there)

    def reaches(here, goal):
        return any(
            there == goal or reaches(there, goal) for there in below.get(here, ())
        )

    return sorted(
        (
            (here, there)
            for here, there in arrows
            if not any(
                other != there and reaches(other, there) for other in below[here]
            )
        ),
        key=lambda arrow: (RANK[arrow[0]], RANK[arrow[1]]),
    )


def arrow_x(upper, lower):
    """The place of a vertical arrow from one room to another that crosses no third."""
    pieces = [(max(upper.x, lower.x),
               min(upper.x + upper.width, lower.x + lower.width))]  # fmt: skip
    for room in ROOMS:
        if not upper.y < room.y < lower.y:
            continue
        left, right = room.x - 10, room.x + room.width + 10
        pieces = [
            piece
            for start, end in pieces
            for piece in ((start, min(end, left)), (max(start, right), end))
            if piece[1] - piece[0] > 10
        ]
    if not pieces or pieces[0][1] - pieces[0][0] <= 10:
        raise SystemExit(
            f"There is no space for an arrow from {upper.folder} to "
            f"{lower.folder}: move the rooms in docs/draw_rooms.py."
        )
    start, end = max(pieces, key=lambda piece: piece[1] - piece[0])
    return (start + end) / 2


STYLE = """
  svg { color-scheme: light dark; }
  .paper { fill: #ffffff; }
  .box { stroke-width: 1.25; }
  .face { fill: #e8f0fe; stroke: #6f9be0; }
  .front { fill: #fdf1d7; stroke: #d7a94b; }
  .backend { fill: #e3f4ea; stroke: #63ad80; }
  .kernel { fill: #f3e9fb; stroke: #a983cf; }
  .floor { fill: #eef1f4; stroke: #98a4b1; }
  .title { fill: #1f2933; font-size: 15px; font-weight: 600; }
  .folder { fill: #52606d; font-size: 11.5px;
    font-family: ui-monospace, Menlo, 'DejaVu Sans Mono', monospace; }
  .note { fill: #3e4c59; font-size: 12.5px; }
  .arrow { stroke: #7b8794; stroke-width: 1.6; }
  .head { fill: #7b8794; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #16191d; }
    .face { fill: #1c2b45; stroke: #5b86c9; }
    .front { fill: #3a2f17; stroke: #b98f3c; }
    .backend { fill: #18342a; stroke: #4f9670; }
    .kernel { fill: #2f2240; stroke: #8f6bb5; }
    .floor { fill: #262b31; stroke: #6c7884; }
    .title { fill: #f0f3f6; }
    .folder { fill: #aeb8c2; }
    .note { fill: #d0d7de; }
    .arrow { stroke: #96a1ac; }
    .head { fill: #96a1ac; }
  }
"""


def text(kind, x, y, words):
    if not words:
        return ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def draw(arrows):
    width, height = 830, 820
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        "font-family=\"system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', "
        'sans-serif">',
        "<title>The rooms of the code, and which includes which</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>',
    ]
    rooms = {room.folder: room for room in ROOMS}
    for room in ROOMS:
        parts.append(
            f'<rect class="box {room.kind}" x="{room.x}" y="{room.y}" '
            f'width="{room.width}" height="{room.height}" rx="8"/>'
        )
        left, top = room.x + 16, room.y
        parts.append(text("title", left, top + 25, room.title))
        parts.append(text("folder", left, top + 43, room.folder))
        parts.append(text("note", left, top + 62, room.note))
    public = rooms[PUBLIC]
    for line, words in enumerate(
        ["all that applications", "may include", "", "Every room includes",
         "these headers."]
    ):  # fmt: skip
        parts.append(text("note", public.x + 16, public.y + 72 + 18 * line, words))
    for here, there in essential(
        {a for a in arrows if a[1] != PUBLIC or a[0] in CLIENTS}
    ):
        upper, lower = rooms[here], rooms[there]
        if there == PUBLIC:
            x, y = lower.x, upper.y + upper.height / 2
            parts.append(
                f'<path class="arrow" d="M{upper.x + upper.width} {y:g}H{x - 9}"/>'
                f'<path class="head" d="M{x - 1} {y:g}l-10 -5v10z"/>'
            )
            continue
        x, y = arrow_x(upper, lower), lower.y
        parts.append(
            f'<path class="arrow" d="M{x:g} {upper.y + upper.height}V{y - 9}"/>'
            f'<path class="head" d="M{x:g} {y - 1}l-5 -10h10z"/>'
        )
    parts.append(
        text("note", 30, 786, "An arrow says that one room includes another. "
             "Arrows that a chain of others implies are left out,")
    )  # fmt: skip
    parts.append(
        text("note", 30, 804, "as are those to the public headers from rooms of "
             "the core library.")
    )  # fmt: skip
    parts.append("</svg>")
    return "\n".join(part for part in parts if part) + "\n"


def main(arguments):
    arrows, errors = arrows_and_errors()
    errors += build_errors()
    if errors:
        sys.exit("\n".join(errors))
    drawing = draw(arrows)
    if arguments == ["--check"]:
        if not DRAWING.exists() or DRAWING.read_text() != drawing:
            sys.exit(f"{DRAWING} is stale: run python docs/draw_rooms.py")
    elif arguments:
        sys.exit(__doc__)
    else:
        DRAWING.write_text(drawing)


if __name__ == "__main__":
    main(sys.argv[1:])
