"""upsweep's scans as operators of PyTorch, of arguments that fit."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from upsweep import _core
from upsweep._torch_memory import run, to_array
from upsweep._torch_primitive import Primitive

__all__ = ["FUNCTIONS", "linear_recurrence", "scan"]

# The functions without options, which take less time.
FUNCTIONS = {
    "prod": _core.cumprod,
    "sum": _core.cumsum,
    "max": _core.cummax,
    "min": _core.cummin,
    "logaddexp": _core.logcumsumexp,
}


def _optional(tensor: Tensor | None) -> Any:
    return None if tensor is None else to_array(tensor)


def _scan(
    x: Tensor,
    op: str,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    if initial is None and reset is None:
        return run(FUNCTIONS[op], x, dim, reverse=reverse, inclusive=inclusive)
    return run(
        _core.scan,
        x,
        op,
        dim,
        reverse=reverse,
        inclusive=inclusive,
        initial=_optional(initial),
        reset=_optional(reset),
    )


def _linear_recurrence(
    a: Tensor,
    b: Tensor,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    return run(
        _core.linear_recurrence,
        a,
        to_array(b),
        dim,
        reverse=reverse,
        inclusive=inclusive,
        initial=_optional(initial),
        reset=_optional(reset),
    )


# x has the dtype of the result. initial is of that dtype and of the shape of x without
# the axis, and reset is a mask of the shape of x.
scan = Primitive(
    "scan(Tensor x, str op, int dim, bool reverse, bool inclusive, "
    "Tensor? initial, Tensor? reset)",
    _scan,
)

# a and b have the shape of the result.
linear_recurrence = Primitive(
    "linear_recurrence(Tensor a, Tensor b, int dim, bool reverse, bool inclusive, "
    "Tensor? initial, Tensor? reset)",
    _linear_recurrence,
)
