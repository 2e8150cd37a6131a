"""Tables of evaluations, of the tiny cohort and of what earlier versions wrote."""

import json

import pytest

from dscl_tf import files
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
    text = making.fragment(evaluations.section([("test", folder)]))
    assert text.count("NSD at 2 mm") == 3  # Heading, summary and caption.
    for mean in content["mean"].values():
        assert f">{mean['NSD']:.3f}<" in text
    for case in content["metric_per_case"]:
        assert f">{case['metrics']['1']['NSD']:.3f}<" in text


def test_volumes_and_their_bias(measured):
    folder, content = measured
    text = making.fragment(evaluations.section([("test", folder)]))
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
    text = making.fragment(evaluations.section([("test", tmp_path)]))
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
    text = making.fragment(evaluations.section([("test", tmp_path)]))
    assert "2 volumes of the subset test." in text
    assert ">0.250<" in text and ">0.750<" in text
    assert "NSD" not in text and "Bias" not in text
