"""Arrays of numbers whose exponents have no bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

# Of a zero, which any other number outweighs.
LEAST = -(1 << 40)
# Beyond the exponents of float64, whose sums and differences ldexp takes.
FAR = 1 << 14


@dataclasses.dataclass(frozen=True)
class Wide:
    """mantissa * 2^exponent: float64 mantissas of 0.5 to below 1, 0, infinite or NaN,
    and int64 exponents."""

    mantissa: Any
    exponent: Any

    @classmethod
    def of(cls, x: Any, exponent: Any = 0) -> Wide:
        """x * 2^exponent."""
        mantissa, shift = np.frexp(np.asarray(x, np.float64))
        shift = shift.astype(np.int64) + exponent
        has_exponent = np.isfinite(mantissa) & (mantissa != 0)
        return cls(mantissa, np.where(has_exponent, shift, 0))

    def __getitem__(self, at: Any) -> Wide:
        return Wide(self.mantissa[at], self.exponent[at])

    def where(self, condition: Any) -> Wide:
        """Zero where the condition does not hold."""
        return Wide(
            np.where(condition, self.mantissa, 0.0),
            np.where(condition, self.exponent, 0),
        )

    def times(self, other: Wide) -> Wide:
        """The product, which is rounded once."""
        with np.errstate(invalid="ignore"):
            mantissa = self.mantissa * other.mantissa
        return Wide.of(mantissa, self.exponent + other.exponent)

    def plus(self, other: Wide) -> Wide:
        """The sum, which is rounded once."""
        own, others = (
            np.where(each.mantissa == 0, LEAST, each.exponent) for each in (self, other)
        )
        larger = np.maximum(own, others)
        with np.errstate(invalid="ignore", under="ignore"):
            total = sum(
                np.ldexp(each.mantissa, np.maximum(exponent - larger, -FAR))
                for each, exponent in ((self, own), (other, others))
            )
        return Wide.of(total, np.where(larger == LEAST, 0, larger))

    def fits(self) -> bool:
        """Whether float64 has all of them, with all digits."""
        return bool(((self.exponent >= -1021) & (self.exponent <= 1024)).all())

    def value(self) -> Any:
        """In float64."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.mantissa, np.clip(self.exponent, -FAR, FAR))
