"""Says what is wrong with a call whose arguments fit no signature."""

from __future__ import annotations

import difflib
import inspect

from upsweep import _signature

# What other libraries call it, or where it is found.
HINTS = {
    "dim": "it is axis here",
    "dims": "it is axis here",
    "device": "stream takes a device",
    "exclusive": "inclusive=False is the exclusive scan",
    "out": "arrays are immutable, and results are new; numpy.copyto(out, result) fills "
    "an array of NumPy's",
}
# Of the five scans: the general scan has these.
OPERATORS = {
    "cumprod": "prod",
    "cumsum": "sum",
    "cummax": "max",
    "cummin": "min",
    "logcumsumexp": "logaddexp",
}
GENERAL = ("initial", "reset", "dtype", "include_initial", "skipna")


def complaint(text: str, args: tuple[object, ...], named: dict[str, object]) -> str:
    """The text of the error, in a line.

    Args:
        text: The function's ``def`` line without its colon.
        args: The positional arguments.
        named: The keyword arguments.
    """
    name = text[len("def ") : text.index("(")]
    signature = _signature.parse(text)
    problem = _problem(name, signature, args, named)
    return f"[{name}] {problem}; the call is {name}{_plain(signature)}."


def _problem(
    name: str,
    signature: inspect.Signature,
    args: tuple[object, ...],
    named: dict[str, object],
) -> str:
    parameters = signature.parameters
    for word in named:
        if word not in parameters:
            return f"There is no argument {word}{_hint(name, word, list(parameters))}"
        if parameters[word].kind is inspect.Parameter.POSITIONAL_ONLY:
            return f"{word} is passed by its position, without its name"
    try:
        bound = signature.bind(*args, **named)
    except TypeError as error:
        return str(error)[:1].upper() + str(error)[1:]
    empty = [word for word, value in bound.arguments.items() if value is None]
    if empty:
        return f"{' or '.join(empty)} must not be None"
    return "An argument is of the wrong type"


def _hint(name: str, word: str, known: list[str]) -> str:
    if name in OPERATORS and word in GENERAL:
        return f": scan(a, {OPERATORS[name]!r}, {word}=...) has it"
    if word in HINTS:
        return f": {HINTS[word]}"
    close = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def _plain(signature: inspect.Signature) -> str:
    """The signature without types."""
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))
