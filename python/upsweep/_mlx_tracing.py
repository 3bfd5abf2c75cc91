"""What the transformations of MLX need: whether one is under way, and to read arrays
without cutting off the operations that made them.

MLX marks the arrays that mx.grad and the like pass to a function, and those made of
them. Evaluation keeps the operations of marked arrays and forgets those of others. But
what an inner transformation returns has no mark, though an outer one needs it. So it
counts whether any transformation is under way.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

import mlx.core as mx


def without_value(shape: tuple[int, ...], dtype: Any) -> mx.array:
    """An array that MLX refuses to evaluate: one that mx.vmap used for tracing."""
    kept: list[mx.array] = []

    def keep(x: mx.array) -> mx.array:
        kept.append(x)
        return x

    mx.vmap(keep)(mx.zeros((1, *shape), dtype))
    return kept[0]


def _marked() -> mx.array:
    """An array whose mark stays, because the transformation of it fails."""
    kept: list[mx.array] = []

    def fail(x: mx.array) -> mx.array:
        kept.append(x)
        raise InterruptedError

    try:
        mx.grad(fail)(mx.array(0.0))
    except InterruptedError:
        mx.eval(kept)
    return kept[0]


_MARKED = _marked()
_called = threading.local()


def _note(x: mx.array) -> mx.array:
    _called.yes = True
    return x


# MLX calls the function itself, not what it has compiled, with arrays whose mark it
# heeds. It also does so to compile it in another thread, or if compilation is disabled.
_compiled: Any = mx.compile(_note)
_compiled(_MARKED)


def is_active() -> bool:
    """Whether this thread is in mx.grad, mx.vjp, mx.jvp, mx.vmap or mx.compile.

    Only then MLX heeds marks, and refuses async_eval of what is made of marked arrays.
    """
    _called.yes = False
    _compiled(_MARKED)
    if not _called.yes:  # in a microsecond
        return False
    evaluate: Any = mx.async_eval
    try:
        evaluate(mx.stop_gradient(_MARKED))
    except ValueError:
        return True
    return False


def _warn_if_blind() -> None:
    """Another version of MLX may have other rules for marks."""
    seen: list[bool] = []

    def look(x: mx.array) -> mx.array:
        seen.append(is_active())
        return x

    mx.grad(look)(mx.array(0.0))
    if not all(seen):
        warnings.warn(
            "upsweep does not see the transformations of this version of MLX: "
            "gradients of its functions may be zero.",
            RuntimeWarning,
            stacklevel=2,
        )


_warn_if_blind()


def refuse(name: str) -> None:
    """Raises BufferError in a transformation, which would not see what upsweep does
    with an array: the gradient would be zero."""
    if is_active():
        raise BufferError(
            f"[{name}] mx.grad, mx.jvp, mx.vmap and mx.compile cannot follow this "
            "function. Use upsweep.mlx, whose scans the first three can follow."
        )


def evaluate(*arrays: mx.array) -> None:
    """As mx.eval, but in a transformation MLX keeps all operations."""
    if not is_active():
        mx.eval(*arrays)
        return

    def keep(x: mx.array) -> mx.array:
        return x

    # There MLX keeps them.
    def vjp(x: mx.array, cotangent: mx.array, y: mx.array) -> mx.array:
        mx.eval(*arrays)
        return cotangent

    function: Any = mx.custom_function(keep)
    function.vjp(vjp)
    zero = mx.array(0.0)
    mx.vjp(function, [zero], [zero])
