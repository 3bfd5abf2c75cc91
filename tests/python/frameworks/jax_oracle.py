"""Exact derivatives of scans of one line, from the definitions, as fractions.

Element j of a result has factors (or terms) 0 to j, or to j - 1 if it is exclusive,
from the last place on where a segment starts. With reverse, all is in scan order."""

from fractions import Fraction
from math import prod

import mpmath
import numpy as np


def members(n, inclusive, reset=None):
    """Which elements count in each result."""
    start, all_members = 0, []
    for j in range(n):
        if reset is not None and reset[j]:
            start = j
        all_members.append(range(start, j + inclusive))
    return all_members


def fractions(x):
    return [Fraction(float(each)) for each in x]


def product_without(x, own, *others):
    return prod((x[i] for i in own if i not in others), start=Fraction(1))


def product_jacobian(x, own):
    """d result j / d x[k], and the sum of the magnitudes, which is the same here."""
    n = len(x)
    return [
        [
            product_without(x, own[j], k) if k in own[j] else Fraction(0)
            for k in range(n)
        ]
        for j in range(n)
    ]


def product_hessian(x, own, weights):
    """The second derivatives of the sum of weights[j] times result j."""
    n = len(x)
    return [
        [
            sum(
                (
                    weights[j] * product_without(x, own[j], k, m)
                    for j in range(n)
                    if k != m and k in own[j] and m in own[j]
                ),
                start=Fraction(0),
            )
            for m in range(n)
        ]
        for k in range(n)
    ]


def sum_jacobian(x, own):
    return [[Fraction(k in own[j]) for k in range(len(x))] for j in range(len(x))]


def extremum_jacobian(x, own, best):
    """1 for the first of the largest (or smallest) members."""
    rows = []
    for members_of in own:
        row = [Fraction(0)] * len(x)
        if members_of:
            row[
                min(k for k in members_of if x[k] == best(x[i] for i in members_of))
            ] += 1
        rows.append(row)
    return rows


def logaddexp_jacobian(x, own):
    """The shares of the members in the sum of exponentials."""
    with mpmath.workdps(50):
        rows = []
        for members_of in own:
            weights = {i: mpmath.exp(mpmath.mpf(float(x[i]))) for i in members_of}
            whole = sum(weights.values())
            rows.append(
                [weights[k] / whole if k in weights else 0 for k in range(len(x))]
            )
        return rows


def recurrence(a, b, initial, inclusive, reset=None):
    """The results, and their derivatives in a, b and initial."""
    n = len(a)
    h, da, db = initial, [Fraction(0)] * n, [Fraction(0)] * n
    di, results, jacobians = Fraction(1), [], ([], [], [])

    def note():
        results.append(h)
        for rows, row in zip(jacobians, (list(da), list(db), di), strict=True):
            rows.append(row)

    for k in range(n):
        if reset is not None and reset[k]:
            h, da, db, di = (
                Fraction(0),
                [Fraction(0)] * n,
                [Fraction(0)] * n,
                Fraction(0),
            )
        if not inclusive:
            note()
        da = [a[k] * each for each in da]
        da[k] += h
        db = [a[k] * each for each in db]
        db[k] += 1
        di *= a[k]
        h = a[k] * h + b[k]
        if inclusive:
            note()
    return results, *jacobians


def rounded(rows):
    """As float64: what is out of its range is infinite."""

    def one(value):
        try:
            return float(value)
        except OverflowError:
            return np.inf if value > 0 else -np.inf

    return np.array([[one(each) for each in row] for row in rows])
