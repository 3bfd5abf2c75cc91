"""The bindings of upsweep; use them through the package."""

import enum
from typing import overload


from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any, Protocol

class _Named(Protocol):
    @property
    def name(self) -> str: ...

# A dtype, its name, or NumPy's dtype or scalar type of that name.
DtypeLike = Dtype | str | type | _Named

__version__: str

class Dtype:
    """
    The type of an array's elements: one of bool_, uint8, uint16, uint32, uint64,
    int8, int16, int32, int64, float16, bfloat16, float32, float64 and complex64.

    There is one object for each, so ``is`` and ``==`` agree. Where a dtype is
    wanted, its name, such as ``"float32"``, and NumPy's dtype or scalar type of that
    name do too; ``numpy.dtype(upsweep.float32)`` is the way back.
    """

    @property
    def name(self) -> str:
        """The name, such as ``'float32'``."""

    @property
    def size(self) -> int:
        """Bytes per element."""

    def __repr__(self) -> str: ...

    @property
    def __numpy_dtype__(self) -> Any:
        """What numpy.dtype makes of it, from NumPy 2.4 on."""

    @property
    def dtype(self) -> Any:
        """
        NumPy's dtype of this name, which numpy.dtype makes of it. bfloat16 needs ml_dtypes.
        """

    def __reduce__(self) -> str: ...

bool_: Dtype = ...

uint8: Dtype = ...

uint16: Dtype = ...

uint32: Dtype = ...

uint64: Dtype = ...

int8: Dtype = ...

int16: Dtype = ...

int32: Dtype = ...

int64: Dtype = ...

float16: Dtype = ...

bfloat16: Dtype = ...

float32: Dtype = ...

float64: Dtype = ...

complex64: Dtype = ...

class DeviceType(enum.Enum):
    """The two kinds of device."""

    cpu = 0

    gpu = 1

cpu: DeviceType = DeviceType.cpu

gpu: DeviceType = DeviceType.gpu

class Device:
    """
    Where work runs: ``Device(upsweep.cpu)``, ``Device(upsweep.gpu, 0)``.

    Making one does not check that the device exists; :func:`is_available` does.
    """

    def __init__(self, type: DeviceType, index: int = 0) -> None: ...

    @property
    def type(self) -> DeviceType:
        """cpu or gpu."""

    @property
    def index(self) -> int:
        """Which of the devices of its type."""

    def __eq__(self, other: object, /) -> bool:
        """Equal type and index; a DeviceType counts as its first device."""

    def __hash__(self) -> int: ...

    def __repr__(self) -> str: ...

class Stream:
    """
    A queue of work on one device; :func:`new_stream` makes one.

    Work on one stream runs in the order it was given. Across streams, work waits
    for its inputs.
    """

    @property
    def device(self) -> Device:
        """Where the work runs."""

    @property
    def index(self) -> int:
        """Which of the device's streams."""

    def __eq__(self, other: object, /) -> bool: ...

    def __hash__(self) -> int: ...

    def __repr__(self) -> str: ...

class StreamContext:
    """What :func:`stream` gives the with statement."""

    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...

def default_device() -> Device:
    """The device for operations that name none."""

def set_default_device(device: Device | DeviceType) -> None:
    """
    Sets the device for operations that name none, in the whole process.

    Raises:
        ValueError: The device does not exist.
    """

def default_stream(device: Device | DeviceType) -> Stream:
    """
    The stream for operations that name only the device.

    Raises:
        ValueError: The device does not exist.
    """

def set_default_stream(stream: Stream) -> None:
    """Sets the default stream of its device, in the whole process."""

def new_stream(device: Device | DeviceType) -> Stream:
    """
    A new, empty stream, which lasts as long as the process.

    Raises:
        ValueError: The device does not exist.
    """

def stream(s: Stream | Device | DeviceType) -> StreamContext:
    """
    A context in which operations of the calling thread that name no stream run on
    this one, or on the default stream of a device::

        with upsweep.stream(upsweep.new_stream(upsweep.cpu)):
            b = upsweep.cumprod(a)

    Raises:
        ValueError: The device or the stream does not exist.
    """

def synchronize(stream: None | Stream | Device | DeviceType = None) -> None:
    """
    Waits until the work given to the stream so far is done: the given one, the
    default stream of the given device, or that of the default device.

    Raises:
        Exception: The first error of that work that no earlier call has raised.
    """

def eval(*args: object) -> None:
    """
    Waits for arrays, given directly or in nested lists, tuples and dicts; ignores
    other objects in them.

    Raises:
        Exception: The first error of the work that produces them.
    """

def async_eval(*args: object) -> None:
    """
    Returns at once: work starts when an operation is called. It exists so that code written for MLX runs unchanged.
    """

