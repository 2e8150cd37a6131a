"""Means, counts and formats, worked out by hand."""

import csv
import json

import numpy as np
import pytest

from dscl_tf import files, statistics
from dscl_tf.inference import summary
from tests.inference import making

NAMES = making.NAMES


@pytest.fixture
def cases():
    return making.cases()


def test_means_leave_out_what_does_not_apply(cases):
    mean = summary.summarise(cases, NAMES)["mean"]
    assert mean["1"]["Dice"] == pytest.approx((2 / 3 + 0) / 2)
    assert mean["1"]["IoU"] == pytest.approx((0.5 + 0) / 2)
    assert mean["2"]["Dice"] == pytest.approx((1 + 0) / 2)
    assert mean["1"]["TP"] == pytest.approx(10 / 3)
    assert mean["1"]["n_ref"] == pytest.approx((15 + 8 + 0) / 3)
    assert mean["1"]["n_pred"] == pytest.approx((15 + 0 + 0) / 3)


def test_distances_are_means_of_what_was_found(cases):
    mean = summary.summarise(cases, NAMES)["mean"]
    assert (mean["1"]["HD95_mm"], mean["1"]["ASSD_mm"]) == (4.0, 2.0)
    assert mean["1"]["n_distances"] == 1
    counts = [mean["1"][key] for key in ("missed", "spurious", "not_applicable")]
    assert counts == [1, 0, 1]
    counts = [mean["2"][key] for key in ("missed", "spurious", "not_applicable")]
    assert counts == [0, 1, 1]


def test_foreground_mean_is_over_structures_its_counts_are_sums(cases):
    foreground = summary.summarise(cases, NAMES)["foreground_mean"]
    assert foreground["Dice"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert foreground["HD95_mm"] == 2.0
    assert (foreground["missed"], foreground["spurious"]) == (1, 1)
    assert foreground["not_applicable"] == 2


def test_json_is_strict_and_has_nnunets_keys(cases, tmp_path):
    files.write_json(tmp_path / "summary.json", summary.summarise(cases, NAMES))
    content = json.loads((tmp_path / "summary.json").read_text())
    assert {"foreground_mean", "mean", "metric_per_case"} <= set(content)
    case = content["metric_per_case"][1]
    assert (case["prediction_file"], case["reference_file"]) == (
        "p2_ed.nii.gz",
        "p2_ed_gt.nii.gz",
    )
    missed, absent = case["metrics"]["1"], case["metrics"]["2"]
    nnunet = {"Dice", "IoU", "TP", "FP", "FN", "TN", "n_pred", "n_ref"}
    assert nnunet <= set(missed) and nnunet <= set(content["mean"]["1"])
    assert missed["Dice"] == 0 and missed["HD95_mm"] is None
    assert missed["missed"] is True and missed["not_applicable"] is False
    assert absent["Dice"] is None and absent["not_applicable"] is True


def test_nothing_applies():
    absent = making.found(0, 0, 0, None, None)
    content = summary.summarise([making.case("p1_ed", absent, absent)], NAMES)
    assert content["foreground_mean"]["Dice"] is None
    assert content["mean"]["1"]["not_applicable"] == 1
    assert making.case("p1_ed", absent, absent).dice is None


def test_table_of_cases(cases, tmp_path):
    summary.write_table(cases, NAMES, tmp_path / "cases.csv")
    rows = list(csv.DictReader((tmp_path / "cases.csv").open()))
    assert [(row["volume"], row["structure"], row["status"]) for row in rows] == [
        ("p1_ed", "RV", "found"),
        ("p1_ed", "LV", "found"),
        ("p2_ed", "RV", "missed"),
        ("p2_ed", "LV", "not_applicable"),
        ("p3_ed", "RV", "not_applicable"),
        ("p3_ed", "LV", "spurious"),
    ]
    assert float(rows[0]["dice"]) == pytest.approx(2 / 3)
    assert (rows[2]["dice"], rows[2]["hd95_mm"], rows[2]["n_ref"]) == (
        "0.0",
        "inf",
        "8",
    )
    assert (rows[3]["dice"], rows[3]["hd95_mm"]) == ("", "")


def test_surface_dice_has_its_key_column_and_tolerance(cases, tmp_path):
    content = summary.summarise(cases, NAMES, 2.0)
    assert content["nsd_tolerance_mm"] == 2.0
    assert content["mean"]["1"]["NSD"] == pytest.approx((0.75 + 0) / 2)
    assert content["foreground_mean"]["NSD"] == pytest.approx((0.375 + 0.5) / 2)
    metrics = content["metric_per_case"][1]["metrics"]
    assert (metrics["1"]["NSD"], metrics["2"]["NSD"]) == (0, None)
    summary.write_table(cases, NAMES, tmp_path / "cases.csv")
    rows = csv.DictReader((tmp_path / "cases.csv").open())
    assert [row["nsd"] for row in rows] == ["0.75", "1.0", "0.0", "", "", "0.0"]


def test_intervals_are_over_subjects():
    cases = making.many_cases()
    content = summary.summarise(cases, NAMES)
    intervals = content["intervals"]
    assert (intervals["level"], intervals["num_subjects"]) == (0.95, 4)
    # Each patient's HD95 is 1, 2, 3 or 4 mm in both frames: means of four drawn are
    # quarters, below 1.5 in 5 of 256 draws (2.0 %) and at most 1.5 in 15 (5.9 %).
    assert intervals["mean"]["1"]["HD95_mm"] == {"low": 1.5, "high": 3.5}
    # Both columns of Dice, a row a volume, of two volumes a patient.
    values = [[each.dice for each in case.structures.values()] for case in cases]
    values = np.array(values, float)
    subjects = [case.subject for case in cases]
    low, high = statistics.mean_interval(values, subjects)
    assert intervals["foreground_mean"]["Dice"] == {"low": low, "high": high}
    low, high = statistics.mean_interval(values[:, 1:], subjects)
    assert intervals["mean"]["2"]["Dice"] == {"low": low, "high": high}
    assert intervals["mean"]["1"]["NSD"] is None  # Not measured.


def test_few_subjects_have_no_interval(cases):
    # RV applies to p1 and p2 alone.
    assert summary.summarise(cases, NAMES)["intervals"]["mean"]["1"]["Dice"] is None
    two = making.many_cases()[:4]  # Four volumes of two patients.
    intervals = summary.summarise(two, NAMES)["intervals"]
    assert intervals["foreground_mean"]["Dice"] is None
    assert intervals["mean"]["2"]["Dice"] is None


def test_volumes_of_cases_and_their_bias(cases, tmp_path):
    content = summary.summarise(cases, NAMES)
    # RV, 0.5 ml a voxel: 15 and 15 in p1, 8 and 0 in p2.
    bias = content["volume_bias"]["1"]
    assert (bias["n"], bias["ref_ml"], bias["bias_ml"]) == (2, 5.75, -2)
    right, left = content["metric_per_case"][1]["metrics"].values()
    assert (right["Volume_ref_ml"], right["Volume_pred_ml"]) == (4, 0)
    assert right["Volume_difference_ml"] == -4
    assert left["Volume_ref_ml"] is None
    summary.write_table(cases, NAMES, tmp_path / "cases.csv")
    rows = list(csv.DictReader((tmp_path / "cases.csv").open()))
    columns = ("volume_ref_ml", "volume_pred_ml", "volume_difference_ml")
    assert [rows[2][key] for key in columns] == ["4.0", "0.0", "-4.0"]
    assert [rows[3][key] for key in columns] == ["", "", ""]
