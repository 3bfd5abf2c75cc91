"""Returns and advantages of many environments, as in PPO, without a loop over time.

The return of a step is its reward plus gamma times the return of the next step; the
generalized advantage estimate has the same form. Both are linear recurrences that run
backwards in time, and start anew where an episode ends. The episodes are synthetic: a
small cost for each step, and 1 or -1 at the end.
"""

import argparse
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import upsweep

GAMMA, LAMBDA = 0.97, 0.95


def advantages(rewards, values, done, gamma=GAMMA, lam=LAMBDA):
    """Generalized advantage estimates, (steps, environments).

    values has one row more than rewards, for the state after the last step. Where done
    is true, the episode ends with this step.
    """
    next_values = np.where(done, 0, values[1:])
    surprise = rewards + np.float32(gamma) * next_values - values[:-1]
    estimates = upsweep.linear_recurrence(
        gamma * lam, surprise, axis=0, reverse=True, reset=done
    )
    return np.asarray(estimates)


def returns(rewards, last_values, done, gamma=GAMMA):
    """Discounted sums of the rewards to come in the episode, (steps, environments)."""
    to_come = upsweep.linear_recurrence(
        gamma, rewards, axis=0, reverse=True, reset=done, initial=last_values
    )
    return np.asarray(to_come)


def advantages_by_loop(rewards, values, done, gamma=GAMMA, lam=LAMBDA):
    """The same as it is usually written."""
    result = np.zeros_like(rewards)
    following = np.zeros_like(rewards[0])
    for step in reversed(range(len(rewards))):
        goes_on = 1 - done[step].astype(rewards.dtype)
        surprise = (
            rewards[step]
            + np.float32(gamma) * values[step + 1] * goes_on
            - values[step]
        )
        following = surprise + np.float32(gamma * lam) * goes_on * following
        result[step] = following
    return result


def check_small_case():
    """Compares both with fractions, for numbers that float32 holds exactly."""
    rewards = np.array([[1, 0], [-1, 2], [0, 0.5], [2, -1]], np.float32)
    values = np.array([[0.5, 1], [1, 0], [2, -1], [0, 4], [8, 3]], np.float32)
    done = np.array([[False, True], [True, False], [False, False], [False, True]])
    gamma, lam = Fraction(1, 2), Fraction(1, 4)
    expected = np.zeros((4, 2), object)
    for environment in range(2):
        following = Fraction(0)
        for step in reversed(range(4)):
            goes_on = not done[step, environment]
            surprise = (
                Fraction(float(rewards[step, environment]))
                + gamma * Fraction(float(values[step + 1, environment])) * goes_on
                - Fraction(float(values[step, environment]))
            )
            following = surprise + gamma * lam * goes_on * following
            expected[step, environment] = following
    for function in (advantages, advantages_by_loop):
        found = function(rewards, values, done, float(gamma), float(lam))
        if found.tolist() != expected.tolist():
            raise SystemExit(f"{function.__name__} is wrong: {found}")


def synthetic_episodes(steps, environments, seed=5):
    """Rewards, a critic's values and the ends of episodes of about 80 steps."""
    random = np.random.default_rng(seed)
    done = random.random((steps, environments)) < 1 / 80
    outcome = random.choice(np.array([1, 1, -1], np.float32), (steps, environments))
    rewards = np.where(done, outcome, np.float32(-0.002))
    noise = random.normal(0, 0.05, (steps + 1, environments))
    values = (0.15 + noise).astype(np.float32)
    return rewards, values, done


def seconds(function, *arguments, runs=5):
    """The shortest of some runs, and the result."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times), result


def write_picture(path, to_come, estimates, done, width=720, height=400, margin=48):
    """Draws one environment as an SVG file: returns above, advantages below."""
    panels = [
        ("Return of each step", to_come, "#3a86c8"),
        ("Advantage of each step", estimates, "#e0663c"),
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
        f'{height}" font-family="sans-serif" font-size="12" fill="#555">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#fdfcf9"/>',
    ]
    right, each = width - margin / 2, (height - margin) / 2

    def x_of(step):
        return margin + (right - margin) * step / (len(done) - 1)

    for number, (title, line, ink) in enumerate(panels):
        top = margin * 0.7 + number * each
        bottom = top + each - margin * 0.8
        size = 1.1 * np.abs(line).max()

        def y_of(value, top=top, bottom=bottom, size=size):
            return (top + bottom) / 2 - (bottom - top) / 2 * value / size

        ends = "".join(
            f"M{x_of(s):.1f} {top:.1f}V{bottom:.1f}" for s in np.where(done)[0]
        )
        points = " ".join(f"{x_of(s):.1f},{y_of(v):.1f}" for s, v in enumerate(line))
        parts += [
            f'<path d="{ends}" stroke="#cfc9bb" stroke-dasharray="3 3"/>',
            f'<path d="M{margin} {y_of(0):.1f}H{right}" stroke="#e3dfd5"/>',
            f'<text x="{margin}" y="{top - 8:.0f}" font-size="14">{title}</text>',
            f'<polyline points="{points}" fill="none" stroke="{ink}" '
            'stroke-width="1.5" stroke-linejoin="round"/>',
        ]
        parts += [
            f'<text x="{margin - 8}" y="{y_of(value) + 4:.1f}" '
            f'text-anchor="end">{value}</text>'
            for value in (-1, 0, 1)
            if abs(value) < size
        ]
    parts.append(
        f'<text x="{right}" y="{height - 14}" text-anchor="end">{len(done)} steps of '
        "one environment; dashed: an episode ends</text>"
    )
    path.write_text("\n".join([*parts, "</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="returns.svg")
    parser.add_argument("--steps", type=int, default=2048)
    parser.add_argument("--environments", type=int, default=512)
    args = parser.parse_args()

    check_small_case()
    rewards, values, done = synthetic_episodes(args.steps, args.environments)
    by_scan, estimates = seconds(advantages, rewards, values, done)
    by_loop, looped = seconds(advantages_by_loop, rewards, values, done, runs=2)
    print(f"{args.steps} steps of {args.environments} environments")
    print(f"advantages by a loop over time  {by_loop * 1e3:8.2f} ms")
    print(f"by upsweep.linear_recurrence    {by_scan * 1e3:8.2f} ms")
    difference = np.abs(estimates - looped).max()
    print(f"largest difference {difference:.1e}; both are exact in the small case")

    to_come = returns(rewards, values[-1], done)
    shown = slice(0, min(400, args.steps))
    write_picture(args.out, to_come[shown, 0], estimates[shown, 0], done[shown, 0])
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
