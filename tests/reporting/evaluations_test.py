"""Tables of evaluations, of the tiny cohort and of what earlier versions wrote."""

import json

import pytest

from dscl_tf.inference import evaluate, predictor
from dscl_tf.reporting import evaluations
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
    assert "NSD" not in text
