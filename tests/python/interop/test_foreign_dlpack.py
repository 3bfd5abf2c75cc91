"""DLPack capsules whose fields have bad values: an error that names the field, or
the right elements, and in each case the deleter is called once."""

import struct

import pytest
from foreign import cases, children
from foreign.cases import Gives, Raises, malformed
from foreign.tables import (
    TOO_LARGE,
    TOO_MANY,
    either_form,
    every_entry,
    floats,
    marks,
    nested,
    table,
)

pytestmark = marks

LANES = Raises((TypeError,), "lanes")


DATA = [
    ({"data": None}, malformed("data")),
    ({"data": None, "byte_offset": 4096}, malformed("data")),
    ({"data": None, "shape": (), "strides": None}, malformed("data")),
    ({"data": None, "shape": (0,)}, Gives([])),
    ({"data": None, "shape": (2, 0), "strides": None}, Gives([[], []])),
    ({"data": None, "shape": (0, 3), "strides": None}, Gives([], shape=(0, 3))),
    ({"byte_offset": 4, "shape": (2,)}, Gives([2, 3])),
    ({"byte_offset": 8, "shape": (1,)}, Gives([3])),
    ({"byte_offset": 2**64 - 1}, malformed("byte_offset")),
    ({"byte_offset": 2**64 - 4}, malformed("byte_offset")),
    ({"byte_offset": 2**63}, malformed("byte_offset")),
    ({"byte_offset": 2**64 - 1, "data": None, "shape": (0,)}, Gives([])),
]

DEVICES = [
    *[({"device": (1, i)}, Gives()) for i in (0, 1, 99, -1, 2**31 - 1)],
    *[({"device": (3, i)}, Gives()) for i in (0, 7)],
    *[
        ({"device": (t, 0)}, malformed("device"))
        for t in (-1, 0, 2, 4, 7, 8, 10, 13, 14, 99, 2**31 - 1, -(2**31))
    ],
]

SHAPES = [
    ({"shape": None, "strides": None, "ndim": 0}, Gives(1)),
    ({"shape": None, "ndim": 0}, Gives(1)),
    ({"shape": None, "strides": None, "ndim": 1}, malformed("shape")),
    ({"shape": None, "ndim": 1}, malformed("shape")),
    ({"ndim": -1}, malformed("ndim")),
    ({"ndim": -(2**31)}, malformed("ndim")),
    ({"shape": None, "strides": None, "ndim": -1}, malformed("ndim")),
    ({"ndim": 65}, TOO_MANY),
    ({"ndim": 2**31 - 1}, TOO_MANY),
    ({"shape": None, "strides": None, "ndim": 65}, TOO_MANY),
    ({"shape": (-1,)}, malformed("shape")),
    ({"shape": (3, -1), "strides": (1, 1)}, malformed("shape")),
    ({"shape": (0, -1), "strides": None}, malformed("shape")),
    ({"shape": (-(2**63),)}, malformed("shape")),
    ({"shape": (2**40, 2**40), "strides": None}, TOO_LARGE),
    ({"shape": (2**40, 2**40), "strides": (1, 1)}, TOO_LARGE),
    ({"shape": (2**40, 2**40), "strides": (0, 0)}, TOO_LARGE),
    ({"shape": (2**32, 2**32), "strides": (0, 0)}, TOO_LARGE),
    ({"shape": (2**63 - 1,), "strides": None}, TOO_LARGE),
    ({"shape": (2**62,)}, TOO_LARGE),
    ({"shape": (2**61,), "strides": (0,)}, TOO_LARGE),
    # Too many elements for any array, but for the 0.
    (
        {"shape": (2**62, 2**62, 0), "strides": None},
        Gives([], shape=(2**62, 2**62, 0), or_else=TOO_LARGE),
    ),
    (
        {"shape": (1,) * 63 + (3,), "strides": None},
        Gives(nested([1, 2, 3], 63)),
    ),
]

