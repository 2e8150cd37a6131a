"""Axes: which numbers to write on them, and where a value falls."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`.

    Args:
      low: of the values.
      high: above `low`.
      most: of the numbers.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(
        power * f for f in (1, 2, 5, 10, 20) if (high - low) / (power * f) < most
    )
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def widened(low: float, high: float, margin: float = 0.06) -> tuple[float, float]:
    """A range with room at both ends; one value gets a range around it."""
    if high <= low:
        half = abs(low) * 0.1 or 0.05
        return low - half, low + half
    return low - margin * (high - low), high + margin * (high - low)


def tick_text(value: float) -> str:
    """A tick's number, short: 10000 as 10k."""
    if abs(value) >= 1000:
        return f"{value / 1000:g}k".replace("-", "\N{MINUS SIGN}")
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
