"""Charts as Plotly figures; the page's script draws them in the page's colours.

Colours are names of variables of the page's style, since they differ between light,
dark and print: the script puts their values in place.
"""

import html
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import plotly.graph_objects as go

NUM_COLORS = 8  # Variables --s0 to --s7, and --p0 to --p7 for ordered groups.
REFERENCE = -1  # Number of the series that others are compared with, in grey.
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_SYMBOLS += ("hourglass", "octagon")
_DASHES = ("solid", "dash", "dot")
_FEW = 12  # Points of a line that get marks.
_LONGEST = 36  # Letters of a name in a chart, so that it fits on a phone.
# Style of a box's name, which is above it.
_NAME = {"showarrow": False, "xref": "paper", "x": 0, "font": {"size": 11}}
_NAME |= {"xanchor": "left", "yanchor": "bottom", "bgcolor": "var(--bg)"}
_PLOT, _BELOW, _ENTRY, _ROW = 228, 52, 19, 36  # Heights in pixels.


class Chart(NamedTuple):
    """A chart, with a description for readers who cannot see it."""

    title: str
    words: str
    figure: dict[str, Any]  # Plotly's JSON.


class Series(NamedTuple):
    """A line."""

    name: str
    number: int  # Decides how it looks.
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[Optional[float]] = ()  # Half the lengths of error bars.
    hints: Sequence[str] = ()  # Shown at the pointer; empty: x and y.


class Box(NamedTuple):
    """The five numbers of a box plot, and the values beyond its whiskers."""

    low: float  # The lowest value within 1.5 interquartile ranges of the box.
    first: float
    median: float
    third: float
    high: float
    outliers: list[float]
    count: int

    @property
    def words(self) -> str:
        quartiles = f"quartiles {self.first:.3f} and {self.third:.3f}"
        return f"median {self.median:.3f}, {quartiles}, n = {self.count}"


def box_of(values: Sequence[float]) -> Box:
    """Tukey's box of some values, at least one."""
    array = np.sort(np.asarray(values, float))
    first, median, third = np.percentile(array, [25, 50, 75]).tolist()
    reach = 1.5 * (third - first)
    is_inside = (array >= first - reach) & (array <= third + reach)
    inside, outliers = array[is_inside].tolist(), array[~is_inside].tolist()
    return Box(inside[0], first, median, third, inside[-1], outliers, len(array))


