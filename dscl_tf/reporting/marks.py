"""What charts are drawn from: marks that differ in colour, shape and dash.

Colours are classes of the page's style, since they differ between light and dark.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dscl_tf.reporting import markup
from dscl_tf.reporting.markup import Html

NUM_COLORS = 8  # Classes s0 to s7.
REFERENCE = -1  # The number of the series that others are held against: grey.
# Around the origin; told apart without colour, too.
_SHAPES = (
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4.2L3.9 2.8H-3.9z",
    "M0-4.3L4.3 0L0 4.3L-4.3 0z",
    "M0 4.2L3.9-2.8H-3.9z",
    "M-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
    "M-4-3.5L4 3.5V-3.5L-4 3.5z",
    "M-2.1-3.7h4.2L4.2 0L2.1 3.7h-4.2L-4.2 0z",
)
_DASHES = (None, "6 3", "2 3")


def color_class(number: int) -> str:
    """The class of a series' colour."""
    return "sref" if number == REFERENCE else f"s{number % NUM_COLORS}"


def dash(number: int) -> Any:
    """The dashes of a series' line; the ninth has the first's colour and dashes."""
    if number == REFERENCE:
        return "4 3"
    return _DASHES[number // NUM_COLORS % len(_DASHES)]


def marker(number: int, x: float, y: float, hint: str = "", kind: str = "") -> Html:
    """A small mark at a place.

    Args:
      number: of the series.
      x: in pixels.
      y: in pixels.
      hint: shown where the pointer rests.
      kind: the class of its colour, if it is not the series' own.
    """
    return markup.tag(
        "path",
        markup.tag("title", hint) if hint else None,
        d=_SHAPES[max(number, 0) % len(_SHAPES)],
        transform=f"translate({x:.1f} {y:.1f})",
        class_=f"mark {kind or color_class(number)}",
    )


def polyline(number: int, points: Sequence[tuple[float, float]]) -> Html:
    """A line through pixels."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return markup.tag(
        "polyline",
        points=path,
        class_=f"line {color_class(number)}",
        stroke_dasharray=dash(number),
    )


def legend(numbers: Mapping[str, int], with_lines: bool = True, kind: str = "") -> Html:
    """The names of series beside their marks, as text that wraps.

    Args:
      numbers: of the series, by name.
      with_lines: whether the marks have lines.
      kind: "p": colours of groups in an order; empty: those of series.
    """
    items = []
    for name, number in numbers.items():
        line = polyline(number, [(1, 7), (25, 7)]) if with_lines else None
        swatch = markup.tag(
            "svg",
            line,
            marker(number, 13, 7, kind=f"{kind}{number % NUM_COLORS}" if kind else ""),
            viewBox="0 0 26 14",
            width="26",
            height="14",
            aria_hidden="true",
        )
        items.append(markup.tag("li", swatch, name))
    return markup.tag("ul", *items, class_="legend")


def numbers_of(names: Sequence[str], reference: str = "") -> dict[str, int]:
    """A number for each series, the same wherever the same names are given."""
    others = [name for name in names if name != reference]
    numbers = {name: k for k, name in enumerate(others)}
    return {name: numbers.get(name, REFERENCE) for name in names}
