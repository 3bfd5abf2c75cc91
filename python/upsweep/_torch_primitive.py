"""Operators of PyTorch that call upsweep, with their derivatives and batching.

Each is registered with PyTorch's dispatcher, so that torch.compile, torch.export,
torch.func and fake tensors see one operator. The dispatcher takes longer than a small
scan, so calls that none of them has to see bypass it.

torch.library.custom_op has no derivative in forward mode: torch.func.jvp of its
operators is silently 0. So the kernel for autograd is one of this file, a Function that
torch.func applies at a single level of its transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.compiler import is_dynamo_compiling
from torch.nn import Parameter

try:
    from torch._C import (
        _after_autograd_keyset,
        _are_functorch_transforms_active,
        _AutoDispatchBelowAutograd,
        _dispatch_keys,
        _get_tracing_state,
        _is_torch_function_mode_enabled,
        _len_torch_dispatch_stack,
    )
    from torch._C._functorch import (
        is_functorch_wrapped_tensor,
        is_legacy_batchedtensor,
    )

    # As torch.library does for kernels: it imports torch._dynamo at the first call.
    from torch._compile import _disable_dynamo as untraced
    from torch._functorch.utils import enable_single_level_autograd_function
    from torch.autograd.forward_ad import _set_fwd_grad_enabled
    from torch.autograd.function import _SingleLevelFunction
except ImportError as error:
    raise ImportError(
        f"upsweep.torch does not know PyTorch {torch.__version__}: {error}"
    ) from error

__all__ = ["Primitive", "compiled_autograd_key", "has_plain_keys", "is_plain"]

with torch.inference_mode(False):
    _PLAIN = _dispatch_keys(torch.empty(0, device="cpu")).raw_repr()
_plain_cuda: int | None = None  # once there is a tensor on such a device
_library = torch.library.Library("upsweep", "DEF")

# From the gradient of the result and the arguments to the gradients of the arguments.
Vjp = Callable[..., tuple[Tensor | None, ...]]
# From the tangents of the arguments, and these, to the tangent of the result.
Jvp = Callable[..., Tensor]


def is_transformed() -> bool:
    """Whether something traces or transforms calls, and has to see operators."""
    return (
        _are_functorch_transforms_active()
        or _len_torch_dispatch_stack() != 0
        or _get_tracing_state() is not None
    )


def is_memory(tensor: Tensor) -> bool:
    """Whether a tensor is plain memory of a device of upsweep, and not one of which
    PyTorch has to see what becomes."""
    return not (
        (type(tensor) is not Tensor and type(tensor) is not Parameter)
        or not (tensor.is_cpu or tensor.is_cuda)
        # Those of a transform that is over, or of vmap's predecessor.
        or is_functorch_wrapped_tensor(tensor)
        or is_legacy_batchedtensor(tensor)
        # A gradient that is 0, without memory.
        or tensor._is_zerotensor()
    )


def is_plain(tensor: Tensor) -> bool:
    """Whether a function of the tensor is one of its bytes in memory alone. Made for
    small scans: it asks few questions."""
    return not (
        is_dynamo_compiling()
        or not has_plain_keys(tensor)
        or _is_torch_function_mode_enabled()
        or forward_ad._current_level >= 0
        or is_transformed()
    )


def has_plain_keys(tensor: Tensor) -> bool:
    """What `is_plain` asks of the tensor itself. Its set of keys excludes other
    layouts, numbers that are yet to be negated and whatever else has no such bytes."""
    global _plain_cuda
    if type(tensor) is not Tensor:
        return False
    keys = _dispatch_keys(tensor).raw_repr()
    if keys == _PLAIN:
        return True
    if not tensor.is_cuda:
        return False
    if _plain_cuda is None:
        # A tensor that is made meanwhile would not be plain.
        if is_transformed() or _is_torch_function_mode_enabled():
            return False
        with torch.inference_mode(False):
            _plain_cuda = _dispatch_keys(torch.empty(0, device="cuda")).raw_repr()
    return bool(keys == _plain_cuda)


def compiled_autograd_key(ctx: Any) -> tuple[Any]:
    """What compiled autograd calls a Function of one level, which has no name there."""
    return (ctx._autograd_function_id,)


class Primitive:
    """A function of tensors and options, the arguments of a schema in this order.

    Args:
        schema: Its name and arguments, as PyTorch's dispatcher has them. Each has one
            argument ``int dim``, which is not negative. The first is a tensor of the
            shape and dtype of the result; others have its shape, but ``initial`` that
            without the axis.
        direct: The function for tensors in memory.
    """

    def __init__(self, schema: str, direct: Callable[..., Tensor]) -> None:
        name = schema[: schema.index("(")]
        _library.define(f"{schema} -> Tensor", tags=(torch.Tag.pt2_compliant_tag,))
        self.op = getattr(torch.ops.upsweep, name).default
        self.direct = direct
        arguments = self.op._schema.arguments
        self._names = [each.name for each in arguments]
        self._dim = self._names.index("dim")
        # Where tensors are; isinstance(each, Tensor) of anything else is slow.
        self._tensors = [
            i for i, each in enumerate(arguments) if "Tensor" in str(each.type)
        ]
        self._function: Any = None

        def kernel(*args: Any) -> Tensor:
            self._check(args)
            return direct(*args)

        for key in ("CPU", "CUDA"):
            _library.impl(name, untraced(kernel), key)

        def fake(*args: Any) -> Tensor:
            self._check(args)
            return args[0].new_empty(args[0].shape)

        torch.library.register_fake(self.op, fake, lib=_library)
        torch.library.register_vmap(self.op, self._batched, lib=_library)

    def __call__(self, *args: Any) -> Tensor:
        if torch.compiler.is_compiling() or is_transformed():
            return self.op(*args)
        # Whether autograd has to know what becomes of the tensors.
        records, is_on = forward_ad._current_level >= 0, torch.is_grad_enabled()
        for i in self._tensors:
            tensor = args[i]
            if tensor is not None:
                if not is_memory(tensor):
                    return self.op(*args)
                records = records or (is_on and tensor.requires_grad)
        result: Tensor = (
            self._function.apply(None, *args) if records else self.direct(*args)
        )
        return result

    def _check(self, args: Any, batch: int = 0) -> None:
        """Whether an operator called by its name has what upsweep.torch gives it, in
        tensors that start with a number of axes of vmap."""
        name = self.op._schema.name.split("::")[1]
        shape, dim = args[0].shape[batch:], args[self._dim] - batch
        if not 0 <= dim < len(shape):
            raise IndexError(
                f"[{name}] dim is {dim}, and of a tensor of shape {tuple(shape)} the "
                f"operator takes those from 0 to {len(shape) - 1}."
            )
        for i in self._tensors:
            if args[i] is None:
                continue
            given, needed = args[i].shape[batch:], shape
            if self._names[i] == "initial":
                needed = (*shape[:dim], *shape[dim + 1 :])
            if given != needed:
                raise ValueError(
                    f"[{name}] {self._names[i]} has the shape {tuple(given)}, and the "
                    f"operator needs {tuple(needed)}."
                )

    def set_derivatives(self, vjp: Vjp, jvp: Jvp) -> None:
        """Makes it differentiable, as often as the derivatives are."""
        op, direct, places = self.op, self.direct, self._tensors

        def arguments(ctx: Any, tensors: Any) -> list[Any]:
            args = list(ctx.options)
            for i, tensor in zip(places, tensors, strict=True):
                args[i] = tensor
            return args

        def forward(keyset: Any, *args: Any) -> Any:
            if keyset is None:
                return direct(*args)
            # PyTorch has turned derivatives off, at other levels of transforms too.
            with (
                torch.enable_grad(),
                _set_fwd_grad_enabled(True),
                _AutoDispatchBelowAutograd(),
            ):
                return op.redispatch(keyset & _after_autograd_keyset, *args)

        def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
            args = list(inputs[1:])
            tensors = [args[i] for i in places]
            ctx.save_for_backward(*tensors)
            # The dispatcher may be in forward mode where forward_ad is not.
            if inputs[0] is not None or forward_ad._current_level >= 0:
                ctx.save_for_forward(*tensors)
            for i in places:
                args[i] = None
            ctx.options = args

        def backward(ctx: Any, gradient: Tensor) -> Any:
            args = arguments(ctx, ctx.saved_tensors)
            return None, *vjp(ctx.needs_input_grad[1:], gradient, *args)

        def forward_mode(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
            # As above. What is saved has a tangent itself.
            with _set_fwd_grad_enabled(True):
                primals = [
                    each
                    if each is None
                    else forward_ad.unpack_dual(each, level=0).primal
                    for each in ctx.saved_tensors
                ]
                return jvp(tangents, *arguments(ctx, primals))

        methods: dict[str, Any] = {
            "forward": forward,
            "setup_context": setup_context,
            "backward": backward,
            "jvp": forward_mode,
            "_compiled_autograd_key": compiled_autograd_key,
        }
        name = op._schema.name.split("::")[1]
        self._function = type(
            f"Upsweep_{name}_",
            (_SingleLevelFunction,),
            {key: staticmethod(value) for key, value in methods.items()},
        )

        def autograd(keyset: Any, *args: Any) -> Any:
            with enable_single_level_autograd_function():
                return self._function.apply(keyset, *args)

        _library.impl(name, untraced(autograd), "Autograd", with_keyset=True)

    def _batched(self, info: Any, axes: tuple[Any, ...], *args: Any) -> Any:
        """Of tensors with one more axis, in the places that axes says."""
        batched = list(args)
        for i in self._tensors:
            arg, axis = args[i], axes[i]
            if axis is not None:
                batched[i] = arg.movedim(axis, 0)
            elif arg is not None:
                batched[i] = arg.expand(info.batch_size, *arg.shape)
        batched[self._dim] += 1
        self._check(batched, 1)
        return self(*batched), 0
