"""From sparse labels to figures: prepared, fine-tuned, evaluated, drawn."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, stages
from dscl_tf.cohort import preparation, prepared
from dscl_tf.inference import (
    case_views,
    evaluate,
    evaluation_pictures,
    overlays,
    predictor,
)
from tests.cohort import making

IGNORED = 9


def write_volumes(root):
    """Bright blocks, labelled in slices 1 and 3 of 5, the last columns set aside."""
    rng = np.random.default_rng(0)
    for k in range(5):
        label = np.zeros((5, 16, 18), np.uint8)
        label[:, 4:10, 3 + k : 10 + k] = 1
        label[:, 6:8, 5 + k : 8 + k] = 2
        image = (100.0 * label + rng.normal(50, 10, label.shape)).astype(np.float32)
        label[[0, 2, 4]] = 0
        label[:, :, 14:] = IGNORED
        geometry = {"spacing_mm": (1.5, 1.5, 8.0)}
        making.write(root / "images" / f"p{k}.nii.gz", image, **geometry)
        making.write(root / "labels" / f"p{k}.nii.gz", label, **geometry)


@pytest.fixture(scope="module")
def evaluated(make_stage, tmp_path_factory):
    root = tmp_path_factory.mktemp("sparse")
    write_volumes(root)
    folder = preparation.prepare(
        preparation.PreparationConfig(
            source=str(root / "images"),
            labels=str(root / "labels"),
            output=str(root / "prepared"),
            labelled_slices="with_structures",
            ignore_label=IGNORED,
            num_workers=1,
            settings=config.PreprocessingConfig(
                size_px=(16, 16), spacing_mm=1.8, bias_correction=False
            ),
        )
    )
    stage = make_stage("finetune", root / "run", 4)
    run = stages.run([dataclasses.replace(stage, prepared=str(folder))])[0]
    settings = evaluate.EvaluationConfig(
        str(folder), str(root / "test"), "all", nsd_tolerance_mm=2.0
    )
    evaluate.evaluate(predictor.open_predictor(run), settings)
    return root


def test_figures_are_of_the_known_voxels(evaluated):
    content = json.loads((evaluated / "test" / "summary.json").read_text())
    for case in content["metric_per_case"]:
        name = f"{case['name']}.nii.gz"
        truth, mask = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            for path in (
                evaluated / "labels" / name,
                evaluated / "test" / "masks" / name,
            )
        )
        assert mask.max() <= 2
        known = np.zeros(truth.shape, bool)
        known[[1, 3], :, :14] = True
        for label in (1, 2):
            found, true = (mask == label) & known, (truth == label) & known
            expected = 2 * (found & true).sum() / (found.sum() + true.sum())
            figures = case["metrics"][str(label)]
            assert figures["Dice"] == pytest.approx(expected)
            assert figures["n_ref"] == true.sum() and figures["n_pred"] == found.sum()
            counted = sum(figures[key] for key in ("TP", "FP", "FN", "TN"))
            assert counted == known.sum()
        assert case["left_out"] == {"voxels": int((~known).sum()), "slices": 3}
    left_out = content["metric_per_case"][0]["left_out"]
    assert content["left_out"] == {k: 5 * n for k, n in left_out.items()}
    assert list(content["label_names"].values()) == ["class 1", "class 2"]


def test_the_pictures_show_what_nobody_labelled(evaluated, tmp_path):
    cohort = prepared.PreparedCohort.open(evaluated / "prepared")
    (view,) = evaluation_pictures.MaskViews(cohort, [evaluated / "test"]).of("p0")
    assert set(np.unique(view.truth)) <= {0, 1, 2}
    assert view.unknown[[0, 2, 4]].all() and not view.unknown[[1, 3]].all()
    # What is found where nobody labelled is no mistake.
    assert view.slice_dice(0) == {} and set(view.levels()) <= {1, 3}
    small = case_views.thumbnail(view, None)
    assert small.view.unknown.shape == (1, *view.unknown.shape[1:])
    overlays.draw_case(view, tmp_path / "with.png")
    plain = dataclasses.replace(view, unknown=None)
    overlays.draw_case(plain, tmp_path / "without.png")
    drawn = [(tmp_path / f"{n}.png").read_bytes() for n in ("with", "without")]
    assert drawn[0] != drawn[1]


def test_a_whole_cohorts_summary_says_nothing_of_it(evaluated):
    root = evaluated / "whole"
    write_volumes(root)
    settings = config.PreprocessingConfig(
        size_px=(16, 16), spacing_mm=1.8, bias_correction=False
    )
    request = preparation.PreparationConfig(
        str(root / "images"),
        str(root / "prepared"),
        labels=str(root / "labels"),
        settings=settings,
        num_workers=1,
    )
    cohort = prepared.PreparedCohort.open(preparation.prepare(request))
    assert cohort.unknown is None and cohort.num_classes == 4
    assert "labelled_slices" not in (root / "prepared" / "index.json").read_text()
