"""Gradients of volume rendering, in float16: a lamp behind fog, and a wall behind mist.

What a sample of a ray lets through is x = exp(-density * step), the light that reaches
it is the exclusive cumulative product of x, and training needs the gradient of the
ray's colour. Where the light fades out of the range of float16, the gradient of a
bright lamp does not; in a wall, x is nearly or exactly 0. The reference is the sum of
the definition, in fractions. Needs PyTorch: `pip install upsweep[torch]`.
"""

import argparse
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import upsweep.torch

SAMPLES = 96
LAMP = 30_000
SMALLEST = 2.0**-24  # of float16


def mist_and_wall(samples=SAMPLES):
    """What each sample of a mist and of a wall behind it lets through."""
    depth = np.linspace(0, 1, samples)
    mist = 3 * np.exp(-(((depth - 0.3) / 0.1) ** 2))
    wall = 2000 / (1 + np.exp(-(depth - 0.7) / 0.015))
    return torch.from_numpy(np.exp(-(mist + wall) / samples)).to(torch.float16)


def by_torch(x):
    """The light that reaches each sample."""
    return torch.cat([x.new_ones(1), torch.cumprod(x, 0)[:-1]])


def by_upsweep(x):
    return upsweep.torch.cumprod(x, 0, inclusive=False)


def gradient(light, x, weights):
    """Of the colour, the sum of weights times light, with respect to x."""
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(light(x), x, weights)[0]


def exact_gradient(x, weights):
    """The same in fractions: the light before a sample times what comes from behind."""
    x, weights = ([Fraction(float(v)) for v in values] for values in (x, weights))
    behind, results = Fraction(0), []
    for factor, weight in zip(reversed(x), reversed(weights), strict=True):
        results.append(behind)
        behind = weight + factor * behind
    light = Fraction(1)
    for k, factor in enumerate(x):
        results[-1 - k] *= light
        light *= factor
    return results[::-1]


def gradients_of_lamp(thickness, samples=32):
    """By the first sample of a fog: exact, by torch and by upsweep."""
    x = torch.full((samples,), np.exp(-thickness / samples), dtype=torch.float16)
    weights = torch.zeros_like(x)
    weights[-1] = LAMP
    found = [gradient(light, x, weights)[0] for light in (by_torch, by_upsweep)]
    return exact_gradient(x, weights)[0], *found


def wrong(found, exact):
    """How many are off by more than 1 %, unless float16 cannot hold them."""
    return sum(
        abs(Fraction(float(g)) - right) > max(abs(right) / 100, SMALLEST / 2)
        for g, right in zip(found, exact, strict=True)
    )


def seconds_of_second_derivative(light, count):
    """Of a longer ray with one opaque sample."""
    x = torch.linspace(0.999, 1, count)
    x[count // 2] = 0
    x.requires_grad_(True)
    start = time.perf_counter()
    (first,) = torch.autograd.grad(light(x).sum(), x, create_graph=True)
    torch.autograd.grad(first.square().sum(), x)
    return time.perf_counter() - start


INKS = [("exact", "#c9c3b5", 7), ("torch.cumprod", "#e0663c", 2),
        ("upsweep.torch.cumprod", "#3a86c8", 2)]  # fmt: skip


def draw_panel(left, title, below, lines, low, high, width=380, height=250, top=70):
    """Magnitudes on a logarithmic scale from 10**low to 10**high, as SVG elements."""

    def y_of(value):
        level = np.log10(max(abs(float(value)), 1e-30))
        return top + height * (high - max(level, low)) / (high - low)

    parts = [f'<text x="{left}" y="48" font-size="14">{title}</text>']
    for level in range(low, high + 1):
        y = y_of(10.0**level)
        parts.append(
            f'<path d="M{left} {y:.1f}h{width}" stroke="#e8e4da"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">1e{level}</text>'
        )
    for row, ((name, ink, thickness), values) in enumerate(
        zip(INKS, lines, strict=True)
    ):
        points = " ".join(
            f"{left + width * k / (len(values) - 1):.1f},{y_of(v):.1f}"
            for k, v in enumerate(values)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{ink}" '
            f'stroke-width="{thickness}" stroke-linejoin="round"/>'
            f'<text x="{left + 14}" y="{top + height - 60 + 18 * row}" '
            f'fill="{ink}">{name}</text>'
        )
    parts.append(
        f'<text x="{left + width}" y="{top + height + 24}" text-anchor="end">'
        f"{below}</text>"
    )
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="ray_gradients.svg")
    args = parser.parse_args()

    x = mist_and_wall()
    weights = (1 - x) * torch.linspace(1, 0.2, len(x), dtype=torch.float16)
    ray = [exact_gradient(x, weights)]
    ray += [gradient(light, x, weights) for light in (by_torch, by_upsweep)]
    thicknesses = np.linspace(4, 20, 120)
    lamp = list(zip(*map(gradients_of_lamp, thicknesses), strict=True))
    for of, (exact, *found) in (("wall behind mist", ray), ("lamp behind fog", lamp)):
        for (name, *_), values in zip(INKS[1:], found, strict=True):
            bad = wrong(values, exact)
            print(f"{of}: {name}: {bad} of {len(exact)} gradients off by more than 1 %")
    for light, (name, *_) in zip((by_torch, by_upsweep), INKS[1:], strict=True):
        took = seconds_of_second_derivative(light, 1 << 12)
        print(f"{name}: second derivatives of 4096 samples in {took * 1e3:.1f} ms")
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 370" '
        'font-family="sans-serif" font-size="12" fill="#555">',
        '<rect width="920" height="370" rx="8" fill="#fdfcf9"/>',
        *draw_panel(50, "A lamp behind fog, in float16: gradient by the fog",
                    "thicker fog, from exp(-4) to exp(-20)", lamp, -5, 3),
        *draw_panel(500, "A wall behind mist: gradient by each sample",
                    "samples along the ray", ray, -8, 0),
    ]  # fmt: skip
    args.out.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
