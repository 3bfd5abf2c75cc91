"""Scans by their definitions in fractions, and their derivatives.

Products, sums and linear recurrences are linear in each input. So a derivative
is the difference of two values: f where the input is 1, less f where it is 0.
"""

from fractions import Fraction


def fractions(values):
    """The numbers of a list, as they are."""
    return [Fraction(value) for value in values]


def product(x, *, reset=None, start=1, **how):
    return recurrence(x, [0] * len(x), start=start, reset=reset, restart=1, **how)


def total(x, *, reset=None, start=0, **how):
    return recurrence([1] * len(x), x, start=start, reset=reset, **how)


def recurrence(a, b, *, start=0, restart=0, reverse=False, inclusive=True, reset=None):
    """h[k] = a[k] h[k-1] + b[k], where h[k-1] is restart at a reset."""
    turn = -1 if reverse else 1
    reset = reset or [False] * len(a)
    h, results = Fraction(start), []
    for factor, term, is_first in zip(a[::turn], b[::turn], reset[::turn], strict=True):
        before = Fraction(restart) if is_first else h
        h = factor * before + term
        results.append(h if inclusive else before)
    return results[::turn]


def winners(x, op, *, reverse=False, inclusive=True, reset=None):
    """Which element each cumulative maximum or minimum is; None for none."""
    turn = -1 if reverse else 1
    reset = reset or [False] * len(x)
    best, results = None, []
    for k in range(len(x))[::turn]:
        before = None if reset[k] else best
        is_new = before is None or (
            x[k] > x[before] if op == "max" else x[k] < x[before]
        )
        best = k if is_new else before
        results.append(best if inclusive else before)
    return results[::turn]


def dot(weights, values):
    return sum(w * v for w, v in zip(weights, values, strict=True))


def gradient(f, x):
    """The derivatives of f, which is linear in each element of the list x."""
    return [
        f([*x[:k], Fraction(1), *x[k + 1 :]]) - f([*x[:k], Fraction(0), *x[k + 1 :]])
        for k in range(len(x))
    ]


def along(f, direction):
    """The derivative of f in a direction, as a function of x, linear in each x."""
    return lambda x: dot(direction, gradient(f, x))
