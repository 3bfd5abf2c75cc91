"""Reads the text of a binding's signature, for inspect and help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any

from upsweep import _core


class DtypeLike:
    """A Dtype, its name, or NumPy's dtype or scalar type of that name."""

    __module__ = "upsweep"


class Signature(inspect.Signature):
    """A signature that shows types as the stub does, without their modules."""

    def __str__(self) -> str:
        return _bare(super().__str__())

    def format(self, **options: Any) -> str:
        """Formats as inspect does, which calls this from Python 3.13 on."""
        return _bare(super().format(**options))  # type: ignore[misc, unused-ignore]


def _bare(text: str) -> str:
    return text.replace("upsweep.", "").replace("collections.abc.", "")


def parse(text: str) -> inspect.Signature:
    """Makes the signature of a ``def`` line without its colon."""
    namespace: dict[str, Any] = {
        "Any": Any,
        "DtypeLike": DtypeLike,
        "EllipsisType": EllipsisType,
        "Iterator": Iterator,
        "Sequence": Sequence,
        **vars(_core),
    }
    # Without this file's annotations feature, so that annotations are types.
    code = compile(f"{text}: ...", "<signature>", "exec", dont_inherit=True)
    exec(code, namespace)
    name = text[len("def ") : text.index("(")]
    parsed = inspect.signature(namespace[name])
    return Signature(
        list(parsed.parameters.values()), return_annotation=parsed.return_annotation
    )
