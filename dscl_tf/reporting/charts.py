"""Charts as inline SVG, in the colours of the page."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

from dscl_tf.reporting import marks, markup, scales
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.scales import Scale

WIDTH, HEIGHT = 400, 270  # So small that letters can be read on a phone.
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 18, 12, 42
_FEW = 12  # Points of a line that get marks.


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis."""

    label: str  # With its unit.
    # Range; None: that of the values.
    limits: Optional[tuple[float, float]] = None
    names: tuple[str, ...] = ()  # Of the positions 0, 1, ...; empty: numbers.


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of a line."""

    x: float
    y: float
    spread: Optional[float] = None  # Half the length of its bar.


@dataclasses.dataclass(frozen=True)
class Frame:
    """The rectangle between the axes."""

    x: Scale
    y: Scale

    @property
    def right(self) -> float:
        return self.x.end

    @property
    def bottom(self) -> float:
        return self.y.start


def picture(title: str, description: str, size: tuple[int, int], *parts: Html) -> Html:
    """An SVG image with words for who cannot see it."""
    return markup.tag(
        "svg",
        markup.tag("title", title),
        markup.tag("desc", description),
        *parts,
        viewBox=f"0 0 {size[0]} {size[1]}",
        role="img",
        aria_label=f"{title}. {description}",
        class_="chart",
    )


def figure(title: str, *parts: Html) -> Html:
    """A chart under its title."""
    return markup.tag("figure", markup.tag("figcaption", title), *parts)


def small_multiples(*figures: Html) -> Html:
    """Charts side by side, or one below the other where there is no room."""
    kind = "multiples one" if len(figures) == 1 else "multiples"
    return markup.tag("div", *figures, class_=kind)


def lines(
    title: str,
    series: Mapping[str, Sequence[Point]],
    axes: tuple[Axis, Axis],
    numbers: Mapping[str, int],
    level: Optional[tuple[str, float]] = None,
) -> Html:
    """Lines, with marks and bars where the points are few.

    Args:
      title: of the chart.
      series: points by name, in order of x; not all empty.
      axes: x and y.
      numbers: of the series, which decide how they look.
      level: a line across, with its name.

    Returns:
      The SVG; `marks.legend` is the legend.
    """
    frame = _frame(series, axes, level)
    parts = axes_of(frame, axes)
    if level is not None:
        parts.append(_level(frame, *level))
    for name, points in series.items():
        parts += _line(frame, name, points, numbers[name])
    described = "; ".join(
        f"{name} {points[-1].y:.3f}" for name, points in series.items() if points
    )
    return picture(
        title,
        f"{axes[1].label} against {axes[0].label}; last values: {described}",
        (WIDTH, HEIGHT),
        *parts,
    )


def _frame(series, axes: tuple[Axis, Axis], level) -> Frame:
    points = [point for each in series.values() for point in each]
    ys = [p.y + sign * (p.spread or 0) for p in points for sign in (-1, 1)]
    ys += [] if level is None else [level[1]]
    across, up = axes
    x_limits = across.limits or (min(p.x for p in points), max(p.x for p in points))
    if across.names:
        x_limits = (-0.4, len(across.names) - 0.6)
    elif x_limits[0] == x_limits[1]:
        x_limits = scales.widened(*x_limits)
    y_limits = up.limits or scales.widened(min(ys), max(ys))
    return make_frame(x_limits, y_limits)


def make_frame(
    x_limits: tuple[float, float], y_limits: tuple[float, float], height: int = HEIGHT
) -> Frame:
    """The frame of a chart of the usual width."""
    return Frame(
        Scale(*x_limits, _LEFT, WIDTH - _RIGHT),
        Scale(*y_limits, height - _BOTTOM, _TOP),
    )


def axes_of(frame: Frame, axes: tuple[Axis, Axis]) -> list[Html]:
    """Grid lines, numbers and names of both axes."""
    across, up = axes
    parts = []
    for value in scales.ticks(frame.y.low, frame.y.high):
        y = frame.y(value)
        parts.append(segment((frame.x.start, y), (frame.right, y), "grid"))
        parts.append(
            label(scales.tick_text(value), frame.x.start - 6, y + 4, "end", "tick")
        )
    parts += x_axis(frame, across)
    middle = (frame.y.start + frame.y.end) / 2
    turned = f"rotate(-90 11 {middle:.1f})"
    parts.append(label(up.label, 11, middle, "middle", "axis", transform=turned))
    return parts


def x_axis(frame: Frame, axis: Axis, grid: bool = False) -> list[Html]:
    """Numbers or names below the frame, and the axis' own name."""
    places = list(enumerate(axis.names))
    if not axis.names:
        found = scales.ticks(frame.x.low, frame.x.high)
        places = [(value, scales.tick_text(value)) for value in found]
    parts = [
        segment((frame.x.start, frame.bottom), (frame.right, frame.bottom), "base")
    ]
    for value, text in places:
        x = frame.x(value)
        top = frame.y.end if grid else frame.bottom
        kind = "grid" if grid else "base"
        parts.append(segment((x, top), (x, frame.bottom + 4), kind))
        parts.append(label(text, x, frame.bottom + 17, "middle", "tick"))
    centre = (frame.x.start + frame.right) / 2
    parts.append(label(axis.label, centre, frame.bottom + 35, "middle", "axis"))
    return parts


def segment(
    start: tuple[float, float], end: tuple[float, float], class_: str, **attributes
) -> Html:
    """A straight line between two pixels."""
    return markup.tag(
        "line",
        x1=f"{start[0]:.1f}",
        y1=f"{start[1]:.1f}",
        x2=f"{end[0]:.1f}",
        y2=f"{end[1]:.1f}",
        class_=class_,
        **attributes,
    )


def label(
    text: str, x: float, y: float, anchor: str, class_: str, **attributes
) -> Html:
    """A text; `anchor` is start, middle or end."""
    return markup.tag(
        "text",
        text,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        text_anchor=anchor,
        class_=class_,
        **attributes,
    )


def _level(frame: Frame, name: str, value: float) -> Html:
    y = frame.y(value)
    # Above the line there may be no room.
    below = y - frame.y.end < 18
    return markup.join(
        segment((frame.x.start, y), (frame.right, y), "level"),
        label(
            f"{name}: {value:.3f}",
            frame.right - 2,
            y + 13 if below else y - 5,
            "end",
            "tick over",
        ),
    )


def _bar(frame: Frame, x: float, point: Point, kind: str) -> list[Html]:
    """A point's spread; an end beyond the axis has no cap."""
    ends = (point.y - point.spread, point.y + point.spread)
    inside = [min(max(end, frame.y.low), frame.y.high) for end in ends]
    low, high = (frame.y(end) for end in inside)
    caps = [
        segment((x - 3, frame.y(end)), (x + 3, frame.y(end)), kind)
        for end, shown in zip(ends, inside)
        if end == shown
    ]
    return [segment((x, low), (x, high), kind), *caps]


def _line(frame: Frame, name: str, points: Sequence[Point], number: int) -> list[Html]:
    places = [(frame.x(point.x), frame.y(point.y)) for point in points]
    parts = [marks.polyline(number, places)] if len(places) > 1 else []
    if len(points) > _FEW:
        return parts
    kind = f"line {marks.color_class(number)}"
    for point, (x, y) in zip(points, places):
        hint = f"{name}: {point.y:.3f}"
        if point.spread:
            parts += _bar(frame, x, point, kind)
            hint += f" ± {point.spread:.3f}"
        parts.append(marks.marker(number, x, y, hint))
    return parts
