"""Compounding daily returns: a (days, assets) table scanned along axis 0.

What one unit of money has become after each day is the cumulative product of
1 + return down each column; the deepest fall from a peak takes a cumulative
maximum of that; and the growth still to come at each day is the product in
reverse. The returns are synthetic: a seeded random walk, no market's history.
"""

import argparse
from pathlib import Path

import numpy as np
import upsweep

# Yearly drift and volatility of the synthetic assets, and how to draw them.
ASSETS = {
    "steady": (0.04, 0.05, "#3a86c8"),
    "broad": (0.08, 0.16, "#44aa77"),
    "growth": (0.13, 0.30, "#e0663c"),
    "erratic": (0.10, 0.45, "#9a5bb8"),
}
DAYS_PER_YEAR = 252


def synthetic_returns(years, seed=24):
    """Daily returns, (days, assets), with a common factor, made up."""
    random = np.random.default_rng(seed)
    drift, volatility, _ = zip(*ASSETS.values(), strict=True)
    days = years * DAYS_PER_YEAR
    common = random.standard_normal((days, 1))
    own = random.standard_normal((days, len(ASSETS)))
    noise = 0.6 * common + 0.8 * own
    daily_drift = np.array(drift) / DAYS_PER_YEAR
    daily_volatility = np.array(volatility) / np.sqrt(DAYS_PER_YEAR)
    return np.maximum(daily_drift + daily_volatility * noise, -0.99)


def write_chart(path, wealth, width=720, height=400, margin=48):
    """Draws the columns of wealth on a logarithmic scale as an SVG file."""
    low, high = np.log(wealth.min()), np.log(wealth.max())
    right, bottom = width - 1.6 * margin, height - margin

    def x_of(day):
        return margin + (right - margin) * day / (len(wealth) - 1)

    def y_of(value):
        share = (np.log(value) - low) / (high - low)
        return bottom + (margin - bottom) * share

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
        f'{height}" font-family="sans-serif" font-size="12" fill="#555">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#fdfcf9"/>',
        f'<text x="{margin}" y="28" font-size="14">Growth of 1, '
        "synthetic daily returns, logarithmic scale</text>",
    ]
    for value in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32):
        if wealth.min() <= value <= wealth.max():
            y = y_of(value)
            parts.append(
                f'<path d="M{margin} {y:.1f}H{right}" stroke="#e3dfd5"/>'
                f'<text x="{margin - 8}" y="{y + 4:.1f}" '
                f'text-anchor="end">{value:g}</text>'
            )
    for year in range(0, len(wealth) // DAYS_PER_YEAR + 1, 5):
        x = x_of(min(year * DAYS_PER_YEAR, len(wealth) - 1))
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 20:.0f}" '
            f'text-anchor="middle">year {year}</text>'
        )
    for column, (name, (_, _, ink)) in enumerate(ASSETS.items()):
        line = " ".join(
            f"{x_of(day):.1f},{y_of(wealth[day, column]):.1f}"
            for day in range(0, len(wealth), 5)
        )
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{ink}" '
            f'stroke-width="1.5" stroke-linejoin="round"/>'
            f'<text x="{right + 6:.0f}" y="{y_of(wealth[-1, column]) + 4:.1f}" '
            f'fill="{ink}">{name}</text>'
        )
    path.write_text("\n".join([*parts, "</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="portfolio.svg")
    parser.add_argument("--years", type=int, default=20)
    args = parser.parse_args()

    growth = 1 + synthetic_returns(args.years)
    wealth = upsweep.cumprod(growth, axis=0)
    peak = upsweep.cummax(wealth, axis=0)
    to_come = upsweep.cumprod(growth, axis=0, reverse=True, inclusive=False)
    wealth, peak, to_come = map(np.asarray, (wealth, peak, to_come))
    fall = wealth / peak - 1
    worst = fall.argmin(axis=0)

    print(f"{args.years} years of synthetic daily returns")
    print("asset     1 becomes   a year   deepest fall   and from there on")
    for column, name in enumerate(ASSETS):
        final = wealth[-1, column]
        day = worst[column]
        print(
            f"{name:8}  {final:9.2f}  {final ** (1 / args.years) - 1:7.1%}"
            f"  {fall[day, column]:7.1%} y{day // DAYS_PER_YEAR + 1:<4}"
            f"  x {to_come[day, column]:.2f}"
        )
    write_chart(args.out, wealth)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
