"""The arguments of upsweep.torch, checked and in the form of its operators."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.masked import MaskedTensor

import upsweep
from upsweep._torch_memory import DTYPES

__all__ = [
    "check_flags",
    "identity",
    "to_axis",
    "to_coefficients",
    "to_initial",
    "to_input",
    "to_mask",
]


def to_coefficients(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """a and b with one shape and dtype."""
    name = "linear_recurrence"
    like = a if isinstance(a, Tensor) else b
    if not isinstance(like, Tensor):
        raise TypeError(f"[{name}] a or b must be a tensor; see torch.as_tensor.")
    for argument, value in (("a", a), ("b", b)):
        if isinstance(value, Tensor):
            _check_tensor(name, argument, value)
            if value.device != like.device:
                raise TypeError(
                    f"[{name}] a is on {like.device} and b on {value.device}."
                )
        elif not isinstance(value, (int, float, complex)):
            raise TypeError(
                f"[{name}] {argument} must be a tensor or a number, "
                f"not {type(value).__name__}."
            )
    dtype = torch.promote_types(_dtype_beside(a, like), _dtype_beside(b, like))
    if _rank(dtype) < 2:
        dtype = torch.float32
    _check_dtype(name, dtype)
    a, b = (
        each.to(dtype)
        if isinstance(each, Tensor)
        else torch.full((), each, dtype=dtype, device=like.device)
        for each in (a, b)
    )
    # Where shapes are traced, the question would be a guard.
    if not is_compiling() and a.shape == b.shape:
        return a, b
    try:
        shape = torch.broadcast_shapes(a.shape, b.shape)  # which is slow
    except RuntimeError as error:
        raise ValueError(
            f"[{name}] a of shape {tuple(a.shape)} and b of shape {tuple(b.shape)} "
            "cannot be broadcast."
        ) from error
    return a.expand(shape), b.expand(shape)


def _rank(dtype: torch.dtype) -> int:
    """0 for bool, 1 for integers, 2 for floats, 3 for complex numbers."""
    if dtype.is_complex or dtype.is_floating_point:
        return 3 if dtype.is_complex else 2
    return 0 if dtype == torch.bool else 1


def _dtype_beside(value: Any, like: Tensor) -> torch.dtype:
    """The dtype of a tensor; for a number, that of the tensor beside it if it can hold
    numbers of its kind, and else the smallest that upsweep has."""
    if isinstance(value, Tensor):
        return value.dtype
    kind = torch.complex64 if isinstance(value, complex) else torch.float32
    if isinstance(value, int) or _rank(kind) <= _rank(like.dtype):
        return like.dtype
    return kind


def to_input(name: str, op: str, input: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The input in the dtype of the result."""
    _check_tensor(name, "input", input)
    if dtype is None:
        dtype = input.dtype
        if op == "sum" and dtype == torch.bool:
            dtype = torch.int32
        elif op == "logaddexp" and _rank(dtype) < 2:
            dtype = torch.float32
    elif not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"[{name}] dtype must be a torch.dtype, not {type(dtype).__name__}."
        )
    _check_dtype(name, dtype)
    return input if input.dtype == dtype else input.to(dtype)


def _check_dtype(name: str, dtype: torch.dtype) -> None:
    if dtype not in DTYPES:
        raise TypeError(
            f"[{name}] upsweep has no {dtype}; convert it to a dtype that it has, such "
            "as torch.float64, torch.complex64 or torch.int64."
        )


def _check_tensor(name: str, argument: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"[{name}] {argument} must be a tensor, not {type(value).__name__}; "
            "torch.as_tensor makes one."
        )
    if value.is_nested:
        raise TypeError(
            f"[{name}] {argument} is a nested tensor; scan what unbind() gives."
        )
    if isinstance(value, MaskedTensor):
        raise TypeError(
            f"[{name}] {argument} is a MaskedTensor; scan what to_tensor() gives, with "
            "the identity where the mask is False: 1 for products."
        )
    if value.layout is not torch.strided:
        raise TypeError(
            f"[{name}] {argument} has the layout {value.layout}; "
            "to_dense() makes a strided one."
        )
    if not (value.is_cpu or value.is_cuda or value.is_meta):
        raise TypeError(
            f"[{name}] {argument} is on {value.device}; upsweep.torch scans tensors on "
            "the CPU and on NVIDIA GPUs: cpu() copies it."
        )


