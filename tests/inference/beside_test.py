"""Two evaluations as one picture."""

import json
import shutil

import numpy as np
import pytest
from matplotlib import image as images

from dscl_tf import errors
from dscl_tf.inference import beside, evaluate, overlays, predictor


@pytest.fixture(scope="module")
def two(export_folder, cohort_folder, tmp_path_factory):
    """Folders of an evaluation, and of one whose masks of p2 are empty."""
    root = tmp_path_factory.mktemp("two")
    model = predictor.open_predictor(export_folder)
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(root / "mine" / "test"), "all", pictures=False
    )
    evaluate.evaluate(model, settings)
    shutil.copytree(root / "mine", root / "theirs")
    summary = root / "theirs" / "test" / "summary.json"
    content = json.loads(summary.read_text())
    for figures in content["metric_per_case"][1]["metrics"].values():
        figures["Dice"] = 0.0
    summary.write_text(json.dumps(content))
    return root / "mine" / "test", root / "theirs" / "test"


def test_rows_are_the_models_and_columns_the_volumes(two, cohort_folder, monkeypatch):
    drawn = {}
    monkeypatch.setattr(overlays, "draw_beside", lambda rows, path: drawn.update(rows))
    mine, theirs = two
    beside.draw(mine, theirs, str(cohort_folder))
    above, below = drawn
    assert above == "theirs\nDice 0.500"
    assert below == "mine\nDice 0.667"
    for shown in drawn.values():
        assert [each.view.name for each in shown] == ["p2", "p1"]
    assert [each.dice for each in drawn[above]] == [0.0, 1.0]
    assert drawn[below][0].dice == pytest.approx((2 / 3 + 0) / 2)
    # The same part of the same slice.
    for one, other in zip(*drawn.values()):
        np.testing.assert_array_equal(one.view.image, other.view.image)
        np.testing.assert_array_equal(one.view.truth, other.view.truth)


def test_the_picture_lies_beside_the_evaluation(two, cohort_folder):
    mine, theirs = two
    beside.draw(mine, theirs, str(cohort_folder))
    picture = images.imread(mine / "beside.png")
    assert picture.ndim == 3 and not (theirs / "beside.png").exists()


def test_other_volumes_are_refused(two, cohort_folder, tmp_path):
    mine, theirs = two
    shutil.copytree(theirs, tmp_path / "less")
    summary = tmp_path / "less" / "summary.json"
    content = json.loads(summary.read_text())
    del content["metric_per_case"][0]
    summary.write_text(json.dumps(content))
    with pytest.raises(
        errors.UserError, match=r"1 volumes with a Dice .* has 2; p1 in"
    ):
        beside.draw(mine, tmp_path / "less", str(cohort_folder))
