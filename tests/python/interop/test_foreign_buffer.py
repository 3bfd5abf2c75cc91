"""Buffers whose fields have bad values: an error that names the field, or the right
elements, and in each case each buffer is released once. Then buffers of the standard
library, which omit optional fields."""

import ctypes
import re
import struct
import sys

import pytest
from foreign import cases, children
from foreign.cases import Gives, Raises, malformed
from foreign.tables import (
    TOO_LARGE,
    TOO_MANY,
    every_entry,
    floats,
    marks,
    nested,
    table,
)

pytestmark = marks

ENTRIES = ["asarray", "cumsum"]
by_buffer = pytest.mark.parametrize("entry", ENTRIES)

BUF = [
    ({"buf": None}, malformed("data")),
    ({"buf": None, "strides": (4,)}, malformed("data")),
    ({"buf": None, "shape": None, "content": floats(1)}, malformed("data")),
    ({"buf": None, "shape": (0,), "content": b""}, Gives([])),
    ({"buf": None, "shape": (2, 0), "content": b""}, Gives([[], []])),
    ({"shape": (0,), "content": b""}, Gives([])),
]

SHAPES = [
    ({}, Gives()),
    ({"shape": (2, 3), "content": floats(6)}, Gives([[1, 2, 3], [4, 5, 6]])),
    (
        {"shape": (2, 2, 2), "content": floats(8)},
        Gives([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    ),
    ({"shape": (1,) * 63 + (3,)}, Gives(nested([1, 2, 3], 63))),
    ({"shape": None, "content": floats(1)}, Gives(1)),
    ({"shape": None, "strides": (4,), "ndim": 0, "content": floats(1)}, Gives(1)),
    ({"shape": None, "ndim": 1}, malformed("shape")),
    ({"shape": None, "ndim": 1, "strides": (4,)}, malformed("shape")),
    ({"ndim": -1}, malformed("ndim")),
    ({"ndim": -(2**31)}, malformed("ndim")),
    ({"ndim": 65}, TOO_MANY),
    ({"ndim": 2**31 - 1}, TOO_MANY),
    ({"ndim": 65, "suboffsets": (-1,)}, TOO_MANY),
    ({"ndim": 2**31 - 1, "suboffsets": (-1,)}, TOO_MANY),
    ({"shape": (-1,)}, malformed("shape")),
    ({"shape": (3, -1), "strides": (4, 4)}, malformed("shape")),
    ({"shape": (0, -1)}, malformed("shape")),
    ({"shape": (-(2**63),)}, malformed("shape")),
    ({"shape": (2**40, 2**40)}, TOO_LARGE),
    ({"shape": (2**40, 2**40), "strides": (0, 0)}, TOO_LARGE),
    ({"shape": (2**32, 2**32), "strides": (0, 0)}, TOO_LARGE),
    ({"shape": (2**63 - 1,)}, TOO_LARGE),
    ({"shape": (2**61,), "strides": (0,)}, TOO_LARGE),
    # Too many elements for any array, but for the 0.
    (
        {"shape": (2**62, 2**62, 0), "content": b""},
        Gives([], shape=(2**62, 2**62, 0), or_else=TOO_LARGE),
    ),
]

UNALIGNED = [
    {"content": floats(3) + b"\xee", "strides": (4,)},
    {"content": floats(3) + b"\xee", "len": 12},
    # Not whole elements apart.
    {"content": b"\xee\xee".join([floats(3)[i : i + 4] for i in (0, 4, 8)])}
    | {"strides": (6,)},
]

STRIDES = [
    ({"strides": (4,)}, Gives()),
    ({"strides": (8,), "content": floats(5), "len": 12}, Gives([1, 3, 5])),
    ({"strides": (0,)}, Gives([1, 1, 1])),
    (
        {"shape": (3, 2), "strides": (4, 12), "content": floats(6)},
        Gives([[1, 4], [2, 5], [3, 6]]),
    ),
    *[(fields, Gives()) for fields in UNALIGNED],
    *[
        ({"strides": (stride,)}, malformed("strides"))
        for stride in [
            2**62,
            2**62 + 1,
            -(2**62),
            2**63 - 1,
            -(2**63),
            -(2**48),
        ]
    ],
    ({"shape": (3, 2), "strides": (4, 2**63 - 1)}, malformed("strides")),
    *[
        ({"shape": (1, 3), "strides": (stride, 4)}, Gives([[1, 2, 3]]))
        for stride in (2**62, 2**63 - 1, -(2**63), -1)
    ],
    ({"shape": (0,), "strides": (2**63 - 1,), "content": b""}, Gives([])),
]

SUBOFFSETS = [
    *[({"suboffsets": (s,)}, Gives()) for s in (-1, -5, -(2**63))],
    *[({"suboffsets": (s,)}, malformed("suboffsets")) for s in (0, 4, 2**63 - 1)],
    ({"suboffsets": (0,), "strides": (4,)}, malformed("suboffsets")),
    *[
        ({"shape": (1, 3), "suboffsets": pair}, malformed("suboffsets"))
        for pair in [(0, -1), (-1, 0)]
    ],
    ({"shape": (1, 3), "suboffsets": (-1, -1)}, Gives([[1, 2, 3]])),
]

LENGTHS = [
    *[({"len": n}, malformed("len")) for n in (0, 4, 11, 13, 16, -1, -12, 2**63 - 1)],
    ({"shape": None, "content": floats(1), "len": 8}, malformed("len")),
    ({"shape": (0,), "content": b"", "len": 4}, malformed("len")),
    # Strides say the same, and the length adds nothing.
    ({"len": 0, "strides": (4,)}, Gives(or_else=malformed("len"))),
]

OTHERS = [
    *[({"readonly": value}, Gives()) for value in (0, -1, 2**31 - 1)],
    ({"owned": False}, Gives()),
    ({"status": -1}, Raises((BufferError, TypeError), "")),
]


@by_buffer
@table([*BUF, *SHAPES, *STRIDES, *SUBOFFSETS, *LENGTHS, *OTHERS])
def test_fields(entry, fields, expected):
    children.run(cases.buffer, entry, expected, fields)


@pytest.mark.parametrize("fields", UNALIGNED)
def test_unaligned_elements_that_must_not_be_copied(fields):
    expected = Raises((ValueError,), "copy")
    children.run(cases.buffer, "asarray", expected, fields, {"copy": False})


# By letters: a dtype, and how struct packs its one or two numbers.
LETTERS = {
    "?": ("bool_", "?"),
    "b": ("int8", "b"),
    "B": ("uint8", "B"),
    "h": ("int16", "h"),
    "H": ("uint16", "H"),
    "i": ("int32", "i"),
    "I": ("uint32", "I"),
    "q": ("int64", "q"),
    "Q": ("uint64", "Q"),
    "e": ("float16", "e"),
    "f": ("float32", "f"),
    "d": ("float64", "d"),
    "F": ("complex64", "ff"),
    "Zf": ("complex64", "ff"),
}
NATIVE = ["", "@", "=", "<" if sys.byteorder == "little" else ">"]
FOREIGN = [">", "!"] if sys.byteorder == "little" else ["<"]


def elements(format, dtype, packed):
    """Fields of three elements, and the expected result."""
    values = [True, False, True] if dtype == "bool_" else [1, 2, 3]
    numbers = [n for v in values for n in (v, 0)[: len(packed)]]
    content = struct.pack(f"={packed[0] * len(numbers)}", *numbers)
    itemsize = len(content) // 3
    fields = {"format": format.encode(), "itemsize": itemsize, "content": content}
    return fields, Gives(values, dtype)


def names(format, types=(TypeError,)):
    return Raises(types, re.escape(format))


def longs():
    """A long has C's size in native order and 4 bytes in standard order; some exporters
    say standard and mean C's."""
    size = ctypes.sizeof(ctypes.c_long)
    for order in NATIVE:
        for bytes_ in {4, size} if order in NATIVE[2:] else {size}:
            yield elements(f"{order}l", f"int{8 * bytes_}", "i" if bytes_ == 4 else "q")
            yield elements(
                f"{order}L", f"uint{8 * bytes_}", "I" if bytes_ == 4 else "Q"
            )


def swapped():
    for order in FOREIGN:
        for letters, meaning in LETTERS.items():
            fields, expected = elements(order + letters, *meaning)
            one_byte = fields["itemsize"] == 1
            yield fields, expected if one_byte else Raises((TypeError,), "byte order")


def doubtful():
    """The struct module does not know these, or has a shorter form."""
    for format, letters in [("=n", "q"), ("<N", "Q"), ("^f", "f"), ("1f", "f")]:
        fields, expected = elements(format, *LETTERS[letters])
        yield fields, Gives(expected.values, expected.dtype, or_else=names(format))


KNOWN = [
    elements(order + letters, *meaning)
    for order in NATIVE
    for letters, meaning in LETTERS.items()
]
NO_FORMAT = (
    {"format": None, "itemsize": 1, "content": b"\1\2\3"},
    Gives(dtype="uint8"),
)
UNKNOWN = [
    ({"format": format.encode(), "itemsize": size, "content": bytes(3 * size)}, error)
    for size, formats in {
        1: ["", "c", "<c", "s", "p", "x", "@", "<", ">", "Z", "bB", "%s%n", "{}", "b "],
        4: ["w", "<u", "4s", "hh", "<<f", "f\n", " f", "ZZf", "fZ", "é", "<", "f<"],
        8: ["P", "<P", "O", "<z", "&<i", "X{}", "2f", "ff", "(2)f", "T{<f:a:<i:b:}"],
        16: ["Zd", "D", "g", "<g", "Zg", "<Zd", "2d"],
    }.items()
    for format in formats
    for error in [names(repr(format.encode())[1:])]
]
UNREADABLE = [
    ({"format": b"\xff\xfe"}, Raises((TypeError,), "format")),
    ({"format": b"f" * 100_000}, Raises((TypeError,), "format 'f{10}")),
]
ITEMSIZES = [
    (
        {"format": format, "itemsize": itemsize},
        names("itemsize", (BufferError, TypeError)),
    )
    for format, itemsizes in {
        b"B": [2, 4, 0, -1],
        b"b": [2],
        b"f": [8, 2, 0, -4, 2**62, 2**63 - 1, -(2**63)],
        b"d": [4],
        b"?": [4, 0],
        b"e": [4],
        b"h": [4],
        b"i": [8, 2],
        b"q": [4],
        b"l": [2, 0],
        b"<l": [2, 16],
        b"Zf": [4],
        None: [2, 4, 0],
    }.items()
    for itemsize in itemsizes
]


@by_buffer
@table(
    [
        *(NO_FORMAT, *KNOWN, *longs(), *swapped(), *doubtful()),
        *(*UNKNOWN, *UNREADABLE, *ITEMSIZES),
    ]
)
def test_formats(entry, fields, expected):
    children.run(cases.buffer, entry, expected, fields)


BFLOAT16 = struct.pack("3H", 0x3F80, 0x4000, 0x4040)
# What a buffer cannot say, or says wrongly, the object's capsule may say.
TWO_VOICES = [
    (
        {"format": b"B", "itemsize": 2, "content": BFLOAT16},
        {"dtype": (4, 16, 1), "content": BFLOAT16},
        Gives(dtype="bfloat16"),
    ),
    ({"format": b"Zd", "itemsize": 16}, {}, Gives()),
    ({"buf": None}, {}, Gives(or_else=malformed("data"))),
    ({"buf": None}, {"data": None}, malformed("data")),
    ({"format": b"Zd"}, {"dtype": (5, 128, 1)}, Raises((TypeError,), "complex128|Zd")),
]


@every_entry
@pytest.mark.parametrize(("fields", "capsule", "expected"), TWO_VOICES)
def test_buffers_of_objects_with_dlpack(entry, fields, capsule, expected):
    children.run(cases.buffer, entry, expected, fields, {}, capsule)


REFUSED = (BufferError, TypeError, ValueError)
REFUSALS = [
    ("released(memoryview(b'123'))", "released"),
    ("released(pickle.PickleBuffer(b'123'))", "released"),
    ("closed(mmap.mmap(-1, 3))", "closed"),
]


@by_buffer
@pytest.mark.parametrize(("source", "words"), REFUSALS)
def test_exporters_that_refuse(entry, source, words):
    expected = Raises(REFUSED, words, own=False)
    children.run(cases.expression, [entry], expected, source, ["mmap", "pickle"])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="has no __buffer__")
@by_buffer
@pytest.mark.parametrize("error", ["BufferError", "TypeError", "ValueError"])
def test_exporters_that_refuse_in_their_own_words(entry, error):
    expected = Raises(REFUSED, "the exporter's own words", own=False)
    children.run(cases.expression, [entry], expected, f"refusing({error})")


C_TYPES = {
    "c_bool": "bool_",
    **dict.fromkeys(["c_byte", "c_short", "c_int", "c_long", "c_longlong"], "int"),
    **dict.fromkeys(["c_ubyte", "c_ushort", "c_uint", "c_ulong"], "uint"),
    "c_ulonglong": "uint",
    "c_float": "float",
    "c_double": "float",
}


def c_arrays():
    for name, kind in C_TYPES.items():
        size = 8 * ctypes.sizeof(getattr(ctypes, name))
        dtype = kind if kind == "bool_" else f"{kind}{size}"
        one, two, three = (True, True, True) if kind == "bool_" else (1, 2, 3)
        c = f"ctypes.{name}"
        yield f"({c} * 3)(1, 2, 3)", Gives([one, two, three], dtype)
        yield f"({c} * 2 * 2)((1, 2), (3, 1))", Gives([[one, two], [three, one]], dtype)
        yield f"({c} * 0)()", Gives([], dtype)
        yield f"({c} * 0 * 2)()", Gives([[], []], dtype)
        yield f"{c}(1)", Gives(one, dtype)


# Without byte order, whatever their formats start with.
CHARACTERS = Raises((TypeError,), "^(?!.*byte order).*('<?c'|c_char)")
OF_C = [
    *c_arrays(),
    ("ctypes.create_string_buffer(b'123')", CHARACTERS),
    ("(ctypes.c_char * 3)(b'1', b'2', b'3')", CHARACTERS),
    ("(ctypes.c_wchar * 3)('1', '2', '3')", names("u'")),
    ("(ctypes.c_void_p * 3)()", names("P'")),
    ("(ctypes.c_char_p * 3)()", names("z'")),
    ("(ctypes.POINTER(ctypes.c_int) * 3)()", names("&<i")),
    ("(ctypes.c_longdouble * 3)()", names("'")),
    ("(structure(ctypes.Structure) * 3)()", names("T{")),
    ("(structure(ctypes.Union) * 3)()", names("itemsize", (BufferError, TypeError))),
    ("(swapped(ctypes.c_int) * 3)()", Raises((TypeError,), "byte order")),
    ("sharedctypes.RawArray('d', [1, 2, 3])", Gives(dtype="float64")),
    ("sharedctypes.RawArray('i', 3)", Gives([0, 0, 0], "int32")),
    ("sharedctypes.RawArray(ctypes.c_short * 2, 1)", Gives([[0, 0]], "int16")),
]
PACKED = "memoryview(array('f', [1, 2, 3]))"
OF_THE_LIBRARY = [
    *[
        (f"array('{code}', [1, 2, 3])", Gives(dtype=dtype))
        for code, (dtype, _) in LETTERS.items()
        if code in "bBhHiIqQfd"
    ],
    *[
        (f"array('{code}', [1, 2, 3])", Gives(dtype=f"{kind}{size}"))
        for size in [8 * ctypes.sizeof(ctypes.c_long)]
        for code, kind in [("l", "int"), ("L", "uint")]
    ],
    ("array('d')", Gives([], "float64")),
    (PACKED, Gives()),
    (f"{PACKED}.toreadonly()", Gives()),
    (f"{PACKED}[::2]", Gives([1, 3])),
    (f"{PACKED}[::-1]", Gives([3, 2, 1])),
    (f"{PACKED}[3:]", Gives([])),
    (f"{PACKED}.cast('B').cast('f', (1, 3))", Gives([[1, 2, 3]])),
    (f"{PACKED}.cast('B').cast('i')[:1]", Gives([0x3F800000], "int32")),
    (f"{PACKED}.cast('c')", CHARACTERS),
    ("memoryview(b'.' + struct.pack('2f', 1, 2))[1:].cast('f')", Gives([1, 2])),
    ("memoryview(b'\\0\\1\\0')[:].cast('?')", Gives([False, True, False], "bool_")),
    ("mmap.mmap(-1, 3)", Gives([0, 0, 0], "uint8")),
    ("pickle.PickleBuffer(bytearray(b'\\1\\2\\3'))", Gives(dtype="uint8")),
]


@pytest.mark.parametrize(
    ("source", "expected"), [*OF_C, *OF_THE_LIBRARY], ids=lambda value: str(value)[:60]
)
def test_standard_library(source, expected):
    modules = ["mmap", "multiprocessing.sharedctypes", "pickle"]
    children.run(cases.expression, ENTRIES, expected, source, modules)


@by_buffer
def test_shared_memory(entry):
    children.run(cases.shared_memory, entry)