def check_flags(name: str, **flags: bool) -> None:
    for argument, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(
                f"[{name}] {argument} must be True or False, not {value!r}."
            )


def to_axis(name: str, dim: int, shape: torch.Size) -> int:
    """The axis, counted from the start; a number counts as a line of one."""
    ndim = max(len(shape), 1)
    try:
        axis = operator.index(dim)
    except TypeError as error:
        raise TypeError(
            f"[{name}] dim must be an int, not {type(dim).__name__}."
        ) from error
    if not -ndim <= axis < ndim:
        raise IndexError(
            f"[{name}] dim is {axis}, and of a tensor of shape {tuple(shape)} it must "
            f"be between {-ndim} and {ndim - 1}."
        )
    return axis % ndim


def identity(op: str, dtype: torch.dtype) -> Any:
    if op in ("prod", "sum"):
        return int(op == "prod")
    lowest = op != "min"
    if dtype == torch.bool:
        return not lowest
    if _rank(dtype) < 2:
        limits = torch.iinfo(dtype)
        return limits.min if lowest else limits.max
    limit = -torch.inf if lowest else torch.inf
    return complex(limit, limit) if dtype.is_complex and op != "logaddexp" else limit


def to_initial(name: str, initial: Any, x: Tensor, dim: int) -> Tensor | None:
    """What the lines of x start with, of the shape of x without the axis."""
    if initial is None:
        return None
    if isinstance(initial, upsweep.Carry):
        raise TypeError(
            f"[{name}] initial must be a number or a tensor, not a Carry; "
            "its value() is an array of them."
        )
    given = initial if isinstance(initial, Tensor) else torch.as_tensor(initial)
    if _rank(given.dtype) > _rank(x.dtype):
        raise TypeError(
            f"[{name}] initial is {given.dtype}, which cannot be converted to the "
            f"{x.dtype} of the result."
        )
    if isinstance(initial, Tensor):
        if initial.device != x.device and initial.ndim > 0:
            raise TypeError(
                f"[{name}] initial is on {initial.device}, and the result on "
                f"{x.device}."
            )
        start = initial.to(x.device, x.dtype)
    else:
        start = torch.as_tensor(initial, dtype=x.dtype, device=x.device)
    shape = (*x.shape[:dim], *x.shape[dim + 1 :])
    try:
        return start.expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"[{name}] initial of shape {tuple(start.shape)} does not fit the shape "
            f"without dim, {shape}."
        ) from error


def to_mask(name: str, reset: Any, x: Tensor, reverse: bool) -> Tensor | None:
    """Where segments start, of the shape of x."""
    if reset is None:
        return None
    given = torch.as_tensor(reset)
    if not isinstance(reset, Tensor) and given.numel() == 0:
        given = given.long()
    if given.dtype == torch.bool:
        try:
            return given.to(x.device).expand(x.shape)
        except RuntimeError as error:
            raise ValueError(
                f"[{name}] reset of shape {tuple(given.shape)} does not fit the shape "
                f"{tuple(x.shape)}."
            ) from error
    if _rank(given.dtype) >= 2:
        raise TypeError(
            f"[{name}] reset must hold bool or integers, not {given.dtype}."
        )
    if x.ndim != 1 or given.ndim != 1:
        raise ValueError(
            f"[{name}] reset holds offsets, which only a tensor of one axis can have; "
            "give a bool mask instead."
        )
    n = x.shape[0]
    starts = torch.zeros(n + 1, dtype=torch.bool, device=given.device)
    try:
        starts = starts.scatter(0, given.long(), True).to(x.device)
    except RuntimeError as error:
        raise ValueError(
            f"[{name}] offsets in reset must lie between 0 and {n}."
        ) from error
    return starts[1:] if reverse else starts[:-1]
