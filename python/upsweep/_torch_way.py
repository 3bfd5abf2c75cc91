"""How a scan goes over its elements, and scans that go the same way or back."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from upsweep._torch_scans import linear_recurrence, scan

__all__ = ["Way", "wide"]


class Way(NamedTuple):
    """How a scan goes over its elements."""

    dim: int
    reverse: bool
    inclusive: bool
    reset: Tensor | None = None

    def next(self, x: Tensor, last: float = 0) -> Tensor:
        """x[k + 1] at k, in scan order."""
        return _shifted(x, self.dim, not self.reverse, last)

    def previous(self, x: Tensor, first: float = 0) -> Tensor:
        """x[k - 1] at k, in scan order."""
        return _shifted(x, self.dim, self.reverse, first)

    def before(self, start: Tensor | None, x: Tensor) -> Tensor:
        """x after one more element, in scan order; 0 if start is None."""
        if start is None:
            start = x.new_zeros(()).expand(_without(x.shape, self.dim))
        one = start.unsqueeze(self.dim)
        return torch.cat((x, one) if self.reverse else (one, x), self.dim)

    def first(self, x: Tensor) -> Tensor:
        """The first element in scan order."""
        return x.select(self.dim, -1 if self.reverse else 0)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first element, and the others."""
        n = x.shape[self.dim] - 1
        return self.first(x), x.narrow(self.dim, 0 if self.reverse else 1, n)

    def where_segments_go_on(self, x: Tensor) -> Tensor:
        """x, and 0 where a segment starts."""
        return x if self.reset is None else x.masked_fill(self.reset, 0)

    @property
    def ends(self) -> Tensor | None:
        """Where segments start in the other direction."""
        return None if self.reset is None else self.next(self.reset)

    def scan(self, x: Tensor, op: str) -> Tensor:
        """The scan."""
        return scan(x, op, self.dim, self.reverse, self.inclusive, None, self.reset)

    def exclusive(self, x: Tensor, op: str) -> Tensor:
        """The exclusive scan."""
        return scan(x, op, self.dim, self.reverse, False, None, self.reset)

    def recurrence(self, a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
        """The recurrence."""
        return linear_recurrence(
            a, b, self.dim, self.reverse, self.inclusive, initial, self.reset
        )

    def states(self, a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
        """h[k - 1] at k."""
        return linear_recurrence(
            a, b, self.dim, self.reverse, False, initial, self.reset
        )

    def adjoint(self, a: Tensor, c: Tensor) -> Tensor:
        """The gradient of b[k] in the recurrence with factors a."""
        if self.inclusive:
            a = self.next(a)
        back = not self.reverse
        return linear_recurrence(a, c, self.dim, back, self.inclusive, None, self.ends)

    def of_inclusive(self, c: Tensor) -> Tensor:
        """The gradient of the inclusive results."""
        return c if self.inclusive else self.next(self.where_segments_go_on(c))

    def from_inclusive(self, y: Tensor) -> Tensor:
        """The results from the inclusive ones, starting with 0."""
        return y if self.inclusive else self.where_segments_go_on(self.previous(y))


def _without(shape: torch.Size, dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *shape[dim + 1 :])


def _shifted(x: Tensor, dim: int, up: bool, fill: float) -> Tensor:
    """x[k + 1] at k, or x[k - 1]."""
    n = x.shape[dim]
    if n == 0:
        return x
    rest = x.narrow(dim, 0 if not up else 1, n - 1)
    edge = torch.full_like(x.narrow(dim, 0, 1), fill)
    return torch.cat((rest, edge) if up else (edge, rest), dim)


def wide(*tensors: Any) -> tuple[Any, ...]:
    """For what is rounded between two scans: wider, as far as upsweep scans it there.
    GPUs have no float64. What is None stays so."""
    return tuple(each if each is None else each.to(_wider(each)) for each in tensors)


def _wider(tensor: Tensor) -> torch.dtype:
    if tensor.is_complex() or tensor.dtype == torch.float64:
        return tensor.dtype
    return torch.float64 if tensor.device.type == "cpu" else torch.float32
