from dscl_tf.inference import log_tables, summary
from tests.inference import making
from tests.inference.making import NAMES


def test_a_line_of_each_case():
    first, second, _ = making.cases()
    assert log_tables.case_line(first, NAMES) == "p1_ed: Dice RV 0.667, LV 1.000"
    assert log_tables.case_line(second, NAMES) == "p2_ed: Dice RV missed, LV -"


def _lines(text):
    return [line.split() for line in text.splitlines()]


def test_means_and_counts():
    text = log_tables.tables(summary.summarise(making.cases(), NAMES))
    lines = _lines(text)
    assert lines[1] == ["RV", "0.333", "4.0", "2.0"]
    assert lines[3] == ["all", "0.417", "2.0", "1.0"]
    assert "NSD" not in text and "intervals" not in text
    assert ["RV", "1", "1", "0", "1"] in lines
    assert ["all", "2", "1", "1", "2"] in lines
    # SD of -4 and 0 ml.
    assert lines[-2] == ["RV", "5.75", "3.75", "-2.00", "-34.8", "2.83", "2"]


def test_what_does_not_apply():
    absent = making.found(0, 0, 0, None, None)
    cases = [making.case("p1_ed", absent, absent)]
    text = log_tables.tables(summary.summarise(cases, NAMES))
    assert _lines(text)[1][1] == "-"


def test_surface_dice_if_it_was_measured():
    text = log_tables.tables(summary.summarise(making.cases(), NAMES, 2.0))
    lines = _lines(text)
    assert "NSD" in lines[0] and "NSD at 2 mm." in text
    assert lines[1][:3] == ["RV", "0.333", "0.375"]
    assert lines[3][:3] == ["all", "0.417", "0.438"]


def test_intervals_stand_beside_their_means():
    content = summary.summarise(making.many_cases(), NAMES)
    text = log_tables.tables(content)
    bounds = content["intervals"]["mean"]["1"]["Dice"]
    mean = content["mean"]["1"]["Dice"]
    assert f"{mean:.3f} [{bounds['low']:.3f}, {bounds['high']:.3f}]" in text
    assert "95% intervals: bootstrap over 4 subjects" in text
