"""Scans of PyTorch's tensors, on the CPU and on NVIDIA GPUs, with gradients.

Tensors go in and out without a copy, in the order of PyTorch's current stream. All
derivatives are there: of any order, backward and forward, by torch.func and in code
that torch.compile compiles. Those of products are right at zeros; the first ones,
without reset, where products leave the range of the dtype too.

>>> import torch
>>> import upsweep.torch
>>> x = torch.tensor([2.0, 0.0, 3.0], requires_grad=True)
>>> upsweep.torch.cumprod(x, 0).sum().backward()
>>> x.grad
tensor([1., 8., 0.])
"""

from __future__ import annotations

from typing import Any, Protocol

try:
    import torch
except ImportError as error:
    raise ImportError(
        "upsweep.torch needs PyTorch: pip install 'upsweep[torch]'", name=error.name
    ) from error
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from upsweep import _core, _torch_scans
from upsweep._torch_arguments import (
    check_flags,
    identity,
    to_axis,
    to_coefficients,
    to_initial,
    to_input,
    to_mask,
)
from upsweep._torch_primitive import is_plain
from upsweep._torch_recorded import recorded

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "linear_recurrence",
    "logcumsumexp",
    "scan",
]


def scan(
    input: Tensor,
    op: str,
    dim: int,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
    dtype: torch.dtype | None = None,
    include_initial: bool = False,
    skipna: bool = False,
) -> Tensor:
    """A scan along an axis, with every option, as :func:`upsweep.scan`.

    Args:
        input: A tensor of any shape and strides, on the CPU or an NVIDIA GPU.
        op: "prod", "sum", "max", "min" or "logaddexp".
        dim: The axis, counted from the end when negative.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result.
        initial: What each line starts with, as if it were an element before the first:
            a number, or a tensor that broadcasts to the shape of input without dim.
            None is the identity.
        reset: Where new segments start, each from the identity: a bool tensor that
            broadcasts to input, True at the first element of a segment in scan order;
            or, for one axis, integer offsets of the segments.
        dtype: The dtype to which input is converted first, and of the result. Without
            it the dtype stays; but sums of bool are int32, and logaddexp of integers is
            float32.
        include_initial: One more element along dim, before the first in scan order:
            what the line starts with.
        skipna: NaN in input counts as the identity, whatever the dtype.

    Returns:
        A new tensor of the shape of input, with one more element along dim if
        include_initial is True.

    Raises:
        IndexError: input has no such axis.
        TypeError: An argument is of the wrong type, dtype, device or layout.
        ValueError: op is unknown, initial or reset does not fit input, or
            include_initial is True and inclusive False.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """
    tensors = tuple(
        each for each in (input, initial, reset) if isinstance(each, Tensor)
    )
    if has_torch_function(tensors):
        return handle_torch_function(
            scan,
            tensors,
            input,
            op,
            dim,
            reverse=reverse,
            inclusive=inclusive,
            initial=initial,
            reset=reset,
            dtype=dtype,
            include_initial=include_initial,
            skipna=skipna,
        )
    check_flags(
        "scan",
        reverse=reverse,
        inclusive=inclusive,
        include_initial=include_initial,
        skipna=skipna,
    )
    if op not in _torch_scans.NAMES:
        names = ", ".join(map(repr, _torch_scans.NAMES))
        raise ValueError(f"[scan] op must be one of {names}, not {op!r}.")
    if include_initial and not inclusive:
        raise ValueError("[scan] include_initial is for inclusive scans.")
    x = to_input("scan", op, input, dtype)
    dim = to_axis("scan", dim, x.shape)
    is_scalar = x.ndim == 0
    if is_scalar:
        x = x.reshape(1)
    if skipna:  # of the numbers before the conversion
        x = x.where(~input.isnan().reshape(x.shape), identity(op, x.dtype))
    if include_initial and initial is None:
        initial = identity(op, x.dtype)
    start = to_initial("scan", initial, x, dim)
    mask = to_mask("scan", reset, x, reverse)
    result = _torch_scans.scan(x, op, dim, reverse, inclusive, start, mask)
    if include_initial:
        assert start is not None
        one = start.unsqueeze(dim)
        return torch.cat((result, one) if reverse else (one, result), dim)
    return result.reshape(()) if is_scalar else result


