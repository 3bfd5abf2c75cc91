"""The DDPM noise schedule: cumulative products of 1 - beta, written as CSV.

A diffusion model adds noise in 1000 steps. Step t keeps the share
alpha_t = 1 - beta_t of the signal, so what is left of it after t steps is a
cumulative product. The model wants that product after each step, and also
before it, which is the exclusive scan: no ones to prepend, nothing to cut off.
"""

import argparse
from pathlib import Path

import numpy as np
import upsweep


def ddpm_schedule(steps=1000, first=1e-4, last=0.02, dtype=np.float32):
    """The columns of the published linear schedule, by name."""
    betas = np.linspace(first, last, steps, dtype=dtype)
    alphas = 1 - betas
    after = np.asarray(upsweep.cumprod(alphas))
    before = np.asarray(upsweep.cumprod(alphas, inclusive=False))
    return {
        "beta": betas,
        "alphas_cumprod": after,
        "alphas_cumprod_prev": before,
        "posterior_variance": betas * (1 - before) / (1 - after),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="noise_schedule.csv")
    out = parser.parse_args().out

    columns = ddpm_schedule()
    np.savetxt(
        out,
        np.column_stack(list(columns.values())),
        fmt="%.9g",
        delimiter=",",
        header=",".join(columns),
        comments="",
    )

    kept = columns["alphas_cumprod"]
    for t in (0, 249, 499, 749, 999):
        bar = "#" * round(40 * float(kept[t]))
        print(f"step {t + 1:4d}  signal kept {kept[t]:.4e}  {bar}")

    # The same float32 factors with every product in float64: the float32 scan
    # loses nothing on the way, so there is no need to scan in float64.
    exact = np.cumprod((1 - columns["beta"]).astype(np.float64))
    ulps = np.abs(kept - exact) / np.spacing(kept)
    print(f"largest error of the float32 scan: {ulps.max():.2f} ulp")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
