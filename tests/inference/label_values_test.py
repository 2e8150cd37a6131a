"""Masks say what the labels say, and summary.json says it, too."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import preparation, prepared
from dscl_tf.inference import (
    evaluate,
    evaluated,
    evaluation_pictures,
    export,
    predict,
    predictor,
)
from dscl_tf.inference.ensembles import combined
from dscl_tf.training import records, run_folder
from tests.inference import conftest

VALUES = (0, 205, 850)  # Of the model's own dataset.
OTHERS = (0, 85, 255)  # Of the cohort that it is evaluated on.


@pytest.fixture(scope="module")
def exported(segmenter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "export"
    own = dict(vars(segmenter), label_values=VALUES)
    export.export_model(run_folder.Segmenter(**own), folder)
    return folder


@pytest.fixture(scope="module")
def model(exported):
    return predictor.open_predictor(exported)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """p1: its label is cropped. p2: its truth differs from what the model sees."""
    folder = tmp_path_factory.mktemp("dataset")
    truth = conftest.blocks()
    for name in ("p1", "p2"):
        image = conftest.as_image(truth)
        conftest.write_volume(folder / "images" / f"{name}.nii.gz", image)
    raw = np.array(OTHERS, np.uint8)[truth]
    whole = sitk.ReadImage(
        str(conftest.write_volume(folder / "labels" / "p1.nii.gz", raw))
    )
    sitk.WriteImage(whole[3:12, 3:22, :], str(folder / "labels" / "p1.nii.gz"))
    raw[:, 4:12, 10:16] = OTHERS[1]
    conftest.write_volume(folder / "labels" / "p2.nii.gz", raw)
    made = preparation.PreparationConfig(
        source=str(folder / "images"),
        output=str(folder / "prepared"),
        labels=str(folder / "labels"),
        label_names=conftest.LABELS[1:],
        num_workers=1,
        settings=conftest.make_segmenter(None).preprocessing,
    )
    return prepared.PreparedCohort.open(preparation.prepare(made))


def dice_of_files(case, value):
    """Dice of a value in the two files of a case, which may have other grids."""
    mask = sitk.ReadImage(case["prediction_file"])
    truth = sitk.ReadImage(case["reference_file"])
    truth = sitk.Resample(truth, mask, sitk.Transform(), sitk.sitkNearestNeighbor)
    a, b = (sitk.GetArrayFromImage(each) == value for each in (mask, truth))
    return 2 * np.count_nonzero(a & b) / (a.sum() + b.sum())


def test_summary_says_what_the_pair_of_files_says(model, cohort, tmp_path):
    assert cohort.label_values == OTHERS
    settings = evaluate.EvaluationConfig(str(cohort.folder), str(tmp_path), "all")
    content = evaluate.evaluate(model, settings)
    names = {"85": "low", "255": "high"}
    assert content["label_names"] == names
    found = content["mean"], content["intervals"]["mean"], content["volume_bias"]
    assert all(set(each) == set(names) for each in found)
    assert evaluated.means(tmp_path) == content
    for case in content["metric_per_case"]:
        assert set(case["metrics"]) == {"85", "255"}
        for value, figures in case["metrics"].items():
            expected = dice_of_files(case, int(value))
            assert figures["Dice"] == pytest.approx(expected)
    first, second = content["metric_per_case"]
    assert first["metrics"]["85"]["Dice"] == 1
    assert second["metrics"]["85"]["Dice"] == pytest.approx(2 / 3)
    rows = list(csv.DictReader((tmp_path / "cases.csv").open()))
    assert [row["label"] for row in rows] == ["85", "255"] * 2
    # Who draws the masks later reads them so.
    (view,) = evaluation_pictures.MaskViews(cohort, [tmp_path]).of("p1")
    assert set(np.unique(view.prediction)) == {0, 1, 2}


def test_masks_of_classes_have_classes_for_keys(model, cohort, tmp_path):
    settings = evaluate.EvaluationConfig(
        str(cohort.folder), str(tmp_path), "all", pictures=False
    )
    evaluate.evaluate(model, settings)
    settings = dataclasses.replace(settings, mask_values="classes")
    with pytest.raises(errors.UserError, match="of another mask values"):
        evaluate.evaluate(model, settings)
    content = evaluate.evaluate(model, dataclasses.replace(settings, overwrite=True))
    assert content["label_names"] == {"1": "low", "2": "high"}
    mask = sitk.ReadImage(str(tmp_path / "masks" / "p1.nii.gz"))
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1, 2}
    assert evaluated.mask_values(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize(
    "options, values", [({}, VALUES), ({"mask_values": "classes"}, (0, 1, 2))]
)
def test_predicted_masks_have_the_values_of_the_training(
    model, tmp_path, options, values, caplog
):
    caplog.set_level(logging.INFO)
    truth = conftest.blocks()
    source = conftest.write_volume(
        tmp_path / "in" / "a.nii.gz", conftest.as_image(truth)
    )
    predict.predict_files(model, [source], tmp_path / "out", **options)
    mask = sitk.ReadImage(str(tmp_path / "out" / "a.nii.gz"))
    assert "low 4.6 ml, high 2.3 ml" in caplog.text  # 144 and 72 voxels of 32 mm3.
    expected = np.array(values)[truth]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), expected)


def test_segmentations_and_descriptions_have_the_values(model, tmp_path):
    image = conftest.as_image(conftest.blocks())
    source = conftest.write_volume(tmp_path / "in" / "a.nrrd", image)
    out = tmp_path / "out"
    predict.predict_files(model, [source], out, mask_format="seg_nrrd")
    mask = sitk.ReadImage(str(out / "a.seg.nrrd"))
    said = [mask.GetMetaData(f"Segment{k}_LabelValue") for k in (0, 1)]
    assert said == ["205", "850"]
    assert "  850 " in (out / "labels.txt").read_text()


def test_the_export_and_its_id_have_the_values(exported, segmenter, replace):
    content = json.loads((exported / "assets" / "dscl_tf.json").read_text())
    assert content["label_values"] == list(VALUES)
    plain = predictor.settings_of(segmenter)
    assert "label_values" not in plain and plain["model_id"] != content["model_id"]
    assert predictor.open_predictor(exported).label_values == VALUES
    path = exported / "assets" / "dscl_tf.json"
    files.write_json(path, {**content, "label_values": [0, 1]})
    try:
        with pytest.raises(errors.UserError, match=r"label_values: found \[0, 1\]"):
            predictor.open_predictor(exported)
    finally:
        files.write_json(path, content)


def test_the_record_of_a_run_has_the_values(mixed_run, cohort, tmp_path):
    record = run_folder.RunFolder(mixed_run[0]).read_record()
    before = records.to_json(record)
    assert "label_values" not in before
    made = records.make_record(record.config, cohort, record.split)
    content = records.to_json(made)
    assert content["label_values"] == list(OTHERS)
    assert records.from_json(json.loads(json.dumps(content)), "x") == made
    # Classes are what the network knows: it is the same run.
    other = dataclasses.replace(made, label_values=None)
    assert not records.differences(made, other)


def test_an_ensemble_keeps_the_values(segmenter):
    own = run_folder.Segmenter(**vars(segmenter))
    known = dataclasses.replace(own, label_values=VALUES)
    assert combined([own, known]).label_values == VALUES
