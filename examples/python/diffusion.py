"""A diffusion schedule in float16: where the running product loses it.

What a diffusion model keeps of a picture after step t, alpha-bar, is the cumulative
product of 1 - beta. With 4000 steps of the cosine schedule the factors are close to 1,
and a product that is rounded to float16 after each step falls in steps of equal size.
"""

import argparse
from pathlib import Path

import numpy as np
import upsweep


def cosine_betas(steps, offset=0.008, largest=0.999):
    """The noise that each step of the published cosine schedule adds."""
    t = np.arange(steps + 1) / steps
    kept = np.cos((t + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.minimum(1 - kept[1:] / kept[:-1], largest)


def alpha_bars(betas):
    """The cumulative product of 1 - beta in float16, by upsweep and by a loop, and in
    float64: of the same factors, and of factors that are not rounded to float16."""
    alphas = (1 - betas).astype(np.float16)
    return {
        "upsweep": np.asarray(upsweep.cumprod(alphas)),
        "float16 loop": np.cumprod(alphas),
        "float64": np.cumprod(alphas.astype(np.float64)),
        "schedule": np.cumprod(1 - betas),
    }


def ulps(found, right):
    """Errors in units of the last place of float16."""
    return np.abs(found - right) / np.spacing(right.astype(np.float16))


def write_picture(path, curves, width=720, height=400, margin=48):
    """Draws the two float16 products as an SVG file, over that in float64, and the
    schedule before its factors were rounded."""
    right, bottom = width - margin / 2, height - margin
    steps = len(curves["float64"])

    def line(name, ink, thickness):
        points = " ".join(
            f"{margin + (right - margin) * step / (steps - 1):.1f},"
            f"{bottom + (margin - bottom) * float(curves[name][step]):.1f}"
            for step in range(0, steps, max(1, steps // 400))
        )
        return (
            f'<polyline points="{points}" fill="none" stroke="{ink}" '
            f'stroke-width="{thickness}" stroke-linejoin="round"{dashes(name)}/>'
        )

    def dashes(name):
        return ' stroke-dasharray="2 4"' if name == "schedule" else ""

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
        f'{height}" font-family="sans-serif" font-size="12" fill="#555">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#fdfcf9"/>',
        f'<text x="{margin}" y="28" font-size="14">Share of the signal after each of '
        f"{steps} steps, from the same float16 factors</text>",
    ]
    for value in (0, 0.25, 0.5, 0.75, 1):
        y = bottom + (margin - bottom) * value
        parts.append(
            f'<path d="M{margin} {y:.1f}H{right}" stroke="#e3dfd5"/>'
            f'<text x="{margin - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    legend = [
        ("float64", "#cfc9bb", 6),
        ("float16 loop", "#e0663c", 1.5),
        ("upsweep", "#3a86c8", 1.5),
        ("schedule", "#555", 1),
    ]
    for number, (name, ink, thickness) in enumerate(legend):
        y = margin + 24 + 20 * number
        parts += [
            line(name, ink, thickness),
            f'<path d="M{right - 130} {y}h24" stroke="{ink}" '
            f'stroke-width="{thickness}"{dashes(name)}/>'
            f'<text x="{right - 98}" y="{y + 4}">{name}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="diffusion.svg")
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args()

    curves = alpha_bars(cosine_betas(args.steps))
    print("  step   float64   upsweep  float16 loop")
    for step in range(args.steps // 8, args.steps, args.steps // 8):
        exact, ours, loop = (
            curves[name][step] for name in ("float64", "upsweep", "float16 loop")
        )
        print(f"{step:6}  {exact:8.5f}  {ours:8.5f}  {loop:8.5f}")
    for name in ("upsweep", "float16 loop"):
        worst = ulps(curves[name], curves["float64"]).max()
        print(f"largest error of {name}: {worst:.2f} ulp")
    # No scan can mend what the factors have lost before it.
    moved = np.abs(curves["float64"] - curves["schedule"]).max()
    print(f"rounding the factors to float16 moves the schedule by up to {moved:.3f}")
    write_picture(args.out, curves)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
