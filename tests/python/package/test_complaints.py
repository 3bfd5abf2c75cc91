"""Errors of calls whose arguments fit no signature: one line that names the way out."""

import numpy as np
import pytest
import upsweep
from support import OPS
from upsweep import _complaints

A = upsweep.array([1.0, 2.0])
CALL = "(a, /, axis=None, *, reverse=False, inclusive=True, stream=None)."


def error_of(call):
    with pytest.raises(TypeError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("dim", "it is axis here"),
        ("out", "arrays are immutable"),
        ("dtype", "scan(a, {op!r}, dtype=...) has it"),
        ("initial", "scan(a, {op!r}, initial=...) has it"),
        ("exclusive", "inclusive=False"),
        ("device", "stream takes a device"),
        ("axes", "did you mean axis?"),
        ("something", "the call is"),
    ],
)
def test_unknown_keywords(op, word, hint):
    text = error_of(lambda: getattr(upsweep, op)(A, **{word: None}))
    assert text.startswith(f"[{op}] There is no argument {word}")
    assert hint.format(op=_complaints.OPERATORS[op]) in text
    assert text.endswith(f"the call is {op}{CALL}")
    method = error_of(lambda: getattr(A, op)(**{word: None}))
    assert method.startswith(f"[{op}] There is no argument {word}")


def test_the_general_scan_has_what_the_hints_say():
    for op, general in _complaints.OPERATORS.items():
        for word in _complaints.GENERAL:
            options = {word: {"initial": 1.0, "dtype": "float64"}.get(word)}
            if word in ("include_initial", "skipna"):
                options = {word: True}
            y = upsweep.scan(A, general, stream=upsweep.cpu, **options)
            assert y.ndim == 1, op


def test_other_calls_that_fit_nothing():
    assert "a is passed by its position" in error_of(lambda: upsweep.cumprod(a=A))
    assert "Missing a required argument: 'a'" in error_of(lambda: upsweep.cumprod())
    assert "Too many positional" in error_of(lambda: upsweep.cumprod(A, 0, True))
    assert "a must not be None" in error_of(lambda: upsweep.reshape(None, 2))
    assert "shape must not be None" in error_of(lambda: upsweep.zeros(None))
    assert "did you mean precision?" in error_of(
        lambda: upsweep.set_printoptions(precison=3)
    )
    assert "argument inital: did you mean initial?" in error_of(
        lambda: upsweep.scan(A, "prod", inital=1)
    )


def test_other_type_errors_stay():
    text = error_of(lambda: upsweep.cumprod(A, axis="x"))
    assert text == "[cumprod] axis must be an integer, not str."


def test_errors_inside_a_call_stay():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("mine")

    assert error_of(lambda: upsweep.cumprod(Broken())) == "mine"


def test_numpys_call_of_the_method_stays():
    assert np.cumprod(A).tolist() == [1, 2]
