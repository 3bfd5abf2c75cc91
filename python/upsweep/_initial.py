"""Numbers that scans of other libraries' arrays start with, where those libraries would
convert what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np

import upsweep


def check(name: str, initial: Any, dtype: upsweep.Dtype, own: type) -> None:
    """Raises upsweep's own errors for a number, or a list with one, that does not fit.

    Args:
        name: The function that is called.
        initial: What it was called with, which may be anything.
        dtype: The dtype of its result.
        own: The type of the library's arrays, which are not looked at.
    """
    if isinstance(initial, (list, tuple)):
        for each in initial:
            check(name, each, dtype, own)
    elif is_number(initial, own):
        one, cpu = upsweep.zeros(1, dtype), upsweep.Device(upsweep.cpu)
        if name == "scan":
            upsweep.scan(one, "max", 0, initial=initial, stream=cpu)
        else:
            upsweep.linear_recurrence(one, one, 0, initial=initial, stream=cpu)


def is_number(value: Any, own: type) -> bool:
    """Whether it is neither an array of the library nor one with axes."""
    return not isinstance(value, (own, list, tuple)) and np.ndim(value) == 0
