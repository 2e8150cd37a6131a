import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from dscl_tf.reporting import boxes, charts, marks, scales
from dscl_tf.reporting.charts import Axis, Point


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.43, 0.71, [0.45, 0.5, 0.55, 0.6, 0.65, 0.7]),
        (-30, 30, [-20, 0, 20]),
        (0, 1500, [0, 500, 1000, 1500]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers_within(low, high, expected):
    assert scales.ticks(low, high) == pytest.approx(expected)


def test_scale_maps_the_ends():
    scale = scales.Scale(2, 4, 100, 0)
    assert [scale(2), scale(3), scale(4)] == [100, 50, 0]


def test_one_value_gets_a_range():
    assert scales.widened(2, 2) == pytest.approx((1.8, 2.2))
    assert scales.widened(0, 0) == pytest.approx((-0.05, 0.05))


def test_box_of_known_values():
    # Quartiles 2.25 and 4.75 (linear), so that 9 lies beyond 4.75 + 1.5 * 2.5 = 8.5.
    box = boxes.box_of([9, 1, 2, 3, 4, 5])
    assert (box.first, box.median, box.third) == (2.25, 3.5, 4.75)
    assert (box.low, box.high) == (1, 5)
    assert box.outliers == (9,)
    assert box.count == 6


def test_box_of_one_value():
    assert boxes.box_of([0.5]) == boxes.Box(0.5, 0.5, 0.5, 0.5, 0.5, (), 1)


def _elements(svg, name):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag == name]


def _lines(**series):
    numbers = marks.numbers_of(list(series))
    return charts.lines("T", series, (Axis("step"), Axis("loss <1>")), numbers)


def test_lines_have_their_ends_at_the_scale():
    svg = _lines(a=[Point(0, 1), Point(10, 3)])
    (line,) = _elements(svg, "polyline")
    first, last = (
        [float(n) for n in each.split(",")] for each in line.get("points").split()
    )
    assert first[0] < last[0]
    assert first[1] > last[1]
    assert _elements(svg, "title")[0].text == "T"
    assert "loss <1>" in [each.text for each in _elements(svg, "text")]


def test_many_points_get_no_marks_and_few_do():
    many = _lines(a=[Point(k, k) for k in range(50)])
    assert not [e for e in _elements(many, "path")]
    few = _lines(a=[Point(0, 1, 0.5), Point(1, 2)], b=[Point(0, 2)])
    hints = [e.find("title").text for e in _elements(few, "path")]
    assert hints == ["a: 1.000 ± 0.500", "a: 2.000", "b: 2.000"]


def test_bars_stay_within_the_frame():
    svg = _lines(a=[Point(0, 1, 0.5), Point(1, 2, 3)])
    ys = [float(e.get(k)) for e in _elements(svg, "line") for k in ("y1", "y2")]
    assert min(ys) >= 0
    assert max(ys) <= charts.HEIGHT


def test_a_bar_that_leaves_its_axis_ends_there_without_a_cap():
    series = {"a": [Point(0, 0.1, 0.3), Point(1, 0.5, 0.1)]}
    axes = (Axis("step"), Axis("Dice", (0.0, 1.0)))
    svg = charts.lines("T", series, axes, {"a": 0})
    drawn = [e for e in _elements(svg, "line") if "s0" in e.get("class")]
    ys = [(float(e.get("y1")), float(e.get("y2"))) for e in drawn]
    frame = charts.make_frame((0, 1), (0.0, 1.0))
    assert max(max(pair) for pair in ys) == pytest.approx(frame.bottom, abs=0.05)
    # A bar and one cap, then a bar and two.
    assert [one == other for one, other in ys] == [False, True, False, True, True]


def test_series_differ_without_colour():
    looks = set()
    for number in range(16):
        mark = marks.marker(number, 0, 0)
        looks.add((mark.split('d="')[1].split('"')[0], marks.dash(number)))
    assert len(looks) == 16


def test_the_reference_is_grey_and_takes_no_number():
    assert marks.numbers_of(["a", "random", "b"], "random") == {
        "a": 0,
        "random": marks.REFERENCE,
        "b": 1,
    }


def test_scatter_has_a_mark_for_each_point():
    plane = np.array([[0.0, 0], [1, 2], [3, 1]])
    svg = boxes.scatter("T", plane, [0, 1, 9], "s", "words")
    kinds = [e.get("class") for e in _elements(svg, "path")]
    assert kinds == ["mark s0", "mark s1", "mark s1"]


def test_box_chart_can_be_read_aloud():
    rows = {"a": boxes.box_of([0.1, 0.5]), "b" * 40: boxes.box_of([0.5])}
    svg = boxes.box_chart("T", rows, Axis("Dice", (0.0, 1.0)), {"a": 0, "b" * 40: 1})
    assert "a: median 0.300" in _elements(svg, "desc")[0].text
    names = [e.text for e in _elements(svg, "text")]
    assert "b" * 30 + "…" in names
