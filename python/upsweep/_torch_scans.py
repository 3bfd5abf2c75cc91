"""upsweep's scans as operators of PyTorch, of arguments that fit."""

from __future__ import annotations

from torch import Tensor

from upsweep import _core
from upsweep._torch_memory import plain
from upsweep._torch_primitive import Primitive

__all__ = ["NAMES", "linear_recurrence", "optional", "scan"]

# The functions of the operators.
NAMES = {
    "prod": "cumprod",
    "sum": "cumsum",
    "max": "cummax",
    "min": "cummin",
    "logaddexp": "logcumsumexp",
}


def optional(tensor: Tensor | None) -> Tensor | None:
    """A tensor for upsweep, if there is one."""
    return None if tensor is None else plain(tensor)


def _scan(
    x: Tensor,
    op: str,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    start, mask = optional(initial), optional(reset)
    return _core.scan_tensors(plain(x), op, dim, reverse, inclusive, start, mask)


def _linear_recurrence(
    a: Tensor,
    b: Tensor,
    dim: int,
    reverse: bool,
    inclusive: bool,
    initial: Tensor | None,
    reset: Tensor | None,
) -> Tensor:
    start, mask = optional(initial), optional(reset)
    return _core.recurrence_tensors(
        plain(a), plain(b), dim, reverse, inclusive, start, mask
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
