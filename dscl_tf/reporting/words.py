"""Figures and names as the page writes them."""

import datetime
import math
from typing import Any, Optional

from dscl_tf.results_json import ALL

MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPTS = {"D": "ᴰ", "R": "ᴿ", "-": "⁻"}


def number(value: Optional[float], digits: int = 3, sign: str = "-") -> str:
    """A figure; a dash if there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:{sign}.{digits}f}".replace("-", MINUS)


def signed(value: Optional[float]) -> str:
    """A difference with its sign."""
    return number(value, sign="+")


def spread(mean: Optional[float], deviation: Optional[float]) -> str:
    """Mean ± standard deviation; the mean alone where there is one value."""
    if mean is None or deviation is None:
        return number(mean)
    return f"{number(mean)} ± {number(deviation)}"


def interval(mean: Optional[float], low: Optional[float], high: Optional[float]) -> str:
    """A difference with its interval."""
    if mean is None or low is None or high is None:
        return signed(mean)
    return f"{signed(mean)} [{signed(low)}, {signed(high)}]"


def bounded(mean: Optional[float], bounds: Optional[dict], digits: int = 3) -> str:
    """A mean with its interval, if it has one."""
    if mean is None or bounds is None:
        return number(mean, digits)
    low, high = (number(bounds[end], digits) for end in ("low", "high"))
    return f"{number(mean, digits)} [{low}, {high}]"


def duration(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size_words(size: Any) -> str:
    """A number of labelled volumes in words."""
    if size == ALL:
        return "all labelled volumes"
    return f"{size} labelled volume{'' if size == 1 else 's'}"


def day(moment: datetime.datetime) -> str:
    """A time of the system's clock, to the minute."""
    return moment.strftime("%d %B %Y, %H:%M")


def title_text(title: str) -> str:
    """A method's title with the paper's superscripts: "G^D- + L^R" as Gᴰ⁻ + Lᴿ."""
    first, *others = title.split("^")
    return first + "".join(_raised(part) for part in others)


def _raised(text: str) -> str:
    rest = text.lstrip("".join(_SUPERSCRIPTS))
    raised = [_SUPERSCRIPTS[each] for each in text[: len(text) - len(rest)]]
    return "".join(raised) + rest if raised else f"^{text}"
