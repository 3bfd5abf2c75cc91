"""Objects that implement DLPack badly: what they return instead of a capsule, what they
say about their device, and tensors whose memory differs from their value. Then
arguments of our own __dlpack__."""

import importlib.util

import pytest
from foreign import cases, children
from foreign.cases import Gives, Raises, malformed
from foreign.tables import either_form, every_entry, marks

pytestmark = marks

NOT_A_CAPSULE = Raises((TypeError, BufferError), "capsule")
NOT_A_DEVICE = Raises((TypeError, OverflowError), "__dlpack_device__")

AGREEMENT = [
    ((1, 0), (1, 0), Gives()),
    ((1, 5), (1, 0), Gives()),
    ((1, 0), (1, -1), Gives()),
    ((3, 0), (3, 0), Gives()),
    # Both are main memory.
    ((3, 0), (1, 0), Gives(or_else=malformed("device"))),
    ((1, 0), (3, 0), Gives(or_else=malformed("device"))),
    *[((t, 0), (1, 0), malformed("device")) for t in (0, 2, 8, 13, 99)],
    *[((1, 0), (t, 0), malformed("device")) for t in (0, 2, 8, 13, 99, 2**40)],
    # An NVIDIA GPU that no machine has.
    *[((t, 999), (t, 999), malformed("device")) for t in (0, 2, 8, 13, 99)],
    ((2, 0), (2, 2**40), malformed("device")),
    ((2, 0), (2, -1), malformed("device")),
    *[
        ((1, 0), garbage, NOT_A_DEVICE)
        for garbage in [
            None,
            5,
            (),
            (1,),
            (1, 0, 0),
            ("a", 0),
            (1, "a"),
            (1.5, 0),
            (2**70, 0),
            (1, 2**70),
            "ab",
            b"ab",
            {1: 0, 2: 0},
        ]
    ],
]


@every_entry
@either_form
@pytest.mark.parametrize(("device", "said", "expected"), AGREEMENT)
def test_what_the_producer_says_of_its_device(entry, form, device, said, expected):
    fields = {"form": form, "device": device}
    children.run(cases.dlpack, entry, expected, fields, {"device": said})


@every_entry
@either_form
@pytest.mark.parametrize(
    "name",
    [
        "used_dltensor",
        "used_dltensor_versioned",
        "tensor",
        "dltensor_",
        "dltensor_versioned_",
        "DLTENSOR",
        " ",
        None,
    ],
)
def test_capsules_of_other_names(entry, form, name):
    children.run(cases.dlpack, entry, NOT_A_CAPSULE, {"form": form, "name": name})


@every_entry
@either_form
def test_a_capsule_is_used_once(entry, form):
    children.run(cases.twice, entry, form)


@every_entry
@pytest.mark.parametrize("answer", ["None", "5", "b'dltensor'", "()", "object", "np"])
def test_answers_that_are_no_capsules(entry, answer):
    source = f"capsules.Producer({answer})"
    children.run(cases.expression, [entry], NOT_A_CAPSULE, source)


@every_entry
@either_form
@pytest.mark.parametrize("error", [TypeError, NotImplementedError, ValueError])
def test_producers_that_do_not_know_the_version(entry, form, error):
    producer = {"error": error, "error_for": "max_version"}
    children.run(cases.dlpack, entry, Gives(), {"form": form}, producer)


@every_entry
@pytest.mark.parametrize("only_for", ["max_version", None])
@pytest.mark.parametrize("error", [KeyError, RuntimeError, KeyboardInterrupt])
def test_other_errors_of_the_producer(entry, error, only_for):
    expected = Raises((error,), "the producer's own words", own=False)
    producer = {"error": error, "error_for": only_for}
    children.run(cases.dlpack, entry, expected, {}, producer)


@every_entry
@pytest.mark.parametrize(
    "error", [TypeError, NotImplementedError, ValueError, BufferError]
)
def test_producers_that_always_refuse(entry, error):
    expected = Raises((error,), "the producer's own words", own=False)
    children.run(cases.dlpack, entry, expected, {}, {"error": error})


ERRORS = (TypeError, ValueError, BufferError, OverflowError)
BAD_ARGUMENTS = [
    *[
        ("max_version", value)
        for value in ["(2**70, 0)", "'ab'", "5", "()", "(1,)", "(-1, 0)", "('a', 0)"]
    ],
    *[
        ("dl_device", value)
        for value in ["(1,)", "('a', 0)", "(2**70, 0)", "(2, 0)", "5", "'ab'", "()"]
    ],
    *[("stream", value) for value in ["2**70", "'x'", "-(2**70)", "1.5", "(1,)"]],
    *[("copy", value) for value in ["'yes'", "5", "[]"]],
]
GOOD_ARGUMENTS = [
    *[("max_version", v) for v in ["None", "(0, 8)", "(1, 0)", "(1, 99)", "(9, 0)"]],
    *[("dl_device", value) for value in ["None", "(1, 0)", "[1, 0]"]],
    ("stream", "None"),
    *[("copy", value) for value in ["None", "True", "False", "np.True_"]],
]
OWN = "capsules.Producer(upsweep.array([1.0, 2.0, 3.0]).__dlpack__({}={}))"


@pytest.mark.parametrize(("name", "value"), BAD_ARGUMENTS)
def test_bad_arguments_of_our_own_capsules(name, value):
    children.run(cases.own_argument, name, value, ERRORS)


@every_entry
@pytest.mark.parametrize(("name", "value"), GOOD_ARGUMENTS)
def test_arguments_of_our_own_capsules(entry, name, value):
    children.run(cases.expression, [entry], Gives(), OWN.format(name, value))


Z = "torch.tensor([1 + 2j])"
# Tensors without memory, and those with a pending operation on it.
TORCH = [
    (
        "torch._efficientzerotensor(3)",
        Gives([0, 0, 0], or_else=Raises((BufferError,), "")),
    ),
    (
        "fake_tensor()",
        Gives([1, 1, 1], or_else=Raises((BufferError,), "")),
    ),
    ("tensor_without_storage()", malformed("data")),
    (f"{Z}.conj().imag", Gives([-2])),
    (f"torch._neg_view({Z}.real)", Gives([-1])),
    (f"{Z}.conj()", Gives([1 - 2j], "complex64")),
    (f"torch._neg_view({Z}.conj())", Gives([-1 + 2j], "complex64")),
]
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


# PyTorch takes seconds to import, so one process passes a tensor to every entry.
@needs_torch
@pytest.mark.parametrize(("source", "expected"), TORCH, ids=[s for s, _ in TORCH])
def test_tensors_of_torch(source, expected):
    children.run(cases.expression, [*cases.ENTRIES], expected, source, ["torch"])


@needs_torch
@pytest.mark.parametrize(
    ("entry", "error"), [("asarray", ValueError), ("from_dlpack", BufferError)]
)
@pytest.mark.parametrize("source", [s for s, _ in TORCH[3:]])
def test_tensors_of_torch_that_must_not_be_copied(entry, error, source):
    expected = Raises((error,), "copy")
    options = {"copy": False}
    children.run(cases.expression, [entry], expected, source, ["torch"], options)
