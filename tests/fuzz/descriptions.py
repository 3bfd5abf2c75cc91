"""Descriptions of memory from bytes: valid ones, in which some fields are then changed
to anything."""

from dataclasses import dataclass
from typing import Any

from layouts import read_layout, read_shape
from source import Source, tiled
from support import DTYPES, numpy_dtype

FORMS = ["dltensor", "dltensor_versioned", "buffer"]
MOST_ELEMENTS = 256
MOST_BYTES = 4096
# The limits of C's integers, and values that importers treat specially.
EDGES = [0, 1, -1, 2, 3, 8, 16, 63, 64, 65, 128, 1 << 16, 1 << 31, 1 << 32, 1 << 40,
         1 << 59, 1 << 60, 1 << 61, 1 << 62, (1 << 63) - 1, 1 << 63, -(1 << 31),
         -(1 << 60), -(1 << 61), -(1 << 62)]  # fmt: skip
CODES = {"b": 6, "u": 1, "i": 0, "f": 2, "c": 5}
FORMATS = {"bool_": b"?", "uint8": b"B", "uint16": b"H", "uint32": b"I",
           "uint64": b"Q", "int8": b"b", "int16": b"h", "int32": b"i",
           "int64": b"q", "float16": b"e", "float32": b"f", "float64": b"d",
           "complex64": b"Zf"}  # fmt: skip
OTHER_FORMATS = [None, b"", b"l", b"L", b"n", b"N", b"=l", b"@L", b"<q", b"=d", b"@f",
                 b">f", b"!H", b">B", b"!?", b"F", b"Zd", b"D", b"g", b"c", b"P", b"s",
                 b"2f", b"ff", b" f", b"f ", b"T{f:a:}", b"\xff", b"<", b"=", b"@@f",
                 b"Z", b"f" * 300]  # fmt: skip
DL_FIELDS = ["data", "byte_offset", "ndim", "shape", "strides", "extent", "stride",
             "type", "id", "code", "bits", "lanes", "major", "minor", "flags",
             "deleter", "said", "dtype"]  # fmt: skip
BUFFER_FIELDS = ["data", "len", "itemsize", "readonly", "ndim", "format", "shape",
                 "strides", "extent", "stride", "suboffsets", "any format"]  # fmt: skip


@dataclass
class Description:
    form: str
    entry: str
    copy: bool | None
    dtype: str
    content: bytes
    # For both forms; data is relative to the content unless it is absolute.
    data: int
    shape: list | None
    strides: list | None  # DLPack: in elements; buffers: in bytes
    ndim: int
    is_absolute: bool
    fields: dict[str, Any]  # specific to the form


def read(data):
    source = Source(data)
    form = source.pick(FORMS)
    is_buffer = form == "buffer"
    entry = source.pick(["asarray", "array"] if is_buffer
                        else ["from_dlpack", "asarray", "array"])  # fmt: skip
    copy = source.pick([None, None, True, False])
    dtype = source.pick([*FORMATS] if is_buffer else DTYPES)
    itemsize = numpy_dtype(dtype).itemsize
    ndim = source.byte()
    ndim = ndim - 189 if ndim >= 250 else ndim % 6
    shape = read_shape(source, ndim, MOST_ELEMENTS)
    layout = read_layout(source, shape, itemsize, MOST_BYTES, skewed=is_buffer)
    strides = list(layout.strides)
    if not is_buffer:
        strides = [stride // itemsize for stride in strides]
    is_dense, split = source.byte() & 1, source.byte()
    if is_dense and layout.strides == dense_strides(shape, itemsize):
        strides = None
    byte_offset = 0 if is_buffer else min(split, layout.offset)
    fields = (
        buffer_fields(dtype, shape)
        if is_buffer
        else dl_fields(dtype, byte_offset, source.byte())
    )
    description = Description(
        form, entry, copy, dtype, b"", layout.offset - byte_offset, list(shape),
        strides, ndim, False, fields,
    )  # fmt: skip
    for _ in range(source.byte() % 4):
        change(description, source)
    description.content = tiled(source.rest(), layout.nbytes).tobytes()
    return description


def dense_strides(shape, itemsize):
    strides = []
    for extent in shape[::-1]:
        strides.append(itemsize)
        itemsize *= extent
    return tuple(strides[::-1])


def dl_fields(dtype, byte_offset, choice):
    code = 4 if dtype == "bfloat16" else CODES[numpy_dtype(dtype).kind]
    return {
        "byte_offset": byte_offset,
        "type": 3 if choice & 1 else 1,
        "id": 0,
        "code": code,
        "bits": 8 * numpy_dtype(dtype).itemsize,
        "lanes": 1,
        "major": 1,
        "minor": choice >> 2,
        "flags": choice >> 1 & 3,
        "deleter": True,
        "said": (1, 0) if choice & 128 else None,
    }


def buffer_fields(dtype, shape):
    itemsize = numpy_dtype(dtype).itemsize
    nbytes = itemsize
    for extent in shape:
        nbytes *= extent
    return {
        "len": nbytes,
        "itemsize": itemsize,
        "readonly": 1,
        "format": FORMATS[dtype],
        "suboffsets": None,
    }


def any_number(source):
    kind = source.byte()
    if kind == 255:
        return source.number(signed=True)
    beside = source.byte() - 128 if kind & 128 else 0
    return EDGES[kind % 128 % len(EDGES)] + beside


def change(description, source):
    """Changes one field to anything that it can hold."""
    is_buffer = description.form == "buffer"
    field = source.pick(BUFFER_FIELDS if is_buffer else DL_FIELDS)
    fields = description.fields
    if field == "data":
        is_null = source.byte() & 1
        description.is_absolute = True
        description.data = 0 if is_null else any_number(source) % (1 << 64)
    elif field == "ndim":
        description.ndim = as_signed(any_number(source), 32)
    elif field in ("shape", "strides"):
        setattr(description, field, None)
    elif field in ("extent", "stride"):
        numbers = description.shape if field == "extent" else description.strides
        at, number = source.byte(), as_signed(any_number(source), 64)
        if numbers:
            numbers[at % len(numbers)] = number
    elif field == "deleter":
        fields["deleter"] = False
    elif field == "said":
        said = as_signed(any_number(source), 64), as_signed(any_number(source), 32)
        fields["said"] = said
    elif field == "dtype":
        fields["code"], fields["bits"] = source.byte() % 20, source.byte()
    elif field == "format":
        fields["format"] = source.pick([*FORMATS.values(), *OTHER_FORMATS])
    elif field == "any format":
        length = source.byte() % 4
        fields["format"] = bytes(source.byte() for _ in range(length))
    elif field == "suboffsets":
        numbers = [any_number(source) for _ in range(2)]
        fields["suboffsets"] = [as_signed(n, 64) for n in numbers]
    else:
        fields[field] = any_number(source)


def as_signed(number, width):
    """The number as a C integer of that width."""
    half = 1 << (width - 1)
    return (number + half) % (1 << width) - half
