from dscl_tf.inference import log_tables, summary
from tests.inference import making
from tests.inference.making import NAMES


def test_a_line_of_each_case():
    first, second, _ = making.cases()
    assert log_tables.case_line(first, NAMES) == "p1_ed: Dice RV 0.667, LV 1.000"
    assert log_tables.case_line(second, NAMES) == "p2_ed: Dice RV missed, LV -"


def test_means_and_counts():
    text = log_tables.table(summary.summarise(making.cases(), NAMES))
    lines = [line.split() for line in text.splitlines()]
    assert lines[1] == ["RV", "0.333", "4.0", "2.0", "1", "1", "0", "1"]
    assert lines[3] == ["all", "0.417", "2.0", "1.0", "2", "1", "1", "2"]
    assert "NSD" not in text


def test_what_does_not_apply():
    absent = making.found(0, 0, 0, None, None)
    cases = [making.case("p1_ed", absent, absent)]
    text = log_tables.table(summary.summarise(cases, NAMES))
    assert text.splitlines()[1].split()[1] == "-"


def test_surface_dice_if_it_was_measured():
    text = log_tables.table(summary.summarise(making.cases(), NAMES, 2.0))
    lines = [line.split() for line in text.splitlines()]
    assert "NSD" in lines[0] and "2 mm" in text
    assert lines[1][:3] == ["RV", "0.333", "0.375"]
    assert lines[3][:3] == ["all", "0.417", "0.438"]
