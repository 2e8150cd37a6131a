"""Tables of evaluations, of the tiny cohort and of what earlier versions wrote."""

import csv
import json
import shutil

import pytest

from dscl_tf import errors, files
from dscl_tf.inference import evaluate, predictor, summary
from dscl_tf.reporting import evaluations
from tests.inference import making as cases
from tests.reporting import making


@pytest.fixture(scope="module")
def measured(segmenter, cohort_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "test"
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(folder), "all", pictures=False, nsd_tolerance_mm=2.0
    )
    content = evaluate.evaluate(predictor.from_segmenter(segmenter), settings)
    return folder, content


def test_surface_dice_stands_with_its_tolerance(measured):
    folder, content = measured
    text = making.fragment(evaluations.section([("test", folder)], {}))
    assert text.count("NSD at 2 mm") == 3  # Heading, summary and caption.
    for mean in content["mean"].values():
        assert f">{mean['NSD']:.3f}<" in text
    for case in content["metric_per_case"]:
        assert f">{case['metrics']['1']['NSD']:.3f}<" in text


def test_volumes_and_their_bias(measured):
    folder, content = measured
    text = making.fragment(evaluations.section([("test", folder)], {}))
    # Structure 1 of p2: half of 288 voxels of 32 mm3 is found.
    for figure in ("9.22", "4.61", "\N{MINUS SIGN}4.61"):
        assert f">{figure}<" in text
    bias = content["volume_bias"]["1"]
    assert bias["bias_ml"] == pytest.approx(-144 * 0.032 / 2)
    assert f">{-bias['bias_ml']:.2f}<".replace(">", ">\N{MINUS SIGN}") in text
    assert "Bias (%)" in text


def test_intervals_stand_beside_their_means(tmp_path):
    content = summary.summarise(cases.many_cases(), cases.NAMES)
    content["subset"] = "test"
    summary.write_table(cases.many_cases(), cases.NAMES, tmp_path / "cases.csv")
    files.write_json(tmp_path / "summary.json", content)
    text = making.fragment(evaluations.section([("test", tmp_path)], {}))
    assert "2.5 [1.5, 3.5]</td>" in text  # HD95 of the first structure.
    assert "In brackets 95% intervals of the means: bootstrap over 4 subjects" in text


def test_an_evaluation_of_an_earlier_version(tmp_path):
    mean = {"Dice": 0.5, "HD95_mm": 4.0, "ASSD_mm": None}
    content = {
        "label_names": {"1": "low"},
        "mean": {"1": mean},
        "foreground_mean": mean,
        "num_cases": 2,
        "subset": "test",
    }
    (tmp_path / "summary.json").write_text(json.dumps(content))
    making.write_cases(tmp_path, [("p1", "low", 0.25), ("p2", "low", 0.75)])
    text = making.fragment(evaluations.section([("test", tmp_path)], {}))
    assert "2 volumes of the subset test." in text
    assert ">0.250<" in text and ">0.750<" in text
    assert "NSD" not in text and "Bias" not in text


def _without_columns(table, *names):
    """Takes columns out of a cases.csv, as earlier versions had not got them."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in rows[0] if name not in names]
    making.write_csv(table, kept, [[row[name] for name in kept] for row in rows])


@pytest.mark.parametrize(
    "lacking, said, unsaid",
    [
        ("nsd", "Each volume: ml", "Each volume: NSD"),
        ("volume_pred_ml", "Each volume: NSD at 2 mm", "Each volume: ml"),
    ],
)
def test_columns_of_later_versions_are_shown_where_they_are(
    measured, tmp_path, lacking, said, unsaid
):
    folder = shutil.copytree(measured[0], tmp_path / "test")
    text = making.fragment(evaluations.section([("test", folder)], {}))
    assert said in text and unsaid in text
    _without_columns(folder / "cases.csv", lacking)
    text = making.fragment(evaluations.section([("test", folder)], {}))
    assert said in text and unsaid not in text


def test_means_of_later_versions_are_shown_where_they_are(measured, tmp_path):
    folder = shutil.copytree(measured[0], tmp_path / "test")
    content = json.loads((folder / "summary.json").read_text())
    for mean in (*content["mean"].values(), content["foreground_mean"]):
        del mean["NSD"]
    (folder / "summary.json").write_text(json.dumps(content))
    text = making.fragment(evaluations.section([("test", folder)], {}))
    assert text.count("NSD at 2 mm") == 2  # Summary and caption; no heading.


@pytest.mark.parametrize("column", ["volume", "structure", "dice"])
def test_a_table_without_what_every_version_wrote_is_damaged(
    measured, tmp_path, column
):
    folder = shutil.copytree(measured[0], tmp_path / "test")
    _without_columns(folder / "cases.csv", column)
    with pytest.raises(
        errors.UserError, match=r"test/cases\.csv: expected the columns"
    ):
        evaluations.section([("test", folder)], {})


@pytest.mark.parametrize("column", ["nsd", "volume_ref_ml"])
def test_a_figure_that_is_no_number_is_named(measured, tmp_path, column):
    folder = shutil.copytree(measured[0], tmp_path / "test")
    with (folder / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = "much"
    making.write_csv(folder / "cases.csv", list(rows[0]), [it.values() for it in rows])
    with pytest.raises(
        errors.UserError, match=rf"test/cases\.csv: .* {column}.*'much'"
    ):
        evaluations.section([("test", folder)], {})


def test_a_remark_stands_before_the_figures(measured):
    found = [("one", measured[0]), ("two", measured[0])]
    text = making.fragment(evaluations.section(found, {"two": "a remark <"}))
    assert text.count('class="remark"') == 1
    assert text.index(">two<") < text.index(">a remark &lt;<") < text.rindex("Dice<")
