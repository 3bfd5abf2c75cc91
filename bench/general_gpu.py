"""How libraries on an NVIDIA GPU do the tasks of general.py."""

from __future__ import annotations

from typing import Any

from bench.general_cpu import JAX, Library, Torch, Upsweep
from bench.timing import Call


class TorchCopy(Torch):
    """The yardstick: the input, copied on the GPU."""

    name = "copy"

    def call(self, task: Any) -> Call | str:
        """A copy to memory that exists."""
        x = self.tensor(task.arrays["x"])
        y = self.torch.empty_like(x)
        return self.waiting(lambda: y.copy_(x))


def gpu_libraries() -> list[Library]:
    """Those that are installed and see the GPU."""
    found: list[Library] = [TorchCopy("cuda"), Upsweep("gpu"), Torch("cuda")]
    try:
        jax = JAX()
        if jax.jax.default_backend() == "gpu":
            found.append(jax)
    except ImportError as error:
        print(f"missing: {error}")
    return found
