"""Box charts and scatter charts."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from dscl_tf.reporting import charts, marks, markup
from dscl_tf.reporting.charts import Axis, Frame
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.scales import Scale

_ROW, _LEFT = 26, 184
_LONGEST = 31  # Letters of a row's name.
_SQUARE = 300


@dataclasses.dataclass(frozen=True)
class Box:
    """Five numbers of some values, and those beyond the whiskers."""

    low: float  # The lowest value within 1.5 interquartile ranges of the box.
    first: float
    median: float
    third: float
    high: float
    outliers: tuple[float, ...]
    count: int


def box_of(values: Sequence[float]) -> Box:
    """Tukey's box of some values, at least one."""
    array = np.sort(np.asarray(values, float))
    first, median, third = (float(q) for q in np.percentile(array, [25, 50, 75]))
    reach = 1.5 * (third - first)
    inside = array[(array >= first - reach) & (array <= third + reach)]
    outside = array[(array < first - reach) | (array > third + reach)]
    return Box(
        float(inside[0]),
        first,
        median,
        third,
        float(inside[-1]),
        tuple(outside.tolist()),
        len(array),
    )


def box_chart(
    title: str, rows: Mapping[str, Box], axis: Axis, numbers: Mapping[str, int]
) -> Html:
    """Lying boxes, a row for each name.

    Args:
      title: of the chart.
      rows: boxes by name.
      axis: of the values, with limits.
      numbers: of the names, which decide the colours.
    """
    height = 12 + _ROW * len(rows) + 42
    bottom = height - 42
    right = charts.WIDTH - 12
    frame = Frame(Scale(*axis.limits, _LEFT, right), Scale(0, 1, bottom, 8))
    parts = charts.x_axis(frame, axis, grid=True)
    for row, (name, box) in enumerate(rows.items()):
        middle = 12 + _ROW * (row + 0.5)
        short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        parts.append(charts.label(short, _LEFT - 8, middle + 4, "end", "tick"))
        parts += _draw_box(frame.x, middle, name, box, numbers[name])
    words = "; ".join(f"{name}: median {box.median:.3f}" for name, box in rows.items())
    return charts.picture(title, words, (charts.WIDTH, height), *parts)


def _draw_box(
    scale: Scale, middle: float, name: str, box: Box, number: int
) -> list[Html]:
    color = marks.color_class(number)
    first, third = scale(box.first), scale(box.third)
    hint = (
        f"{name}: median {box.median:.3f}, quartiles {box.first:.3f} and "
        f"{box.third:.3f}, n = {box.count}"
    )
    whiskers = [(box.low, box.first), (box.third, box.high)]
    parts = [
        charts.segment((scale(a), middle), (scale(b), middle), f"line {color}")
        for a, b in whiskers
    ]
    parts.append(
        markup.tag(
            "rect",
            markup.tag("title", hint),
            x=f"{first:.1f}",
            y=f"{middle - 7:.1f}",
            width=f"{max(third - first, 1):.1f}",
            height="14",
            rx="2",
            class_=f"box {color}",
        )
    )
    at = scale(box.median)
    ends = (at, middle - 7), (at, middle + 7)
    parts.append(charts.segment(*ends, f"median {color}"))
    for value in box.outliers:
        place = {"cx": f"{scale(value):.1f}", "cy": f"{middle:.1f}", "r": "2"}
        parts.append(markup.tag("circle", class_=f"outlier {color}", **place))
    return parts


def scatter(
    title: str, plane: np.ndarray, groups: Sequence[int], kind: str, words: str
) -> Html:
    """Points of a plane, each with the mark of its group.

    Args:
      title: of the chart.
      plane: float [N, 2].
      groups: N numbers from 0 up.
      kind: "p" for groups in an order, "s" for groups without.
      words: what it shows, for who cannot see it.
    """
    centre = (plane.max(axis=0) + plane.min(axis=0)) / 2
    half = max(float(np.ptp(plane, axis=0).max()) / 2, 1e-9) * 1.06
    across = Scale(centre[0] - half, centre[0] + half, 8, _SQUARE - 8)
    up = Scale(centre[1] - half, centre[1] + half, _SQUARE - 8, 8)
    edge = markup.tag(
        "rect", x="1", y="1", width=_SQUARE - 2, height=_SQUARE - 2, class_="frame"
    )
    points = [
        marks.marker(int(g), across(x), up(y), kind=f"{kind}{g % marks.NUM_COLORS}")
        for (x, y), g in zip(plane.tolist(), groups)
    ]
    return charts.picture(title, words, (_SQUARE, _SQUARE), edge, *points)
