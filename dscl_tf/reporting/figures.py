"""Charts as Plotly figures; the page's script draws them in the page's colours.

Colours are names of variables of the page's style, since they differ between light,
dark and print: the script puts their values in place.
"""

import html
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import plotly.graph_objects as go

NUM_COLORS = 8  # Variables --s0 to --s7, and --p0 to --p7 of groups in an order.
REFERENCE = -1  # The number of the series that others are held against: grey.
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_SYMBOLS += ("hourglass", "octagon")
_DASHES = ("solid", "dash", "dot")
_FEW = 12  # Points of a line that get marks.
_LONGEST = 36  # Letters of a name in a chart, so that it fits on a phone.
_PLOT, _BELOW, _ENTRY, _ROW = 228, 52, 19, 36  # Heights in pixels.


class Chart(NamedTuple):
    """A chart with words for who cannot see it."""

    title: str
    words: str
    figure: dict[str, Any]  # Plotly's JSON.


class Series(NamedTuple):
    """A line."""

    name: str
    number: int  # Decides how it looks.
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[Optional[float]] = ()  # Half the lengths of bars.
    hints: Sequence[str] = ()  # What the pointer shows; empty: x and y.


class Box(NamedTuple):
    """Five numbers of some values, and those beyond the whiskers."""

    low: float  # The lowest value within 1.5 interquartile ranges of the box.
    first: float
    median: float
    third: float
    high: float
    outliers: list[float]
    count: int


def box_of(values: Sequence[float]) -> Box:
    """Tukey's box of some values, at least one."""
    array = np.sort(np.asarray(values, float))
    first, median, third = np.percentile(array, [25, 50, 75]).tolist()
    reach = 1.5 * (third - first)
    is_inside = (array >= first - reach) & (array <= third + reach)
    inside, outliers = array[is_inside].tolist(), array[~is_inside].tolist()
    return Box(inside[0], first, median, third, inside[-1], outliers, len(array))


def look(number: int) -> dict[str, Any]:
    """A series' colour, mark and dashes; told apart without colour, too."""
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
      title: of the chart.
      series: lines with points in order of x.
      labels: of the axes x and y, with units.
      y_limits: range of y; None: that of the values.
      level: a line across, with its name.
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
    return _chart(
        title, f"{labels[1]} against {labels[0]}; last values: {last}", figure
    )


def _line(series: Series) -> go.Scatter:
    style, spreads = look(series.number), [each or 0 for each in series.spread]
    bars = {"array": spreads, "thickness": 1.4, "width": 3}
    return go.Scatter(
        **{"x": list(series.x), "y": list(series.y), "name": _text(series.name)},
        mode="lines" if len(series.x) > _FEW else "lines+markers",
        line={"color": style["color"], "dash": style["dash"], "width": 1.8},
        marker={"symbol": style["symbol"], "size": 8},
        error_y=bars if any(spreads) else None,
        text=list(series.hints) or None,
        hovertemplate="%{text}" if series.hints else "%{y:.4g} at %{x}",
    )


def boxes(title: str, rows: Sequence[tuple[str, int, Box]], label: str) -> Chart:
    """Lying boxes, each under its name.

    Args:
      title: of the chart.
      rows: name, number of its look, and box.
      label: of the values' axis, which is from 0 to 1.
    """
    figure = go.Figure()
    for row, (name, number, box) in enumerate(rows):
        color = look(number)["color"]
        figure.add_box(
            **{"orientation": "h", "y": [row], "width": 0.36, "hoverinfo": "skip"},
            **{"q1": [box.first], "median": [box.median], "q3": [box.third]},
            **{"lowerfence": [box.low], "upperfence": [box.high]},
            line={"color": color, "width": 1.6},
            fillcolor="var(--raised)",
        )
        figure.add_scatter(
            **{"x": box.outliers, "y": [row] * len(box.outliers), "mode": "markers"},
            marker={"symbol": "circle-open", "size": 5, "color": color},
            hovertemplate="%{x:.3f}<extra></extra>",
        )
        place = {"x": 0, "xref": "paper", "y": row - 0.2, "yanchor": "bottom"}
        figure.add_annotation(
            text=_text(name),
            xanchor="left",
            showarrow=False,
            font={"size": 11},
            **place,
        )
    hints = [
        f"{_text(name)}: median {box.median:.3f}, quartiles {box.first:.3f} and "
        f"{box.third:.3f}, n = {box.count}"
        for name, _, box in rows
    ]
    figure.add_scatter(
        **{"x": [box.median for *_, box in rows], "y": list(range(len(rows)))},
        **{"text": hints, "hoverinfo": "text", "mode": "markers"},
        marker={"opacity": 0, "size": 18, "color": "var(--soft)"},
    )
    _lay_out(figure, _ROW * len(rows) + 12, (label, ""), 0)
    figure.update_xaxes(range=(-0.02, 1.02), showgrid=True)
    figure.update_yaxes(range=(len(rows) - 0.6, -0.85), visible=False)
    medians = "; ".join(f"{name}: median {box.median:.3f}" for name, _, box in rows)
    return _chart(title, medians, figure)


def scatter(
    title: str,
    plane: np.ndarray,
    groups: Sequence[int],
    names: Sequence[str],
    note: str,
    is_ordered: bool,
) -> Chart:
    """Points of a plane, each with the mark of its group.

    Args:
      title: of the chart.
      plane: float [N, 2].
      groups: N numbers from 0 up.
      names: of the groups.
      note: what it shows, for who cannot see it.
      is_ordered: whether the groups have an order, which colours then show.
    """
    figure, numbers = go.Figure(), np.asarray(groups)
    for group in np.unique(numbers).tolist():
        x, y = plane[numbers == group].T.round(6).tolist()
        color = f"var(--{'p' if is_ordered else 's'}{group % NUM_COLORS})"
        mark = {"symbol": look(group)["symbol"], "color": color, "size": 7}
        figure.add_scatter(
            **{"x": x, "y": y, "name": _text(names[group]), "mode": "markers"},
            **{"marker": mark, "hoverinfo": "name"},
        )
    _lay_out(figure, _PLOT, ("", ""), len(figure.data) if is_ordered else 0)
    frame = {"showticklabels": False, "showgrid": False, "mirror": True}
    figure.update_xaxes(**frame)
    figure.update_yaxes(scaleanchor="x", **frame)
    return _chart(title, note, figure)


def _lay_out(
    figure: go.Figure, plot: int, labels: tuple[str, str], num_entries: int
) -> None:
    """Sets heights, and a legend below the chart with a name in each line."""
    below = _BELOW if labels[0] else 14
    figure.update_layout(
        template=go.layout.Template(),
        height=8 + plot + below + _ENTRY * num_entries,
        margin={"t": 8, "b": below + _ENTRY * num_entries},
        showlegend=num_entries > 0,
        legend={"x": 0, "xanchor": "left", "y": -below / plot, "yanchor": "top"},
        xaxis={"title": {"text": labels[0]}},
        yaxis={"title": {"text": labels[1]}},
    )


def _text(name: str) -> str:
    """A name in a chart, where Plotly would take some tags for markup."""
    short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    return html.escape(short, quote=False)


def _chart(title: str, described: str, figure: go.Figure) -> Chart:
    return Chart(title, described, figure.to_plotly_json())
