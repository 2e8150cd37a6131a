"""Two evaluations as one picture."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
from matplotlib import image as images

from dscl_tf import errors
from dscl_tf.inference import beside, case_views, evaluate, overlays, predictor


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
    # As summary.json says it, whose mean was not changed.
    assert above == "theirs\nDice 0.667"
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
        errors.UserError, match=r"less has 1 volumes and .* has 2; p1 only in"
    ):
        beside.draw(mine, tmp_path / "less", str(cohort_folder))


def test_volumes_without_a_dice_are_shown_last(two, cohort_folder, tmp_path):
    mine, _ = two
    shutil.copytree(mine, tmp_path / "empty")
    summary = tmp_path / "empty" / "summary.json"
    content = json.loads(summary.read_text())
    for case in content["metric_per_case"]:
        for figures in case["metrics"].values():
            figures["Dice"] = None
    content["foreground_mean"]["Dice"] = None
    summary.write_text(json.dumps(content))
    beside.draw(tmp_path / "empty", mine, str(cohort_folder))
    assert (tmp_path / "empty" / "beside.png").is_file()
    assert beside._chosen({"b": None, "a": 0.5, "c": 0.1}) == ["c", "a", "b"]


def test_six_volumes_are_chosen_from_the_lowest_to_the_highest():
    dice = {f"p{k:02}": k / 20 for k in range(11)}
    assert beside._chosen(dice) == ["p00", "p02", "p04", "p06", "p08", "p10"]


def test_a_slice_without_truth_is_one_that_somebody_found():
    nothing = np.zeros([5, 4, 4], np.uint8)
    found = nothing.copy()
    found[3] = 1
    plain = case_views.CaseView("p", nothing, nothing, nothing, 1.0, ("b", "a"))
    other = dataclasses.replace(plain, prediction=found)
    assert beside._middle([plain, other]) == beside._middle([other, plain]) == 3


@pytest.mark.parametrize(
    "folders, headings",
    [
        (("runs/random/test", "runs/best/test"), ["random", "best"]),
        (("a", "b"), ["a", "b"]),
        (("runs/mine/test", "runs/mine/test/old"), ["test", "test/old"]),
        (("runs/test/old", "runs/old"), ["test/old", "old"]),
        (
            (
                "n1_draw0_seed0_gd+lr_crops+consistency/test",
                "n1_draw1_seed0_gd+lr_crops+consistency/test",
            ),
            ["n1_draw0_seed0_…ps+consistency", "n1_draw1_seed0_…ps+consistency"],
        ),
    ],
)
def test_headings_are_what_tells_the_folders_apart(folders, headings):
    assert beside._headings(*map(pathlib.Path, folders)) == headings


def test_an_evaluation_of_another_cohort_is_refused(two, cohort_folder, tmp_path):
    mine, theirs = two
    shutil.copytree(theirs, tmp_path / "other")
    summary = tmp_path / "other" / "summary.json"
    content = json.loads(summary.read_text())
    summary.write_text(json.dumps({**content, "cohort_id": "another"}))
    message = r"summary\.json: cohort_id: found another, expected .* of other scans"
    with pytest.raises(errors.UserError, match=message):
        beside.draw(mine, tmp_path / "other", str(cohort_folder))