def look(number: int) -> dict[str, Any]:
    """A series' colour, mark and dashes; the last two tell it apart without colour."""
    if number == REFERENCE:
        return {"color": "var(--sref)", "symbol": "circle-open", "dash": "4px,3px"}
    return {
        "color": f"var(--s{number % NUM_COLORS})",
        "symbol": _SYMBOLS[number % len(_SYMBOLS)],
        "dash": _DASHES[number // NUM_COLORS % len(_DASHES)],
    }


def limits(values: Sequence[float], margin: float = 0.05) -> tuple[float, float]:
    """A range with room at both ends, for charts that are to be compared."""
    low, high = min(values), max(values)
    room = max(margin * (high - low), 0.01 * abs(high), 1e-6)
    return low - room, high + room


def lines(
    title: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    y_limits: Optional[tuple[float, float]] = None,
    level: Optional[tuple[str, float]] = None,
    places: Sequence[str] = (),
) -> Chart:
    """Lines, with marks and bars where the points are few.

    Args:
      title: title of the chart.
      series: lines with points in order of x.
      labels: labels of the axes x and y, with units.
      y_limits: range of y; None: that of the values.
      level: name and value of a line across.
      places: names of the positions 0, 1, ... of x; empty: numbers.
    """
    figure = go.Figure([_line(each) for each in series])
    is_named = len(series) == 1 and series[0].name in title
    _lay_out(figure, _PLOT, labels, 0 if is_named else len(series))
    if y_limits:
        figure.update_yaxes(range=y_limits)
    if places:
        ticks = {"tickvals": list(range(len(places))), "ticktext": list(places)}
        figure.update_xaxes(range=(-0.4, len(places) - 0.6), **ticks)
    else:
        figure.update_xaxes(rangemode="tozero")
    if level is not None:
        note = {"text": f"{level[0]}: {level[1]:.3f}", "bgcolor": "var(--bg)"}
        style = {"dash": "dot", "width": 1.2, "color": "var(--soft)"}
        figure.add_hline(level[1], line=style, annotation=note)
    last = "; ".join(f"{each.name} {each.y[-1]:.3f}" for each in series)
    described = f"{labels[1]} against {labels[0]}; last values: {last}"
    return Chart(title, described, figure.to_plotly_json())


def _line(series: Series) -> go.Scatter:
    style, spreads = look(series.number), [each or 0 for each in series.spread]
    bars = {"array": spreads, "thickness": 1.4, "width": 3}
    return go.Scatter(
        x=list(series.x),
        y=list(series.y),
        name=_text(series.name),
        mode="lines" if len(series.x) > _FEW else "lines+markers",
        line={"color": style["color"], "dash": style["dash"], "width": 1.8},
        marker={"symbol": style["symbol"], "size": 8},
        error_y=bars if any(spreads) else None,
        text=list(series.hints) or None,
        hovertemplate="%{text}" if series.hints else "%{y:.4g} at %{x}",
    )


def boxes(title: str, rows: Sequence[tuple[str, int, Box]], label: str) -> Chart:
    """Horizontal box plots, each under its name.

    Args:
      title: title of the chart.
      rows: name, number of its look, and box.
      label: label of the axis of values, which is from 0 to 1.
    """
    figure = go.Figure()
    for row, (name, number, box) in enumerate(rows):
        color, hint = look(number)["color"], f"{_text(name)}: {box.words}"
        figure.add_box(
            y=[row],
            lowerfence=[box.low],
            q1=[box.first],
            median=[box.median],
            q3=[box.third],
            upperfence=[box.high],
            orientation="h",
            width=0.36,
            line={"color": color, "width": 1.6},
            fillcolor="var(--raised)",
            hoverinfo="skip",
        )
        # Circles for the outliers, and an invisible mark for the pointer to find.
        count = len(box.outliers)
        figure.add_scatter(
            x=[*box.outliers, box.median],
            y=[row] * (count + 1),
            mode="markers",
            marker={
                "symbol": "circle-open",
                "color": color,
                "size": [5] * count + [18],
                "opacity": [1] * count + [0],
            },
            text=[f"{value:.3f}" for value in box.outliers] + [hint],
            hoverinfo="text",
        )
        figure.add_annotation(text=_text(name), y=row - 0.2, **_NAME)
    _lay_out(figure, _ROW * len(rows) + 12, (label, ""), 0)
    figure.update_xaxes(range=(-0.02, 1.02), showgrid=True)
    figure.update_yaxes(range=(len(rows) - 0.6, -0.85), visible=False)
    medians = "; ".join(f"{name}: median {box.median:.3f}" for name, _, box in rows)
    return Chart(title, medians, figure.to_plotly_json())


def scatter(
    title: str,
    plane: np.ndarray,
    groups: Any,
    names: Sequence[str],
    note: str,
    kind: str,
) -> Chart:
    """Points of a plane, each with the mark of its group.

    Args:
      title: title of the chart.
      plane: float [N, 2].
      groups: int [N], from 0 up.
      names: names of the groups.
      note: what it shows, for readers who cannot see it.
      kind: "p" if the groups have an order, which colours then show, else "s".
    """
    figure = go.Figure()
    for group in np.unique(groups).tolist():
        x, y = plane[groups == group].T.round(6).tolist()
        color, symbol = f"var(--{kind}{group % NUM_COLORS})", look(group)["symbol"]
        figure.add_scatter(
            x=x,
            y=y,
            name=_text(names[group]),
            mode="markers",
            marker={"symbol": symbol, "color": color, "size": 7},
            hoverinfo="name",
        )
    _lay_out(figure, _PLOT, ("", ""), len(figure.data) if kind == "p" else 0)
    frame = dict.fromkeys(("showticklabels", "showgrid", "automargin"), False)
    frame["mirror"] = True
    figure.update_xaxes(**frame)
    figure.update_yaxes(scaleanchor="x", **frame)
    return Chart(title, note, figure.to_plotly_json())


def _lay_out(figure: go.Figure, plot: int, labels: tuple[str, str], num: int) -> None:
    """Sets labels and heights; below the chart is a legend of `num` lines."""
    below = _BELOW if labels[0] else 14
    legend = _ENTRY * num + 10 if num else 0
    figure.update_layout(
        template=go.layout.Template(),
        height=8 + plot + below + legend,
        margin={"b": below + legend},
        showlegend=num > 0,
        legend={"y": -below / plot},
        xaxis={"title": {"text": labels[0]}},
        yaxis={"title": {"text": labels[1]}},
    )


def _text(name: str) -> str:
    """A name for a chart: shortened, and escaped since Plotly renders some tags."""
    short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    return html.escape(short, quote=False)