def is_available(device: Device | DeviceType) -> bool:
    """Whether the device exists and can run work."""

def device_count(device_type: DeviceType) -> int:
    """The number of devices of that type."""

def device_info(device: None | Device | DeviceType = None) -> dict[str, str | int]:
    """
    Properties of a device, by default the default device: device_name, architecture
    and memory_size in bytes; for the cpu the instruction set that the kernels use
    (isa) and the number of threads; for a gpu max_buffer_length and
    max_recommended_working_set_size in bytes.

    Raises:
        ValueError: The device does not exist.
    """

class array:
    """
    An immutable n-dimensional array: shape, strides, offset and dtype over shared
    storage. Views are free.

    The array may not be computed yet: anything that reads its elements waits first,
    and raises the error of the work if it failed.

    Args:
        val: A number, nested sequences of numbers or arrays, an array, or anything
            with DLPack or the buffer protocol. Always copied; :func:`asarray`
            shares. Python numbers become bool_, int32 (int64, uint64 where it does
            not fit), float32 or complex64; other dtypes are kept.
        dtype: The dtype, if it is to differ from that of val: one of upsweep's, its
            name, or NumPy's dtype of that name.

    Raises:
        TypeError: val is none of these, or has a dtype that upsweep lacks.
        ValueError: Nested sequences have non-uniform lengths.
        OverflowError: An integer does not fit in the dtype.
    """

    def __init__(self, val: object, dtype: None | DtypeLike = None) -> None: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the axes."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Distances between neighbours along each axis, in elements; any sign."""

    @property
    def offset(self) -> int:
        """Elements from the start of the storage to the first one."""

    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""

    @property
    def device(self) -> Device:
        """The device whose memory holds the elements."""

    @property
    def size(self) -> int:
        """The number of elements."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def nbytes(self) -> int:
        """The number of bytes of all elements."""

    @property
    def itemsize(self) -> int:
        """Bytes per element."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[array]: ...

    def __getitem__(self, index: int | slice | EllipsisType | None | tuple[int | slice | EllipsisType | None, ...]) -> array:
        """
        A view: integers take one element of an axis, slices (of any step) some, None
        adds an axis, and ... stands for the axes that the index leaves out.

        Raises:
            IndexError: An integer is out of bounds.
            ValueError: There are more indices than axes.
            TypeError: The index is something else, such as an array or a mask.
        """

    def __eq__(self, other: object, /) -> array:
        """
        Element by element after broadcasting, exact whatever the dtypes; bool_.
        """

    def __ne__(self, other: object, /) -> array:
        """
        Element by element after broadcasting, exact whatever the dtypes; bool_.
        """

    def __hash__(self) -> int:
        """
        By identity, as in MLX: equality is element by element and gives no hash.
        """

    def reshape(self, *shape: int | Sequence[int], stream: None | Stream | Device | DeviceType = None) -> array:
        """
        The same elements in row-major order, in another shape; one extent may be -1. A
        view if strides allow it, else a copy.

        Raises:
            ValueError: The shape has a different number of elements.
        """

    def transpose(self, *axes: None | int | Sequence[int]) -> array:
        """
        A view with the axes in the given order; reversed if none is given.

        Raises:
            IndexError: The array has no such axis.
            ValueError: An axis is missing or repeated.
        """

    @property
    def T(self) -> array:
        """A view with the axes reversed."""

    def astype(self, dtype: DtypeLike, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        The elements converted to dtype; the array itself if it has that dtype. To bool_
        tests for non-zero, complex to real drops the imaginary part, floats beyond an
        integer's range saturate, and NaN gives 0.
        """

    def flatten(self, /, start_axis: int = 0, end_axis: int = -1, *, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Merges the axes from start_axis to end_axis; a 0-d array gives shape (1,). A
        view if strides allow it, else a copy.

        Raises:
            IndexError: The array has no such axis.
            ValueError: start_axis lies after end_axis.
        """

    def swapaxes(self, /, axis1: int, axis2: int) -> array:
        """
        A view with two axes swapped.

        Raises:
            IndexError: The array has no such axis.
        """

    def moveaxis(self, /, source: int, destination: int) -> array:
        """
        A view with one axis moved to another position; the others keep their order.

        Raises:
            IndexError: The array has no such axis.
        """

    def squeeze(self, /, axis: None | int | Sequence[int] = None) -> array:
        """
        A view without axes of extent 1: the given ones, or all.

        Raises:
            IndexError: The array has no such axis.
            ValueError: An axis has another extent.
        """

    def expand_dims(self, /, axis: int | Sequence[int]) -> array:
        """
        A view with axes of extent 1 inserted at these positions of the result.

        Raises:
            IndexError: The result has no such axis.
        """

    def broadcast_to(self, /, shape: int | Sequence[int]) -> array:
        """
        A view of the given shape in which axes of extent 1, and axes added in front,
        repeat by stride 0.

        Raises:
            ValueError: The shapes do not match.
        """

    def item(self) -> Any:
        """
        The only element as a Python number.

        Raises:
            ValueError: There are more elements, or none.
        """

    def tolist(self) -> Any:
        """
        The elements as Python numbers in nested lists; one number for a 0-d array.
        """

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """
        A NumPy array: read-only over the same memory unless a copy is requested or
        needed. bfloat16 needs ml_dtypes.

        Raises:
            ImportError: NumPy is not installed.
            TypeError: NumPy does not know the dtype.
            ValueError: copy is False and dtype differs from that of the array.
        """

    def __bool__(self) -> bool: ...

    def __int__(self) -> int: ...

    def __float__(self) -> float: ...

    def __complex__(self) -> complex: ...

    def __index__(self) -> int: ...

    def __repr__(self) -> str: ...

    def __copy__(self) -> array: ...

    def __deepcopy__(self, memo: Any) -> array: ...

    def __getstate__(self) -> tuple[bytes, tuple[int, ...], Dtype]: ...

    def __setstate__(self, state: tuple[bytes, tuple[int, ...], Dtype], /) -> None: ...

    def __dlpack__(self, *, stream: None | int = None, max_version: None | tuple[int, int] = None, dl_device: None | tuple[int, int] = None, copy: None | bool = None) -> Any:
        """
        A DLPack capsule over the array's memory, which consumers must not write to.
        With copy=True or negative strides it holds a copy, which they may write to.

        Args:
            stream: For an array in a GPU's memory, the consumer's CUDA stream, which
                waits for the array; with -1 this call waits instead.
            dl_device: Where the memory should be: on the CPU, or where it is.

        Raises:
            BufferError: dl_device is another device, or copy is False and either strides are
                negative or the array is in a GPU's memory and dl_device is the CPU.
            ValueError: stream is given for an array in the CPU's memory, or is 0.
        """

    def __dlpack_device__(self) -> tuple[int, int]:
        """
        The DLPack number of the kind of device that has the array's memory, the CPU's or CUDA's, and the device's index.
        """

    @overload
    def cumprod(self, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Cumulative product along an axis, or of the flattened array.

        Element i of the result is the product of the elements up to i. Floating-point
        results are within 1 ulp of successive multiplication without intermediate
        rounding, whatever the length. They have the zeros, infinities and NaNs of
        successive multiplication, and the same bits on every run. Integers wrap; bool_
        is logical and.

        Args:
            a: An array or array-like of any shape, strides and dtype.
            axis: The axis, counted from the end when negative; None scans the flattened
                array.
            reverse: Scan from the last element to the first.
            inclusive: Whether an element counts in its own result. If not, the first
                result in scan order is 1.
            stream: Where to run: a stream, a device for its default stream, or None
                for the default stream of the default device.

        Returns:
            A new array of the shape of a, flattened where axis is None, and of its
            dtype.

        Raises:
            IndexError: The array has no such axis.
            TypeError: An argument is of the wrong type.
            MemoryError: The result does not fit into memory.

        Source:
            G. E. Blelloch, "Prefix sums and their applications", technical report
            CMU-CS-90-190, Carnegie Mellon University, 1990.
        """

    @overload
    def cumprod(self, /, *, axis: int | None, dtype: Any, out: Any) -> Any:
        """
        What NumPy's function calls: a NumPy array, of the dtype that NumPy's would have.
        """

    @overload
    def cumsum(self, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Cumulative sum along an axis, or of the flattened array.

        Floating-point sums are accumulated in wider arithmetic, are infinite or NaN
        where successive addition is, and have the same bits on every run. Integers
        wrap; bool_ gives int32.

        Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
        with 0.

        Returns:
            A new array of the shape of a, flattened where axis is None; int32 for
            bool_, otherwise of its dtype.
        """

    @overload
    def cumsum(self, /, *, axis: int | None, dtype: Any, out: Any) -> Any:
        """
        What NumPy's function calls: a NumPy array, of the dtype that NumPy's would have.
        """

    def cummax(self, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Cumulative maximum along an axis, or of the flattened array.

        NaN propagates from where it first appears; of equal elements the first one
        counts; complex64 is ordered by real part, then by imaginary part.

        Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
        with the smallest value of the dtype, -inf where there is one.

        Returns:
            A new array of the shape of a, flattened where axis is None, and of its
            dtype.
        """

    def cummin(self, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Cumulative minimum along an axis, or of the flattened array.

        NaN propagates from where it first appears; of equal elements the first one
        counts; complex64 is ordered by real part, then by imaginary part.

        Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
        with the largest value of the dtype, inf where there is one.

        Returns:
            A new array of the shape of a, flattened where axis is None, and of its
            dtype.
        """

    def logcumsumexp(self, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
        """
        Logarithm of the cumulative sum of exponentials along an axis, or of the
        flattened array.

        Intermediate results never overflow.

        Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
        with -inf.

        Returns:
            A new array of the shape of a, flattened where axis is None; float32 for
            integers and bool_, otherwise of its dtype.
        """

    def __buffer__(self, flags: int, /) -> memoryview: ...

def asarray(a: object, dtype: None | DtypeLike = None, *, copy: None | bool = None) -> array:
    """
    An array or array-like as an array. Shares its memory if it has DLPack or the
    buffer protocol, a supported dtype and aligned elements. Shared memory must not
    change while arrays use it.

    Args:
        a: A number, nested sequences of numbers or arrays, or an array-like.
        dtype: The dtype, if it is to differ from that of a.
        copy: True always copies, False raises if a copy is needed.

    Raises:
        TypeError: a is none of these, or has a dtype that upsweep lacks.
        ValueError: copy is False and a copy is needed, or nested sequences have
            non-uniform lengths.
        BufferError: a describes its memory in a way that makes no sense.
        OverflowError: An integer does not fit in the dtype.
    """

def from_dlpack(x: object, /, *, copy: None | bool = None) -> array:
    """
    An array over the memory of another library's array, which must not change while
    arrays use it; a copy if copy is True.

    Raises:
        TypeError: x does not speak DLPack, or has a dtype that upsweep does not.
        BufferError: The memory of x is on a device that upsweep does not use, its
            description makes no sense, or copy is False and a copy is needed.
    """

def scan_tensors(x: Any, op: str, axis: int, reverse: bool, inclusive: bool, initial: Any, reset: Any, /) -> Any:
    """
    :func:`scan` of a tensor whose type has __dlpack_c_exchange_api__, to a new one of
    its dtype. None is no initial value, or no reset. On a GPU the work is in the order of
    the library's current stream; only what upsweep leaves to the CPU is waited for.
    """

def recurrence_tensors(a: Any, b: Any, axis: int, reverse: bool, inclusive: bool, initial: Any, reset: Any, /) -> Any:
    """As scan_tensors, of :func:`linear_recurrence`."""

def recurrence_vjp_tensors(a: Any, b: Any, cotangent: Any, axis: int, reverse: bool, inclusive: bool, /) -> Any:
    """
    The gradients of :func:`linear_recurrence` for a cotangent of its results, as
    scan_tensors, of tensors of one shape and real dtype on the CPU. The result has one
    more axis, in front, of extent 2: for a and b.
    """

def cumprod_vjp_tensors(x: Any, cotangent: Any, axis: int, reverse: bool, inclusive: bool, reset: Any, /) -> Any:
    """As scan_tensors, of :func:`cumprod_vjp`."""

def cumprod_jvp_tensors(x: Any, tangent: Any, axis: int, reverse: bool, inclusive: bool, reset: Any, /) -> Any:
    """As scan_tensors, of :func:`cumprod_jvp`."""

def reshape(a: object, /, shape: int | Sequence[int], *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    The same elements in row-major order, in another shape; one extent may be -1. A
    view if strides allow it, else a copy.

    Raises:
        ValueError: The shape has a different number of elements.
    """

def transpose(a: object, /, axes: None | Sequence[int] = None) -> array:
    """
    A view with the axes in the given order; reversed if none is given.

    Raises:
        IndexError: The array has no such axis.
        ValueError: An axis is missing or repeated.
    """

def flatten(a: object, /, start_axis: int = 0, end_axis: int = -1, *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Merges the axes from start_axis to end_axis; a 0-d array gives shape (1,). A
    view if strides allow it, else a copy.

    Raises:
        IndexError: The array has no such axis.
        ValueError: start_axis lies after end_axis.
    """

def swapaxes(a: object, /, axis1: int, axis2: int) -> array:
    """
    A view with two axes swapped.

    Raises:
        IndexError: The array has no such axis.
    """

def moveaxis(a: object, /, source: int, destination: int) -> array:
    """
    A view with one axis moved to another position; the others keep their order.

    Raises:
        IndexError: The array has no such axis.
    """

def squeeze(a: object, /, axis: None | int | Sequence[int] = None) -> array:
    """
    A view without axes of extent 1: the given ones, or all.

    Raises:
        IndexError: The array has no such axis.
        ValueError: An axis has another extent.
    """

def expand_dims(a: object, /, axis: int | Sequence[int]) -> array:
    """
    A view with axes of extent 1 inserted at these positions of the result.

    Raises:
        IndexError: The result has no such axis.
    """

def broadcast_to(a: object, /, shape: int | Sequence[int]) -> array:
    """
    A view of the given shape in which axes of extent 1, and axes added in front,
    repeat by stride 0.

    Raises:
        ValueError: The shapes do not match.
    """

def zeros(shape: int | Sequence[int], dtype: None | DtypeLike = float32, *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    A new array of zeros.

    Raises:
        ValueError: An extent is negative.
        MemoryError: The array does not fit into memory.
    """

def ones(shape: int | Sequence[int], dtype: None | DtypeLike = float32, *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    A new array of ones.

    Raises:
        ValueError: An extent is negative.
        MemoryError: The array does not fit into memory.
    """

def full(shape: int | Sequence[int], vals: object, dtype: None | DtypeLike = None, *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    A new array of the given values, a number or an array-like broadcast to the
    shape, converted to dtype if one is given.

    Raises:
        ValueError: An extent is negative, or the values do not match the shape.
        MemoryError: The array does not fit into memory.
    """

def arange(start: int | float, stop: None | int | float = None, step: None | int | float = None, dtype: None | DtypeLike = None, *, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    A new array of start, start + step, ... below stop (above, for a negative step).
    A single bound is the stop, with a start of 0; the default step is 1. Integers
    give int32, or int64 if they do not fit; floats give float32.

    Raises:
        ValueError: step is 0, or a bound is not finite.
        MemoryError: The array does not fit into memory.
    """

def array_equal(a: object, b: object, equal_nan: bool = False, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Whether two arrays or array-likes have the same shape and equal elements,
    whatever their dtypes; a 0-d bool_ array.
    """

def allclose(a: object, b: object, /, rtol: float = 1e-05, atol: float = 1e-08, *, equal_nan: bool = False, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Whether ``abs(a - b) <= atol + rtol * abs(b)`` for all elements after
    broadcasting; a 0-d bool_ array.

    Raises:
        ValueError: The shapes cannot be broadcast.
    """

def cumprod(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Cumulative product along an axis, or of the flattened array.

    Element i of the result is the product of the elements up to i. Floating-point
    results are within 1 ulp of successive multiplication without intermediate
    rounding, whatever the length. They have the zeros, infinities and NaNs of
    successive multiplication, and the same bits on every run. Integers wrap; bool_
    is logical and.

    Args:
        a: An array or array-like of any shape, strides and dtype.
        axis: The axis, counted from the end when negative; None scans the flattened
            array.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result. If not, the first
            result in scan order is 1.
        stream: Where to run: a stream, a device for its default stream, or None
            for the default stream of the default device.

    Returns:
        A new array of the shape of a, flattened where axis is None, and of its
        dtype.

    Raises:
        IndexError: The array has no such axis.
        TypeError: An argument is of the wrong type.
        MemoryError: The result does not fit into memory.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """

def cumprod_tensor(tensor: Any, axis: object, reverse: object, inclusive: object, /) -> Any:
    """
    As :func:`cumprod`, of a tensor whose
    type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
    library's current stream. None unless axis is an int within bounds, the flags are True
    or False, and the result has the dtype of the tensor.
    """

def cumsum(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Cumulative sum along an axis, or of the flattened array.

    Floating-point sums are accumulated in wider arithmetic, are infinite or NaN
    where successive addition is, and have the same bits on every run. Integers
    wrap; bool_ gives int32.

    Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
    with 0.

    Returns:
        A new array of the shape of a, flattened where axis is None; int32 for
        bool_, otherwise of its dtype.
    """

def cumsum_tensor(tensor: Any, axis: object, reverse: object, inclusive: object, /) -> Any:
    """
    As :func:`cumsum`, of a tensor whose
    type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
    library's current stream. None unless axis is an int within bounds, the flags are True
    or False, and the result has the dtype of the tensor.
    """

def cummax(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Cumulative maximum along an axis, or of the flattened array.

    NaN propagates from where it first appears; of equal elements the first one
    counts; complex64 is ordered by real part, then by imaginary part.

    Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
    with the smallest value of the dtype, -inf where there is one.

    Returns:
        A new array of the shape of a, flattened where axis is None, and of its
        dtype.
    """

def cummax_tensor(tensor: Any, axis: object, reverse: object, inclusive: object, /) -> Any:
    """
    As :func:`cummax`, of a tensor whose
    type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
    library's current stream. None unless axis is an int within bounds, the flags are True
    or False, and the result has the dtype of the tensor.
    """

def cummin(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Cumulative minimum along an axis, or of the flattened array.

    NaN propagates from where it first appears; of equal elements the first one
    counts; complex64 is ordered by real part, then by imaginary part.

    Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
    with the largest value of the dtype, inf where there is one.

    Returns:
        A new array of the shape of a, flattened where axis is None, and of its
        dtype.
    """

def cummin_tensor(tensor: Any, axis: object, reverse: object, inclusive: object, /) -> Any:
    """
    As :func:`cummin`, of a tensor whose
    type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
    library's current stream. None unless axis is an int within bounds, the flags are True
    or False, and the result has the dtype of the tensor.
    """

def logcumsumexp(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    Logarithm of the cumulative sum of exponentials along an axis, or of the
    flattened array.

    Intermediate results never overflow.

    Args, errors and source are those of :func:`cumprod`; the exclusive scan starts
    with -inf.

    Returns:
        A new array of the shape of a, flattened where axis is None; float32 for
        integers and bool_, otherwise of its dtype.
    """

def logcumsumexp_tensor(tensor: Any, axis: object, reverse: object, inclusive: object, /) -> Any:
    """
    As :func:`logcumsumexp`, of a tensor whose
    type has __dlpack_c_exchange_api__, to a new one on its device, in the order of the
    library's current stream. None unless axis is an int within bounds, the flags are True
    or False, and the result has the dtype of the tensor.
    """

class Carry:
    """
    What lines of elements amount to, for a scan that goes on where another one
    ended: ``scan(b, op, initial=carry(a, op))`` is the second part of the scan of a
    and b together. Made by :func:`carry`; immutable.

    Each line has one record: the prefix, rounded nowhere and out of the range of
    the dtype where a scan would be; the total without regard to that range; the
    range that the prefixes went through; and what the elements do to a prefix that
    has left it. ``numpy.asarray(carry)`` gives the records as a structured array,
    and ``Carry(op, dtype, records)`` takes them back. The fields are described at
    ``CarryRecord`` in the C++ reference; ``Carry.version`` counts their layouts.

    Args:
        op: The operator: "prod", "sum", "max", "min" or "logaddexp".
        dtype: The dtype of the scan's results.
        records: A structured array as ``numpy.asarray(carry)`` gives it.
        reverse: Whether the lines run backwards.

    Raises:
        TypeError: The operator has no results of the dtype, or records is no such
            array.
    """

    def __init__(self, op: str, dtype: DtypeLike, records: Any, *, reverse: bool = False) -> None: ...

    version: int = 1

    @property
    def op(self) -> str:
        """The operator."""

    @property
    def dtype(self) -> Dtype:
        """The dtype of the scan's results."""

    @property
    def reverse(self) -> bool:
        """Whether the lines run backwards."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the scanned array without the axis; () for one line."""

    @property
    def is_decided(self) -> bool:
        """
        Whether the results so far are known, of all lines. Those of :func:`carry` are. Those of :meth:`then` are not if a product or sum may have left the range of the dtype on the way: then only the elements can tell.
        """

    def then(self, next: Carry) -> Carry:
        """
        The carry of these lines followed by those of next, in scan order. It is
        associative up to rounding, and may be undecided.

        Raises:
            ValueError: op, dtype, direction or shape differ.
        """

    def value(self) -> array:
        """
        The results so far, rounded to the dtype; of the shape of the carry.

        Raises:
            ValueError: A line is undecided.
        """

    def mantissa_exponent(self) -> tuple[array, array]:
        """
        The products of all elements, which here cannot leave the range: float64
        mantissas of 0.5 to below 1 and int64 exponents, as in frexp. A zero, infinite
        or NaN mantissa has the exponent 0.

        Raises:
            ValueError: op is not "prod", or the dtype not a real one.
        """

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

    def __getstate__(self) -> tuple[int, str, Dtype, bool, tuple[int, ...], bytes]: ...

    def __setstate__(self, state: tuple[int, str, Dtype, bool, tuple[int, ...], bytes], /) -> None: ...

    def __repr__(self) -> str: ...

def scan(a: object, /, op: str, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, initial: object = None, reset: object = None, dtype: None | DtypeLike = None, include_initial: bool = False, skipna: bool = False, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    A scan along an axis, or of the flattened array, with every option. Results are
    those of the operator's own function, :func:`cumprod` and so on, and keep its
    contract whatever they start with.

    Args:
        a: An array or array-like of any shape, strides and dtype.
        op: "prod", "sum", "max", "min" or "logaddexp".
        axis: The axis, counted from the end when negative; None scans the flattened
            array.
        reverse: Scan from the last element to the first.
        inclusive: Whether an element counts in its own result.
        initial: What each line starts with, as if it were an element before the
            first: a number, an array of the shape of a without the axis, or a
            :class:`Carry`. None is the identity.
        reset: Where new segments start, each from the identity: a bool_ mask of the
            shape of a, True at the first element of a segment in scan order; or,
            for one axis, integer offsets of the segments, which do not decrease.
        dtype: The dtype to which a is converted first, and of the result.
        include_initial: One more element along the axis, before the first in scan
            order: what the line starts with.
        skipna: NaN in a counts as the identity, whatever the dtype.
        stream: Where to run: a stream, a device for its default stream, or None
            for the default stream of the default device.

    Returns:
        A new array of the shape of a, flattened where axis is None, with one more
        element along the axis if include_initial is True.

    Raises:
        IndexError: The array has no such axis.
        TypeError: An argument is of the wrong type, or initial has a dtype that the
            scan cannot compute in.
        ValueError: op is unknown, initial or reset does not fit a, the carry is
            undecided, or include_initial is True and inclusive False.
        MemoryError: The result does not fit into memory.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990; segmented scans are in its
        section 1.5.
    """

def carry(a: object, /, op: str, axis: int | None = None, *, reverse: bool = False, initial: object = None, stream: None | Stream | Device | DeviceType = None) -> Carry:
    """
    What each line of an array amounts to, for a scan that goes on after it. Reads
    the array once and writes one record for each line. Waits for the result.

    Args, errors and source are those of :func:`scan`.

    Returns:
        A :class:`Carry` of the shape of a without the axis; () where axis is
        None.
    """

def cumprod_frexp(a: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, initial: object = None, stream: None | Stream | Device | DeviceType = None) -> tuple[array, array]:
    """
    Cumulative products that cannot leave the range, as mantissas and exponents:
    each product is mantissa * 2**exponent, within 1 ulp of the mantissa.

    As in frexp, magnitudes of mantissas are from 0.5 to below 1; a zero, infinite
    or NaN mantissa has the exponent 0.

    Args, errors and source are those of :func:`scan`; complex64 is a TypeError. Of
    a :class:`Carry` as initial, the total counts, so it may be undecided.

    Returns:
        The mantissas, of the dtype of a (float32 for integers and bool_), and the
        exponents, as int32, which stay at 2**30 beyond it; both of the shape of a,
        flattened where axis is None.
    """

def cumulative_prod(x: object, /, *, axis: int | None = None, dtype: None | DtypeLike = None, include_initial: bool = False) -> array:
    """
    Cumulative product, as the array API standard (2023.12) has it.

    Args:
        x: An array or array-like with at least one axis.
        axis: The axis; it may be left out only if there is one.
        dtype: The dtype of the result, to which x is converted first. Without it,
            integers and bool_ give int64, and unsigned integers uint64.
        include_initial: Whether the result begins with a 1.

    Raises:
        ValueError: x has no axis, or several and axis is None.
        IndexError: x has no such axis.
    """

def cumulative_sum(x: object, /, *, axis: int | None = None, dtype: None | DtypeLike = None, include_initial: bool = False) -> array:
    """
    Cumulative sum, as the array API standard (2023.12) has it.

    Args and errors are those of :func:`cumulative_prod`; include_initial begins the
    result with a 0.
    """

def linear_recurrence(a: object, b: object, /, axis: int = -1, *, reverse: bool = False, inclusive: bool = True, initial: object = None, reset: object = None, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    The linear recurrence h[i] = a[i] * h[i - 1] + b[i] along an axis.

    h is followed in wider arithmetic, whose exponent cannot overflow, and only
    rounded for the result: a result is infinite only if h itself rounds to
    infinity, and later results do not depend on that. With S[i] the same recurrence
    of the magnitudes of a, b and initial, the error is at most half an ulp of h[i]
    plus (i + 2) * u * S[i]. On the CPU, u is 2^-53 for float64, 2^-50 for complex64
    and 2^-52 for the others; on a GPU it is 2^-44. Results have the same bits on
    every run. If elements are infinite or NaN, results are those of a loop in IEEE
    arithmetic.

    Args:
        a: The factors, an array, array-like or number.
        b: The terms. a and b broadcast. Both must have the same dtype, one of
            float16, bfloat16, float32, float64 and complex64, or be integers or
            bool_, which gives float32. A Python number, or a list of them, takes
            the dtype of the other one.
        axis: The axis, counted from the end when negative.
        reverse: Run from the last element to the first.
        inclusive: Whether element i of the result is h[i]. If not, it is h[i - 1].
        initial: What h starts with: a number, or an array of the shape of the
            result without the axis, which is converted to the dtype; None is 0.
        reset: Where h[i - 1] counts as 0, whatever a[i] is: a bool_ array of the
            shape of the result; or, for one axis, integer offsets of segments, as
            those of :func:`scan`.
        stream: Where to run: a stream, a device for its default stream, or None
            for the default stream of the default device.

    Returns:
        A new array of the broadcast shape and the dtype of a and b.

    Raises:
        IndexError: The result has no such axis.
        TypeError: An argument is of the wrong type or dtype.
        ValueError: Shapes do not match, or neither a nor b has an axis.
        MemoryError: The result does not fit into memory.

    Source:
        G. E. Blelloch, "Prefix sums and their applications", technical report
        CMU-CS-90-190, Carnegie Mellon University, 1990.
    """

def cumprod_vjp(a: object, cotangent: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, reset: object = None, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    The gradient of a cumulative product: of sum(cotangent * cumprod(a, ...)) with
    respect to a.

    Element k is the sum of cotangent[i] times the product of the elements up to i
    other than k, over all i from k on. Nothing is divided: it is right at zeros,
    one or many. It is the derivative of the exact product, so a product that leaves
    the range of the dtype on the way does not make it 0 or NaN; only the result is
    rounded. With S the sum of the magnitudes of these terms and n the number of
    elements of the line, or of the segment between resets, the error is at most
    half an ulp of the result plus (2 n + 4) * u * S, where u is 2^-53 for float64,
    2^-50 for complex64 and 2^-52 for the others, or 2^-44 for those on a GPU, but
    not with a reset.
    Results have the same bits on every run. If elements are infinite or NaN,
    the products and sums follow IEEE arithmetic.

    Args:
        a: An array or array-like of any shape and strides; float16, bfloat16,
            float32, float64 or complex64.
        cotangent: How much each element of cumprod(a, ...) counts: of the dtype of
            a and of the shape of that result, or one that broadcasts to it.
        axis, reverse, inclusive: As those of :func:`cumprod`.
        reset: Where the product starts afresh, as that of :func:`scan`: a bool_
            array of the shape of a; or, for one axis, integer offsets of segments.
            Zeros, infinities and NaNs of one segment do not reach another. A GPU
            leaves derivatives with a reset to the CPU.
        stream: Where to run: a stream, a device for its default stream, or None
            for the default stream of the default device.

    Returns:
        A new array of the shape and dtype of a. The transposed derivative of
        complex64 is not conjugated.

    Raises:
        IndexError: a has no such axis.
        TypeError: An argument is of the wrong type or dtype.
        ValueError: The cotangent or the reset does not fit a.
        MemoryError: The result does not fit into memory.
    """

def cumprod_jvp(a: object, tangent: object, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, reset: object = None, stream: None | Stream | Device | DeviceType = None) -> array:
    """
    The derivative of a cumulative product along a tangent: by how much
    cumprod(a, ...) changes, to first order, where a changes by the tangent.

    Element i is the sum of tangent[k] times the product of the elements up to i
    other than k, over all k up to i. Accuracy, arguments and errors are those of
    :func:`cumprod_vjp`, but that the tangent has the shape of a, or one that
    broadcasts to it.

    Returns:
        A new array of the shape of a, flattened where axis is None, and of its
        dtype.
    """

def get_active_memory() -> int:
    """
    Bytes that arrays hold now; memory shared with other libraries does not count.
    """

def get_peak_memory() -> int:
    """
    The largest :func:`get_active_memory` since the start or :func:`reset_peak_memory`.
    """

def reset_peak_memory() -> None:
    """Resets :func:`get_peak_memory` to what is active now."""

def get_cache_memory() -> int:
    """Bytes of freed buffers that are kept for the next array."""

def clear_cache() -> None:
    """
    Returns the cached buffers to the system, and what the kernels of an NVIDIA GPU keep
    between them, for which it waits until the GPU is idle.
    """

def set_memory_limit(limit: int) -> int:
    """
    Sets the limit of active memory in bytes and returns the previous one. An array
    that would exceed it raises MemoryError, and nothing is lost.

    The limit starts as the memory of the machine, or of its control group.
    """

def get_memory_limit() -> int:
    """The limit of active memory in bytes."""

def set_cache_limit(limit: int) -> int:
    """
    Sets how many bytes of freed buffers are kept, and returns the previous limit.
    """

def get_num_threads() -> int:
    """
    How many threads work of the CPU may use: at first ``UPSWEEP_NUM_THREADS``, or one for each usable processor.
    """

def set_num_threads(n: int) -> int:
    """
    Sets how many threads work of the CPU may use, and returns the previous number.
    Results never depend on it.

    Raises:
        ValueError: n is not between 1 and 1024.
    """

def described(function: object, parse: object, complaint: object) -> object:
    """
    The function as inspect, help and pickle want it: parse makes a signature of its text, and complaint the text of an error of a signature's text and the arguments that do not fit.
    """

def set_printoptions(*, precision: None | int = None, edgeitems: int = 3) -> dict[str, Any]:
    """
    Sets how arrays print, in the whole process. An option that is left out returns
    to its default.

    Args:
        precision: Significant digits of floating-point numbers. None prints the
            fewest digits that give the number back when they are read.
        edgeitems: How many elements are shown at either end of an axis; the middle
            of an axis with more than twice as many is left out.

    Returns:
        The options before, for ``set_printoptions(**before)``.

    Raises:
        ValueError: An option is less than 1, or precision more than 100.
    """
