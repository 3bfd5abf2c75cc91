"""Cumulative products and other scans: accurate, deterministic, on any axis.

>>> import upsweep
>>> upsweep.cumprod([1, 2, 3, 4])
array([1, 2, 6, 24], dtype=int32)
"""

from upsweep import _core
from upsweep._core import (
    Carry,
    Device,
    DeviceType,
    Dtype,
    Stream,
    StreamContext,
    __version__,
    allclose,
    arange,
    array,
    array_equal,
    asarray,
    async_eval,
    bfloat16,
    bool_,
    broadcast_to,
    carry,
    clear_cache,
    complex64,
    cpu,
    cummax,
    cummin,
    cumprod,
    cumprod_frexp,
    cumprod_jvp,
    cumprod_vjp,
    cumsum,
    cumulative_prod,
    cumulative_sum,
    default_device,
    default_stream,
    device_count,
    device_info,
    eval,
    expand_dims,
    flatten,
    float16,
    float32,
    float64,
    from_dlpack,
    full,
    get_active_memory,
    get_cache_memory,
    get_memory_limit,
    get_num_threads,
    get_peak_memory,
    gpu,
    int8,
    int16,
    int32,
    int64,
    is_available,
    linear_recurrence,
    logcumsumexp,
    moveaxis,
    new_stream,
    ones,
    reset_peak_memory,
    reshape,
    scan,
    set_cache_limit,
    set_default_device,
    set_default_stream,
    set_memory_limit,
    set_num_threads,
    set_printoptions,
    squeeze,
    stream,
    swapaxes,
    synchronize,
    transpose,
    uint8,
    uint16,
    uint32,
    uint64,
    zeros,
)

__all__ = [
    "Carry",
    "Device",
    "DeviceType",
    "Dtype",
    "Stream",
    "StreamContext",
    "__version__",
    "allclose",
    "arange",
    "array",
    "array_equal",
    "asarray",
    "async_eval",
    "bfloat16",
    "bool_",
    "broadcast_to",
    "carry",
    "clear_cache",
    "complex64",
    "cpu",
    "cummax",
    "cummin",
    "cumprod",
    "cumprod_frexp",
    "cumprod_jvp",
    "cumprod_vjp",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "default_device",
    "default_stream",
    "device_count",
    "device_info",
    "eval",
    "expand_dims",
    "flatten",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "full",
    "get_active_memory",
    "get_cache_memory",
    "get_memory_limit",
    "get_num_threads",
    "get_peak_memory",
    "gpu",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_available",
    "linear_recurrence",
    "logcumsumexp",
    "moveaxis",
    "new_stream",
    "ones",
    "reset_peak_memory",
    "reshape",
    "scan",
    "set_cache_limit",
    "set_default_device",
    "set_default_stream",
    "set_memory_limit",
    "set_num_threads",
    "set_printoptions",
    "squeeze",
    "stream",
    "swapaxes",
    "synchronize",
    "transpose",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "zeros",
]


def _present() -> None:
    """Sets the module of public classes to the package, and gives functions signatures
    and errors.

    inspect does not see the signatures of the extension's own functions."""

    def parse(text: str) -> object:
        from upsweep import _signature  # loads inspect only when needed

        return _signature.parse(text)

    def complaint(text: str, args: tuple[object, ...], named: dict[str, object]) -> str:
        from upsweep import _complaints

        return _complaints.complaint(text, args, named)

    public = {name: getattr(_core, name) for name in __all__}
    for value in public.values():
        if isinstance(value, type):
            value.__module__ = __name__
    for scope in (public, vars(array)):
        for name, value in list(scope.items()):
            if name.startswith("_") or not hasattr(type(value), "__nb_signature__"):
                continue
            function = _core.described(value, parse, complaint)
            if scope is public:
                globals()[name] = function
            else:
                setattr(array, name, function)


_present()
