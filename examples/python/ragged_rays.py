"""Light along rays of different lengths, which lie in one flat array.

A lamp shines from a corner into a square room with three clouds. A ray has a sample for
each small step until it meets a wall, so rays differ in their numbers of samples. A
table of them would need padding; here each ray is a segment of one array, and `offsets`
says where it starts. The light that reaches a sample is the product of what the samples
before it on its ray let through: an exclusive product with a reset at each ray.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import upsweep

# The room reaches from the lamp at (0, 0) to (1, 1).
STEP = np.float32(0.01)
# One row per cloud: its centre, its radius and how dense it is.
CLOUDS = np.array(
    [[0.45, 0.2, 0.09, 5], [0.28, 0.42, 0.06, 16], [0.68, 0.66, 0.12, 9]], np.float32
)
LEVELS = 16  # shades in the picture


def march(rays):
    """Sends rays from the lamp in all directions into the room.

    Returns their directions, (rays, 2), the offsets of their first samples, with the
    number of samples at the end, and the density at each sample.
    """
    angle = np.pi / 2 * (np.arange(rays, dtype=np.float32) + np.float32(0.5)) / rays
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    wall = 1 / direction.max(axis=1)
    counts = np.ceil(wall / STEP).astype(np.int64)
    offsets = np.asarray(upsweep.cumulative_sum(counts, include_initial=True))

    ray = np.repeat(np.arange(rays), counts)
    step = np.arange(offsets[-1]) - offsets[ray]
    depth = (step.astype(np.float32) + np.float32(0.5)) * STEP
    place = depth[:, None] * direction[ray]
    density = np.zeros_like(depth)
    for x, y, radius, dense in CLOUDS:
        square = ((place - np.array([x, y], np.float32)) ** 2).sum(axis=1)
        density += dense * np.exp(-square / radius**2)
    return direction, offsets, density


def transmittance(density, offsets):
    """The share of the light that reaches each sample, and that reaches each wall."""
    clear = np.exp(-density * STEP)
    reaching = np.asarray(upsweep.scan(clear, "prod", reset=offsets, inclusive=False))
    last = offsets[1:] - 1
    return reaching, reaching[last] * clear[last]


def write_picture(path, direction, offsets, reaching, size=480):
    """Draws the light in the room as an SVG file, with a path for each shade."""
    half = np.pi / 4 / len(direction)
    turn = np.array(
        [[np.cos(half), np.sin(half)], [-np.sin(half), np.cos(half)]], np.float32
    )
    edges = direction @ turn, direction @ turn.T
    quads: list[list[str]] = [[] for _ in range(LEVELS)]
    for ray, (first, end) in enumerate(pairwise(offsets)):
        level = np.minimum(reaching[first:end] * LEVELS, LEVELS - 1).astype(int)
        changes = np.flatnonzero(np.diff(level)) + 1
        for start, stop in zip([0, *changes], [*changes, len(level)], strict=True):
            corners = [
                edge[ray] * STEP * at
                for edge, at in zip(
                    (*edges, *edges[::-1]), (start, start, stop, stop), strict=True
                )
            ]
            points = " ".join(
                f"{size * x:.0f} {size * (1 - y):.0f}" for x, y in corners
            )
            quads[level[start]].append(f"M{points}Z")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">',
        f'<rect width="{size}" height="{size}" fill="#16213a"/>',
    ]
    for level, shapes in enumerate(quads):
        share = (level + 0.5) / LEVELS
        ink = "#" + "".join(
            f"{round(dark + share * (light - dark)):02x}"
            for dark, light in zip((22, 33, 58), (255, 236, 179), strict=True)
        )
        parts.append(f'<path fill="{ink}" stroke="{ink}" d="{"".join(shapes)}"/>')
    path.write_text("\n".join([*parts, "</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="rays.svg")
    parser.add_argument("--rays", type=int, default=180)
    args = parser.parse_args()

    direction, offsets, density = march(args.rays)
    reaching, at_wall = transmittance(density, offsets)
    counts = np.diff(offsets)
    print("  ray  samples  light at the wall")
    for ray in range(0, args.rays, max(1, args.rays // 12)):
        bar = "#" * round(40 * float(at_wall[ray]))
        print(f"{ray:5}  {counts[ray]:7}  {at_wall[ray]:.3f} {bar}")
    padded = args.rays * counts.max()
    print(f"{offsets[-1]:,} samples; a padded table would have {padded:,}")
    write_picture(args.out, direction, offsets, reaching)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
