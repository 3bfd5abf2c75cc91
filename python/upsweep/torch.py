"""Scans of PyTorch's tensors, on the CPU and on NVIDIA GPUs, with gradients.

Tensors go in and out without a copy, in the order of PyTorch's current stream. All
derivatives are there: of any order, backward and forward, by torch.func and in code
that torch.compile compiles. Those of products are right at zeros and where products
leave the range of the dtype.

>>> import torch
>>> import upsweep.torch
>>> x = torch.tensor([2.0, 0.0, 3.0], requires_grad=True)
>>> upsweep.torch.cumprod(x, 0).sum().backward()
>>> x.grad
tensor([1., 8., 0.])
"""

from __future__ import annotations

import operator
from typing import Any, Protocol

try:
    import torch
except ImportError as error:
    raise ImportError(
        "upsweep.torch needs PyTorch: pip install upsweep[torch]", name=error.name
    ) from error
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

import upsweep
from upsweep import _torch_derivatives as _torch_derivatives
from upsweep import _torch_scans
from upsweep._torch_memory import CPU, DTYPES, Capsule, to_tensor
from upsweep._torch_primitive import is_plain

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
        skipna: NaN in input counts as the identity.

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
    if op not in _torch_scans.FUNCTIONS:
        names = ", ".join(map(repr, _torch_scans.FUNCTIONS))
        raise ValueError(f"[scan] op must be one of {names}, not {op!r}.")
    if include_initial and not inclusive:
        raise ValueError("[scan] include_initial is for inclusive scans.")
    x = _converted("scan", op, input, dtype)
    is_scalar = x.ndim == 0
    if is_scalar:
        x = x.reshape(1)
    dim = _axis("scan", dim, x.ndim)
    if skipna and _rank(x.dtype) >= 2:
        x = x.where(~x.isnan(), _identity(op, x.dtype))
    if include_initial and initial is None:
        initial = _identity(op, x.dtype)
    start = _initial("scan", initial, x, dim)
    mask = _mask("scan", reset, x, reverse)
    _check_flags("scan", reverse, inclusive)
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
    function: Any = _torch_scans.FUNCTIONS[op]
    name: str = function.__name__

    def scan_of(
        input: Tensor,
        dim: int,
        *,
        reverse: bool = False,
        inclusive: bool = True,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        # In short, for small scans.
        if (
            type(input) is Tensor
            and dtype is None
            and is_plain(input)
            and type(dim) is int
            and -(ndim := input.ndim) <= dim < ndim
        ):
            capsule = Capsule(input)
            return to_tensor(
                function(
                    capsule, dim, reverse=reverse, inclusive=inclusive, stream=CPU
                ).__dlpack__()
            )
        if type(input) is not Tensor and has_torch_function((input,)):
            return handle_torch_function(
                scan_of,
                (input,),
                input,
                dim,
                reverse=reverse,
                inclusive=inclusive,
                dtype=dtype,
            )
        x = _converted(name, op, input, dtype)
        if x.ndim == 0:
            line = scan_of(x.reshape(1), dim, reverse=reverse, inclusive=inclusive)
            return line.reshape(())
        dim = _axis(name, dim, x.ndim)
        _check_flags(name, reverse, inclusive)
        return _torch_scans.scan(x, op, dim, reverse, inclusive, None, None)

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
    a, b = _coefficients(a, b)
    is_scalar = a.ndim == 0
    if is_scalar:
        a, b = a.reshape(1), b.reshape(1)
    dim = _axis(name, dim, a.ndim)
    start = _initial(name, initial, a, dim)
    mask = _mask(name, reset, a, reverse)
    _check_flags(name, reverse, inclusive)
    result = _torch_scans.linear_recurrence(a, b, dim, reverse, inclusive, start, mask)
    return result.reshape(()) if is_scalar else result


def _coefficients(a: Any, b: Any) -> tuple[Tensor, Tensor]:
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
    dtype = torch.promote_types(_dtype(a, like), _dtype(b, like))
    if _rank(dtype) < 2:
        dtype = torch.float32
    _check_dtype(name, dtype)
    a, b = (
        each.to(dtype)
        if isinstance(each, Tensor)
        else torch.full((), each, dtype=dtype, device=like.device)
        for each in (a, b)
    )
    try:
        shape = torch.broadcast_shapes(a.shape, b.shape)
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


def _dtype(value: Any, like: Tensor) -> torch.dtype:
    """The dtype of a tensor; for a number, that of the tensor beside it if it can hold
    numbers of its kind, and else the smallest that upsweep has."""
    if isinstance(value, Tensor):
        return value.dtype
    kind = torch.complex64 if isinstance(value, complex) else torch.float32
    if isinstance(value, int) or _rank(kind) <= _rank(like.dtype):
        return like.dtype
    return kind


def _converted(name: str, op: str, input: Tensor, dtype: torch.dtype | None) -> Tensor:
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
    if value.layout is not torch.strided:
        raise TypeError(
            f"[{name}] {argument} has the layout {value.layout}; "
            "to_dense() makes a strided one."
        )
    if value.device.type not in ("cpu", "cuda", "meta"):
        raise TypeError(
            f"[{name}] {argument} is on {value.device}; upsweep.torch scans tensors on "
            "the CPU and on NVIDIA GPUs: cpu() copies it."
        )


def _check_flags(name: str, reverse: bool, inclusive: bool) -> None:
    for argument, value in (("reverse", reverse), ("inclusive", inclusive)):
        if not isinstance(value, bool):
            raise TypeError(
                f"[{name}] {argument} must be True or False, "
                f"not {type(value).__name__}."
            )


def _axis(name: str, dim: int, ndim: int) -> int:
    """The axis, counted from the start."""
    try:
        axis = operator.index(dim)
    except TypeError as error:
        raise TypeError(
            f"[{name}] dim must be an int, not {type(dim).__name__}."
        ) from error
    if not -ndim <= axis < ndim:
        raise IndexError(
            f"[{name}] dim is {axis}, and of a tensor with {ndim} dimensions it must "
            f"be between {-ndim} and {ndim - 1}."
        )
    return axis % ndim


def _identity(op: str, dtype: torch.dtype) -> Any:
    if op in ("prod", "sum"):
        return int(op == "prod")
    lowest = op != "min"
    if dtype == torch.bool:
        return not lowest
    if _rank(dtype) < 2:
        limits = torch.iinfo(dtype)
        return limits.min if lowest else limits.max
    return -torch.inf if lowest else torch.inf


def _initial(name: str, initial: Any, x: Tensor, dim: int) -> Tensor | None:
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


def _mask(name: str, reset: Any, x: Tensor, reverse: bool) -> Tensor | None:
    """Where segments start, of the shape of x."""
    if reset is None:
        return None
    given = torch.as_tensor(reset, device=x.device)
    if not isinstance(reset, Tensor) and given.numel() == 0:
        given = given.long()
    if given.dtype == torch.bool:
        try:
            return given.expand(x.shape)
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
    starts = torch.zeros(n + 1, dtype=torch.bool, device=x.device)
    try:
        starts = starts.scatter(0, given.long(), True)
    except RuntimeError as error:
        raise ValueError(
            f"[{name}] offsets in reset must lie between 0 and {n}."
        ) from error
    return starts[1:] if reverse else starts[:-1]
