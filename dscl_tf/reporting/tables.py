"""Tables that sort by a click on a heading, or by the keyboard."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Optional, Union

from dscl_tf.reporting import markup
from dscl_tf.reporting.markup import Html

MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell that is shown as one thing and sorted as another."""

    shown: Any  # Text or markup.
    sort: Optional[float] = None  # None sorts last, whichever the direction.
    strong: bool = False  # The highest of its column.


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: Any  # Text or markup.
    numeric: bool = True
    of_paper: bool = False  # Not measured here: it is set off.


Value = Union[Cell, str, None]


def table(
    caption: Any, columns: Sequence[Column], rows: Sequence[Sequence[Value]]
) -> Html:
    """A sortable table within a container that scrolls by itself.

    Args:
      caption: text or markup.
      columns: the first one is the heading of each row.
      rows: a value for each column; None is an empty cell.
    """
    heads = [_heading(column) for column in columns]
    lines = [
        markup.tag("tr", *(_cell(c, v, k == 0) for k, (c, v) in enumerate(pairs)))
        for pairs in (list(zip(columns, row)) for row in rows)
    ]
    return markup.tag(
        "div",
        markup.tag(
            "table",
            markup.tag("caption", caption),
            markup.tag("thead", markup.tag("tr", *heads)),
            markup.tag("tbody", *lines),
            class_="sortable",
        ),
        class_="scroller",
        tabindex="0",
        role="region",
        aria_label="Table, scrolls sideways",
    )


def _heading(column: Column) -> Html:
    button = markup.tag("button", column.title, type="button")
    return markup.tag(
        "th", button, scope="col", aria_sort="none", class_=_classes(column)
    )


def _classes(column: Column, strong: bool = False) -> Optional[str]:
    names = [("num", column.numeric), ("paper", column.of_paper), ("best", strong)]
    return " ".join(name for name, wanted in names if wanted) or None


def _cell(column: Column, value: Value, is_first: bool) -> Html:
    cell = value if isinstance(value, Cell) else Cell("" if value is None else value)
    attributes = {"class_": _classes(column, cell.strong)}
    if column.numeric:
        attributes["data_sort"] = "" if cell.sort is None else f"{cell.sort:.10g}"
    if is_first:
        return markup.tag("th", cell.shown, scope="row", **attributes)
    return markup.tag("td", cell.shown, **attributes)


def number(value: Optional[float], digits: int = 3) -> str:
    """A figure; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: Optional[float]) -> str:
    """A difference with its sign."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:+.3f}".replace("-", MINUS)


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


def duration(seconds: Optional[float]) -> str:
    """A duration as people say it."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