STRIDES = [
    ({"strides": None}, Gives()),
    (
        {"content": floats(6), "shape": (2, 3), "strides": None},
        Gives([[1, 2, 3], [4, 5, 6]]),
    ),
    (
        {"content": floats(8), "shape": (2, 2, 2), "strides": None},
        Gives([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    ),
    (
        {"content": floats(6), "shape": (3, 2), "strides": (1, 3)},
        Gives([[1, 4], [2, 5], [3, 6]]),
    ),
    ({"content": floats(5), "strides": (2,)}, Gives([1, 3, 5])),
    ({"strides": (0,)}, Gives([1, 1, 1])),
    ({"shape": (2, 3), "strides": (0, 1)}, Gives([[1, 2, 3], [1, 2, 3]])),
    ({"strides": (-1,), "byte_offset": 8}, Gives([3, 2, 1])),
    (
        {
            "content": floats(6),
            "shape": (2, 3),
            "strides": (3, -1),
            "byte_offset": 8,
        },
        Gives([[3, 2, 1], [6, 5, 4]]),
    ),
    # Byte counts that wrap to 0, to one element, and to no multiple of it; then strides
    # that fit, whose sum does not, or goes below 0.
    *[
        ({"strides": (stride,)}, malformed("strides"))
        for stride in [
            2**62,
            2**62 + 1,
            -(2**62),
            2**63 - 1,
            -(2**63),
            2**61,
            -(2**61),
            2**60,
            -(2**60),
            -(2**46),
        ]
    ],
    ({"shape": (3, 2), "strides": (1, 2**62)}, malformed("strides")),
    *[
        ({"shape": (1, 3), "strides": (stride, 1)}, Gives([[1, 2, 3]]))
        for stride in (2**62, 2**63 - 1, -(2**63), -1)
    ],
    ({"shape": (0,), "strides": (2**62,)}, Gives([])),
    ({"shape": (2, 0), "strides": (-(2**63), 2**63 - 1)}, Gives([[], []])),
]

# Unaligned floats: the address itself is unaligned, or byte_offset makes it so.
UNALIGNED = [
    {"content": floats(3) + b"\xee"},
    {"content": b"\xee" + floats(3) + b"\xee" * 3, "byte_offset": 1},
]
UNALIGNED_VALUES = [
    *[(fields, Gives()) for fields in UNALIGNED],
    (
        {
            "content": floats(3) + b"\xee",
            "shape": (1,) * 63 + (3,),
            "strides": None,
        },
        Gives(nested([1, 2, 3], 63)),
    ),
    (
        {"content": struct.pack("3d", 1, 2, 3) + b"\xee" * 4, "dtype": (2, 64, 1)},
        Gives(dtype="float64"),
    ),
    (
        {"content": struct.pack("3h", 1, 2, 3) + b"\xee", "dtype": (0, 16, 1)},
        Gives(dtype="int16"),
    ),
    (
        {
            "content": struct.pack("4f", 1, 2, 3, 4) + b"\xee",
            "dtype": (5, 64, 1),
            "shape": (2,),
        },
        Gives([1 + 2j, 3 + 4j], dtype="complex64"),
    ),
]

OTHERS = [
    ({"deleter": None}, Gives()),
    ({"deleter": None, "data": None}, malformed("data")),
    ({"manager_ctx": None}, Gives()),
    ({"manager_ctx": 0xDEAD}, Gives()),
]


@every_entry
@either_form
@table([*DATA, *DEVICES, *SHAPES, *STRIDES, *UNALIGNED_VALUES, *OTHERS])
def test_fields(entry, form, fields, expected):
    children.run(cases.dlpack, entry, expected, {"form": form, **fields})


VERSION = malformed("version")
VERSIONED = [
    *[({"version": (1, minor)}, Gives()) for minor in (0, 1, 99, 2**32 - 1)],
    *[({"version": (0, minor)}, Gives()) for minor in (0, 1, 99)],
    *[({"version": (major, 0)}, VERSION) for major in (2, 3, 2**31, 2**32 - 1)],
    *[({"flags": flags}, Gives()) for flags in (1, 2, 3, 4, 2**63, 2**64 - 1)],
]


@every_entry
@table(VERSIONED)
def test_fields_of_the_versioned_form(entry, fields, expected):
    fields = {"form": "dltensor_versioned", **fields}
    children.run(cases.dlpack, entry, expected, fields)


# By code and bits: a dtype, and how struct packs one element of it.
DTYPES = {
    (0, 8): ("int8", "b"),
    (0, 16): ("int16", "h"),
    (0, 32): ("int32", "i"),
    (0, 64): ("int64", "q"),
    (1, 8): ("uint8", "B"),
    (1, 16): ("uint16", "H"),
    (1, 32): ("uint32", "I"),
    (1, 64): ("uint64", "Q"),
    (2, 16): ("float16", "e"),
    (2, 32): ("float32", "f"),
    (2, 64): ("float64", "d"),
    (4, 16): ("bfloat16", None),
    (5, 64): ("complex64", None),
    (6, 8): ("bool_", "?"),
}
BFLOAT16 = struct.pack("3H", 0x3F80, 0x4000, 0x4040)
COMPLEX64 = struct.pack("6f", 1, 4, 2, 5, 3, 6)


def elements(code, bits):
    """Fields of three elements, and the expected result."""
    dtype, letter = DTYPES.get((code, bits), (None, None))
    fields = {"dtype": (code, bits, 1), "content": bytes(64)}
    values = {"complex64": [1 + 4j, 2 + 5j, 3 + 6j], "bool_": [True, False, True]}
    wanted = values.get(dtype, [1, 2, 3])
    if dtype is None:
        return fields, Raises((TypeError,), rf"(?<!\d){bits}(?!\d)")
    content = {"bfloat16": BFLOAT16, "complex64": COMPLEX64}.get(dtype)
    fields["content"] = content or struct.pack(f"3{letter}", *wanted)
    return fields, Gives(wanted, dtype)


@pytest.mark.parametrize("bits", [0, 1, 4, 6, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("code", [*range(18), 255])
def test_elements(code, bits):
    children.run(cases.dlpack_by_every_entry, *elements(code, bits))


@every_entry
@either_form
@pytest.mark.parametrize("lanes", [0, 2, 4, 65535])
@pytest.mark.parametrize("code", [0, 2, 4])
def test_lanes(entry, form, code, lanes):
    fields = {"form": form, "dtype": (code, 16, lanes), "content": bytes(64)}
    children.run(cases.dlpack, entry, LANES, fields)


@either_form
@pytest.mark.parametrize("fields", UNALIGNED)
@pytest.mark.parametrize(
    ("entry", "error"), [("asarray", ValueError), ("from_dlpack", BufferError)]
)
def test_unaligned_elements_that_must_not_be_copied(entry, error, form, fields):
    expected = Raises((error,), "copy")
    fields = {"form": form, **fields}
    children.run(cases.dlpack, entry, expected, fields, {}, {"copy": False})
