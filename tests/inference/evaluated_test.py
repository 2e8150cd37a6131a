import json

import pytest

from dscl_tf import errors
from dscl_tf.inference import evaluated
from dscl_tf.inference.evaluated import CaseFigure
from tests.reporting import making


def test_no_file_is_no_figure(tmp_path):
    assert evaluated.case_figures(tmp_path, "dice") == []


def test_figures_of_cases_without_what_does_not_apply(tmp_path):
    making.write_cases(tmp_path, [("p1", "low", 0.5), ("p1", "high", "")])
    assert evaluated.case_figures(tmp_path, "dice") == [CaseFigure("p1", "low", 0.5)]


def test_dice_that_is_no_number_is_refused(tmp_path):
    making.write_cases(tmp_path, [("p1", "low", "high")])
    with pytest.raises(errors.UserError, match=r"cases\.csv: expected the columns"):
        evaluated.case_figures(tmp_path, "dice")


def test_volumes_without_what_does_not_apply(tmp_path):
    head = ("volume", "structure", "volume_ref_ml", "volume_pred_ml")
    rows = [("p1", "low", 2.5, 0.0), ("p1", "high", "", "")]
    making.write_csv(tmp_path / "cases.csv", head, rows)
    assert evaluated.case_volumes_ml(tmp_path) == [("p1", "low", 2.5, 0.0)]


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UserError, match=r"cases\.csv"):
        evaluated.case_figures(tmp_path, "dice")


def test_cases_are_ranked_by_mean_dice(tmp_path):
    cases = [
        {"name": "a", "metrics": {"1": {"Dice": 0.9}, "2": {"Dice": 0.5}}},
        {"name": "b", "metrics": {"1": {"Dice": 0.6}, "2": {"Dice": None}}},
        {"name": "c", "metrics": {"1": {"Dice": None}}},
    ]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    assert evaluated.ranked_cases(tmp_path) == [("b", 0.6), ("a", 0.7)]


@pytest.mark.parametrize("content", [{}, {"metric_per_case": [{"name": "a"}]}])
def test_a_damaged_summary_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(errors.UserError, match=r"summary\.json: metric_per_case"):
        evaluated.ranked_cases(tmp_path)


MEANS = {"Dice": 0.5, "HD95_mm": None, "ASSD_mm": 1}
INTERVALS = {
    "level": 0.95,
    "num_subjects": 3,
    "mean": {"1": {"Dice": {"low": 0.1, "high": 0.9}, "HD95_mm": None}},
    "foreground_mean": {"Dice": None},
}
BIAS = dict.fromkeys(("ref_ml", "pred_ml", "bias_ml", "bias_percent", "std_ml"))
BIAS |= {"n": 0, "bias_ml_interval": None}
SUMMARY = {
    "volume_bias": {"1": BIAS},
    "intervals": INTERVALS,
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
        (
            {"intervals": INTERVALS | {"mean": {"1": {"Dice": {"low": 0.1}}}}},
            "intervals.mean.1.Dice.high: found nothing, expected int or float",
        ),
        (
            {"volume_bias": {"1": BIAS | {"std_ml": "?"}}},
            "volume_bias.1.std_ml: found '?', expected int or float or null",
        ),
        (
            {"volume_bias": {"2": BIAS}},
            "label_names.2: found nothing, expected str",
        ),
        ({"num_cases": "two"}, "num_cases: found 'two', expected int"),
    ],
)
def test_damaged_means_are_named(tmp_path, changes, message):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    assert evaluated.means(tmp_path) == SUMMARY
    path.write_text(json.dumps({**SUMMARY, **changes}))
    with pytest.raises(errors.UserError) as caught:
        evaluated.means(tmp_path)
    assert str(caught.value) == f"{path}: {message}: evaluate again with --overwrite."