class _Scan(Protocol):
    def __call__(
        self,
        input: Tensor,
        dim: int,
        *,
        reverse: bool = False,
        inclusive: bool = True,
        dtype: torch.dtype | None = None,
    ) -> Tensor: ...


def _scan_like(op: str) -> _Scan:
    """The scan with one operator, with the name of upsweep's function."""
    name: str = _torch_scans.NAMES[op]
    in_short = getattr(_core, f"{name}_tensor")
    in_short_recorded = recorded(op)

    def scan_of(
        input: Tensor,
        dim: int,
        *,
        reverse: bool = False,
        inclusive: bool = True,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        # In short, for small scans.
        if dtype is None and is_plain(input):
            records = input.requires_grad and torch.is_grad_enabled()
            short = in_short_recorded if records else in_short
            result = short(input, dim, reverse, inclusive)
            if result is not None:
                return result
        if has_torch_function((input,)):
            return handle_torch_function(
                scan_of,
                (input,),
                input,
                dim,
                reverse=reverse,
                inclusive=inclusive,
                dtype=dtype,
            )
        check_flags(name, reverse=reverse, inclusive=inclusive)
        x = to_input(name, op, input, dtype)
        dim = to_axis(name, dim, x.shape)
        line = x.reshape(1) if x.ndim == 0 else x
        result = _torch_scans.scan(line, op, dim, reverse, inclusive, None, None)
        return result.reshape(()) if x.ndim == 0 else result

    scan_of.__name__ = scan_of.__qualname__ = name
    scan_of.__doc__ = f"""As :func:`upsweep.{name}`, of a tensor.

    Args, errors and source are those of :func:`scan`."""
    return scan_of


cumprod = _scan_like("prod")
cumsum = _scan_like("sum")
cummax = _scan_like("max")
cummin = _scan_like("min")
logcumsumexp = _scan_like("logaddexp")


def linear_recurrence(
    a: Any,
    b: Any,
    dim: int = -1,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    initial: Any = None,
    reset: Any = None,
) -> Tensor:
    """h[i] = a[i] * h[i - 1] + b[i] along an axis: :func:`upsweep.linear_recurrence`.

    Args:
        a, b: Tensors that broadcast, of which one may be a number. Dtypes are promoted
            as PyTorch does; integers give float32.
        dim: The axis, counted from the end when negative.
        reverse: Run from the last element to the first.
        inclusive: Whether element i of the result is h[i]. If not, it is h[i - 1].
        initial: What h starts with: a number, or a tensor that broadcasts to the shape
            of the result without dim. None is 0.
        reset: Where h[i - 1] counts as 0: a bool tensor that broadcasts to the result,
            or, for one axis, integer offsets of segments.

    Returns:
        A new tensor of the broadcast shape.

    Raises, source: as :func:`scan`.
    """
    name = "linear_recurrence"
    tensors = tuple(each for each in (a, b, initial, reset) if isinstance(each, Tensor))
    if has_torch_function(tensors):
        return handle_torch_function(
            linear_recurrence,
            tensors,
            a,
            b,
            dim,
            reverse=reverse,
            inclusive=inclusive,
            initial=initial,
            reset=reset,
        )
    check_flags(name, reverse=reverse, inclusive=inclusive)
    a, b = to_coefficients(a, b)
    dim = to_axis(name, dim, a.shape)
    is_scalar = a.ndim == 0
    if is_scalar:
        a, b = a.reshape(1), b.reshape(1)
    start = to_initial(name, initial, a, dim)
    mask = to_mask(name, reset, a, reverse)
    result = _torch_scans.linear_recurrence(a, b, dim, reverse, inclusive, start, mask)
    return result.reshape(()) if is_scalar else result
