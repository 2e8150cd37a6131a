import json

import pytest

from dscl_tf import errors
from dscl_tf.reporting import measurements
from dscl_tf.reporting.measurements import CaseDice
from tests.reporting import making


def test_curves_by_name_without_what_is_not_finite(tmp_path):
    making.write_metrics(
        tmp_path, [(1, "loss", 2.0), (2, "loss", "nan"), (2, "dice", 1), (3, "loss", 4)]
    )
    assert measurements.curves(tmp_path) == {
        "loss": [(1, 2.0), (3, 4.0)],
        "dice": [(2, 1.0)],
    }


def test_no_file_is_no_curve(tmp_path):
    assert measurements.curves(tmp_path) == {}
    assert measurements.case_dice(tmp_path) == []


def test_long_curves_are_means_of_neighbours():
    curve = [(float(k), float(k)) for k in range(320)]
    found = measurements.thinned(curve)
    assert len(found) == 160
    assert found[0] == (1, 0.5)
    assert found[-1] == (319, 318.5)


def test_case_dice_without_what_does_not_apply(tmp_path):
    making.write_cases(tmp_path, [("p1", "low", 0.5), ("p1", "high", "")])
    assert measurements.case_dice(tmp_path) == [CaseDice("p1", "low", 0.5)]


@pytest.mark.parametrize(
    "content",
    ["step,name\n1,a\n", "step,name,value\n1,a,x\n", "step,name,value\nx,a,1\n"],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(errors.UserError, match=r"metrics\.csv: expected the columns"):
        measurements.curves(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UserError, match=r"cases\.csv"):
        measurements.case_dice(tmp_path)


def test_mean_curve_is_over_the_steps_that_all_have(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    making.write_metrics(folders[0], [(1, "loss", 1), (2, "loss", 2)])
    making.write_metrics(folders[1], [(2, "loss", 4), (3, "loss", 9)])
    making.write_metrics(folders[2], [(1, "other", 1)])
    assert measurements.mean_curve(folders, "loss") == [(2, 3)]
    assert measurements.mean_curve(folders, "dice") == []


def test_cases_are_ranked_by_mean_dice(tmp_path):
    cases = [
        {"name": "a", "metrics": {"1": {"Dice": 0.9}, "2": {"Dice": 0.5}}},
        {"name": "b", "metrics": {"1": {"Dice": 0.6}, "2": {"Dice": None}}},
        {"name": "c", "metrics": {"1": {"Dice": None}}},
    ]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    assert measurements.ranked_cases(tmp_path) == [("b", 0.6), ("a", 0.7)]


@pytest.mark.parametrize("content", [{}, {"metric_per_case": [{"name": "a"}]}])
def test_a_damaged_summary_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(errors.UserError, match=r"summary\.json: metric_per_case"):
        measurements.ranked_cases(tmp_path)


MEANS = {"Dice": 0.5, "HD95_mm": None, "ASSD_mm": 1}
SUMMARY = {
    "label_names": {"1": "low"},
    "mean": {"1": MEANS},
    "foreground_mean": MEANS,
    "num_cases": 2,
    "subset": "test",
}


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"mean": {"1": {}}},
            "mean.1.Dice: found nothing, expected int or float or null",
        ),
        ({"label_names": {}}, "label_names.1: found nothing, expected str"),
        ({"num_cases": "two"}, "num_cases: found 'two', expected int"),
    ],
)
def test_damaged_means_are_named(tmp_path, changes, message):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    assert measurements.summary(tmp_path) == SUMMARY
    path.write_text(json.dumps({**SUMMARY, **changes}))
    with pytest.raises(errors.UserError) as caught:
        measurements.summary(tmp_path)
    assert str(caught.value) == f"{path}: {message}: evaluate again."


def test_a_record_is_taken_as_it_is(tmp_path):
    assert measurements.record(tmp_path) == {}
    (tmp_path / "config.json").write_text(json.dumps({"config": {"a": 1}, "b": 2}))
    assert measurements.record(tmp_path) == {"config": {"a": 1}, "b": 2}
    (tmp_path / "config.json").write_text(json.dumps({"config": []}))
    with pytest.raises(errors.UserError, match=r"config\.json: config: found list"):
        measurements.record(tmp_path)
