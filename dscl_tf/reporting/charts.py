"""Charts as SVG that takes its colours from the page, light or dark."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 56, 16, 12, 44
NUM_COLORS = 8  # Classes c0 ... c7 of the page's style.

Point = tuple[float, float]


def lines(
    title: str,
    series: Mapping[str, Sequence[Point]],
    x_label: str,
    y_label: str,
    spreads: Optional[Mapping[str, Sequence[float]]] = None,
) -> str:
    """A line for each series, with dots where points are few and a legend below.

    Args:
      title: for who cannot see it.
      series: points (x, y) by name, in order of x.
      x_label: with its unit.
      y_label: with its unit.
      spreads: half the length of each point's bar, by name.
    """
    spreads = spreads or {}
    points = [point for each in series.values() for point in each]
    bars = [value for each in spreads.values() for value in each] or [0.0]
    ys = [y for _, y in points]
    frame = _Frame(
        _padded(min(x for x, _ in points), max(x for x, _ in points)),
        _padded(min(ys) - max(bars), max(ys) + max(bars)),
        320,
    )
    parts = frame.axes(x_label, y_label)
    for number, (name, each) in enumerate(series.items()):
        color = _look(number)
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in each)
        parts.append(f'<polyline class="line {color}" points="{path}"/>')
        for (x, y), bar in zip(each, spreads.get(name, [])):
            low, high = frame.y(y - bar), frame.y(y + bar)
            at = f"{frame.x(x):.1f}"
            parts.append(
                f'<line class="line {color}" x1="{at}" x2="{at}" y1="{low:.1f}" '
                f'y2="{high:.1f}"/>'
            )
        if len(each) <= 12:
            parts += [_dot(frame, x, y, color, f"{name}: {y:.3f}") for x, y in each]
    return _svg(title, parts, frame.height) + legend(list(series))


def boxes(title: str, values: Mapping[str, Sequence[float]], x_label: str) -> str:
    """A lying box for each row: quartiles, median, extremes, and each value.

    Args:
      title: for who cannot see it.
      values: by row.
      x_label: with its unit.
    """
    rows = {name: each for name, each in values.items() if len(each)}
    everything = [value for each in rows.values() for value in each]
    step, left = 26, 190
    frame = _Frame(
        _padded(min(everything), max(everything)),
        (0.0, float(len(rows))),
        _TOP + _BOTTOM + step * len(rows),
        left,
    )
    parts = frame.axes(x_label, "", ticks_y=False)
    for number, (name, each) in enumerate(rows.items()):
        middle = _TOP + step * (number + 0.5)
        low, first, median, third, high = np.percentile(each, [0, 25, 50, 75, 100])
        xs = [frame.x(value) for value in (low, first, median, third, high)]
        parts += [
            f'<text class="label" x="{left - 8}" y="{middle + 4:.1f}" '
            f'text-anchor="end">{html.escape(name)}</text>',
            f'<line class="line c0" x1="{xs[0]:.1f}" x2="{xs[4]:.1f}" '
            f'y1="{middle:.1f}" y2="{middle:.1f}"/>',
            f'<rect class="box" x="{xs[1]:.1f}" y="{middle - 7:.1f}" '
            f'width="{max(xs[3] - xs[1], 1):.1f}" height="14"/>',
            f'<line class="median" x1="{xs[2]:.1f}" x2="{xs[2]:.1f}" '
            f'y1="{middle - 7:.1f}" y2="{middle + 7:.1f}"/>',
        ]
        parts += [
            f'<circle class="dot c0" cx="{frame.x(value):.1f}" cy="{middle:.1f}" '
            f'r="2.5"><title>{html.escape(name)}: {value:.3f}</title></circle>'
            for value in each
        ]
    return _svg(title, parts, frame.height)


def scatter(
    title: str, points: np.ndarray, groups: Sequence[int], names: Sequence[str]
) -> str:
    """Dots in a plane without units, coloured by group, with a legend.

    Args:
      title: for who cannot see it, and above the picture.
      points: float [N, 2].
      groups: of each point, from 0.
      names: of the groups.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    frame = _Frame(
        _padded(low[0], high[0]), _padded(low[1], high[1]), 300, 8, width=300, bottom=8
    )
    # Full circles, then rings: dots have no dashes.
    parts = [
        _dot(frame, x, y, _look(group), names[group])
        for (x, y), group in zip(points, groups)
    ]
    caption = f"<figcaption>{html.escape(title)}</figcaption>"
    drawn = _svg(title, parts, frame.height, width=300)
    return f'<figure class="small">{caption}{drawn}{legend(names)}</figure>'


def legend(names: Sequence[str]) -> str:
    """The names of series beside their colours."""
    items = [
        f'<li><span class="swatch {_look(number)}"></span>{html.escape(name)}</li>'
        for number, name in enumerate(names)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _look(number: int) -> str:
    """Classes of a series: colours first, then the same ones dashed."""
    dashed = " dashed" if number // NUM_COLORS % 2 else ""
    return f"c{number % NUM_COLORS}{dashed}"


class _Frame:
    """Where data lie on a picture."""

    def __init__(
        self, x_range, y_range, height: int, left=_LEFT, width=_WIDTH, bottom=_BOTTOM
    ):
        self.height, self._left, self._width = height, left, width
        self._xs, self._ys, self._bottom = x_range, y_range, bottom

    def x(self, value: float) -> float:
        low, high = self._xs
        return self._left + (value - low) / (high - low) * self._span_x

    def y(self, value: float) -> float:
        low, high = self._ys
        span = self.height - _TOP - self._bottom
        return _TOP + (high - value) / (high - low) * span

    @property
    def _span_x(self) -> float:
        return self._width - self._left - _RIGHT

    def axes(self, x_label: str, y_label: str, ticks_y: bool = True) -> list[str]:
        """Grid, numbers and labels."""
        base = self.height - self._bottom
        parts = []
        for value in _ticks(*self._xs):
            at = f"{self.x(value):.1f}"
            parts.append(
                f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP}" y2="{base}"/>'
                f'<text x="{at}" y="{base + 16}" text-anchor="middle">{value:g}</text>'
            )
        for value in _ticks(*self._ys) if ticks_y else []:
            at = f"{self.y(value):.1f}"
            parts.append(
                f'<line class="grid" x1="{self._left}" x2="{self._width - _RIGHT}" '
                f'y1="{at}" y2="{at}"/><text x="{self._left - 6}" y="{at}" dy="4" '
                f'text-anchor="end">{value:g}</text>'
            )
        middle = self._left + self._span_x / 2
        parts.append(
            f'<text x="{middle:.0f}" y="{self.height - 6}" text-anchor="middle">'
            f"{html.escape(x_label)}</text>"
        )
        if y_label:
            height = _TOP + (base - _TOP) / 2
            parts.append(
                f'<text transform="translate(12 {height:.0f}) rotate(-90)" '
                f'text-anchor="middle">{html.escape(y_label)}</text>'
            )
        return parts


def _dot(frame: _Frame, x: float, y: float, color: str, said: str) -> str:
    return (
        f'<circle class="dot {color}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" '
        f'r="3.5"><title>{html.escape(said)}</title></circle>'
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return float(low - margin), float(high + margin)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers within a range."""
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
    first = math.ceil(low / step)
    return [round(k * step, 10) for k in range(first, math.floor(high / step) + 1)]


def _svg(title: str, parts: Sequence[str], height: float, width: int = _WIDTH) -> str:
    name = html.escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
        f"<title>{html.escape(title)}</title>{''.join(parts)}</svg>"
    )
