"""Tensors of PyTorch as arrays of upsweep, and back, without a copy.

On the CPU a result is complete when it becomes a tensor. On a GPU nothing waits on the
host: upsweep's stream waits for PyTorch's current one before it reads a tensor, and
PyTorch's current stream waits for a result.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import upsweep
from upsweep import _core

__all__ = ["DTYPES", "run", "to_array"]

if not hasattr(Tensor, "__dlpack_c_exchange_api__"):
    raise ImportError(
        f"upsweep.torch does not know PyTorch {torch.__version__}: its tensors have no "
        "__dlpack_c_exchange_api__"
    )

# PyTorch's dtypes that upsweep has.
DTYPES: dict[torch.dtype, upsweep.Dtype] = {
    getattr(torch, name.rstrip("_")): getattr(upsweep, name)
    for name in (
        "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 "
        "float16 bfloat16 float32 float64 complex64"
    ).split()
}

# Those that have been used; making one takes as long as a small scan.
_gpus: dict[int, upsweep.Device] = {}


def to_array(tensor: Tensor) -> upsweep.array:
    """The tensor's memory as an array, which a scan does not wait for; a copy if
    PyTorch has yet to conjugate or negate it."""
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    if tensor.is_cpu:
        return _core.from_tensor(tensor, "from_dlpack")
    return _core.from_dlpack(tensor.detach())


def run(function: Any, tensor: Tensor, *args: Any, **options: Any) -> Tensor:
    """The result of a function of upsweep, where the tensor is."""
    if tensor.is_cpu:
        result = function(to_array(tensor), *args, stream=upsweep.cpu, **options)
        return _core.to_tensor(result, tensor)
    gpu = _gpu(tensor.get_device())
    result = function(to_array(tensor), *args, stream=gpu, **options)
    return torch.from_dlpack(result)


def _gpu(index: int) -> upsweep.Device:
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError(
            "upsweep.torch runs on streams of its own, which a CUDA graph cannot "
            "capture; call it outside of the graph."
        )
    if index not in _gpus:
        _gpus[index] = upsweep.Device(upsweep.gpu, index)
    return _gpus[index]
