"""Which tensors of PyTorch upsweep reads, without a copy.

On the CPU a result is complete when it becomes a tensor. On a GPU the work runs on
PyTorch's current stream and in memory of PyTorch's, and nothing waits on the host but
what upsweep leaves to the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

import upsweep

__all__ = ["DTYPES", "plain"]

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


def plain(tensor: Tensor) -> Tensor:
    """A tensor whose bytes are its numbers: a copy if PyTorch has yet to conjugate or
    negate it."""
    if tensor.is_conj() or tensor.is_neg():
        return tensor.resolve_conj().resolve_neg()
    return tensor
