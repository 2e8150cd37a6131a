import json

import numpy as np
import pytest

from dscl_tf.reporting import figures
from dscl_tf.reporting.figures import Box, Series


def test_box_of_known_values():
    # Quartiles 2.25 and 4.75 (linear), so that 9 lies beyond 4.75 + 1.5 * 2.5 = 8.5.
    box = figures.box_of([9, 1, 2, 3, 4, 5])
    assert (box.first, box.median, box.third) == (2.25, 3.5, 4.75)
    assert (box.low, box.high) == (1, 5)
    assert box.outliers == [9]
    assert box.count == 6


def test_box_of_one_value():
    assert figures.box_of([0.5]) == Box(0.5, 0.5, 0.5, 0.5, 0.5, [], 1)


def test_series_differ_without_colour():
    looks = [figures.look(number) for number in range(16)]
    assert len({(each["symbol"], each["dash"]) for each in looks}) == 16
    assert figures.look(figures.REFERENCE)["color"] == "var(--sref)"


def _lines(*series, **options):
    return figures.lines("T", series, ("step", "loss <1>"), **options)


def test_lines_hold_their_values_and_say_the_last_ones():
    chart = _lines(Series("a", 0, [0, 10], [1, 3]), Series("b", 9, [0], [2]))
    first, second = chart.figure["data"]
    assert (first["x"], first["y"]) == ([0, 10], [1, 3])
    assert first["line"]["color"] == "var(--s0)"
    assert second["line"] == {"color": "var(--s1)", "dash": "dash", "width": 1.8}
    assert chart.words == "loss <1> against step; last values: a 3.000; b 2.000"
    assert chart.figure["layout"]["showlegend"]


def test_many_points_get_no_marks_and_few_do():
    many = _lines(Series("a", 0, list(range(50)), list(range(50))))
    assert many.figure["data"][0]["mode"] == "lines"
    few = _lines(Series("a", 0, [0, 1], [1, 2], [0.5, None], ["one", "two"]))
    trace = few.figure["data"][0]
    assert trace["mode"] == "lines+markers"
    assert (trace["text"], trace["hovertemplate"]) == (["one", "two"], "%{text}")
    assert trace["error_y"]["array"] == [0.5, 0]


def test_a_line_that_the_title_names_needs_no_legend():
    series = [Series("encoder", 0, [1], [1])]
    alone = figures.lines("encoder: loss", series, ("step", "loss"))
    assert not alone.figure["layout"]["showlegend"]
    assert _lines(*series).figure["layout"]["showlegend"]


def test_limits_level_and_places_are_the_axes():
    chart = _lines(
        Series("a", 0, [0], [0.5]),
        y_limits=(0.1, 0.9),
        level=("all labelled", 0.8),
        places=("1", "2"),
    )
    layout = chart.figure["layout"]
    assert tuple(layout["yaxis"]["range"]) == (0.1, 0.9)
    assert list(layout["xaxis"]["ticktext"]) == ["1", "2"]
    assert layout["shapes"][0]["y0"] == 0.8
    assert layout["annotations"][0]["text"] == "all labelled: 0.800"


@pytest.mark.parametrize("values", [(0.2, 0.6), (0.5, 0.5), (0.0, 0.0)])
def test_limits_have_room_at_both_ends(values):
    low, high = figures.limits(values)
    assert low < min(values) and max(values) < high


def test_names_are_no_markup_and_no_longer_than_a_phone():
    chart = _lines(Series("<b>%{x}</b>", 0, [0], [1]), Series("b" * 60, 1, [0], [1]))
    names = [trace["name"] for trace in chart.figure["data"]]
    assert names == ["&lt;b&gt;%{x}&lt;/b&gt;", "b" * 35 + "…"]


def test_boxes_hold_their_five_numbers_and_can_be_read_aloud():
    box = figures.box_of([9, 1, 2, 3, 4, 5])
    chart = figures.boxes("T", [("a", 0, box), ("<i>", 1, box)], "Dice")
    trace = chart.figure["data"][0]
    found = [trace[name][0] for name in ("lowerfence", "q1", "median", "q3")]
    assert found == [1, 2.25, 3.5, 4.75]
    assert chart.figure["data"][1]["x"] == [9, 3.5]
    assert chart.words == "a: median 3.500; <i>: median 3.500"
    texts = [each["text"] for each in chart.figure["layout"]["annotations"]]
    assert texts == ["a", "&lt;i&gt;"]
    hints = chart.figure["data"][1]["text"]
    assert hints == ["9.000", "a: median 3.500, quartiles 2.250 and 4.750, n = 6"]


def test_scatter_has_a_mark_for_each_point():
    plane = np.array([[0.0, 0], [1, 2], [3, 1]])
    chart = figures.scatter("T", plane, np.array([0, 1, 1]), ["a", "b"], "words", "p")
    first, second = chart.figure["data"]
    assert (first["x"], second["x"]) == ([0], [1, 3])
    assert second["marker"]["color"] == "var(--p1)"
    assert chart.figure["layout"]["showlegend"]
    plain = figures.scatter("T", plane, np.array([0, 1, 1]), ["a", "b"], "words", "s")
    assert plain.figure["data"][1]["marker"]["color"] == "var(--s1)"
    assert not plain.figure["layout"]["showlegend"]


def test_a_figure_is_json():
    assert json.loads(json.dumps(_lines(Series("a", 0, [0], [1])).figure))
