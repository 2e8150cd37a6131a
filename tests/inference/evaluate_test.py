"""Evaluation end to end on three tiny volumes whose outcome is known."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors, locks
from dscl_tf.cohort import prepared
from dscl_tf.inference import evaluate, former, originals, predict, predictor, subsets
from tests.inference import conftest


@pytest.fixture(scope="module")
def model(export_folder):
    return predictor.open_predictor(export_folder)


@pytest.fixture(scope="module")
def evaluated(model, cohort_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluation")
    settings = evaluate.EvaluationConfig(str(cohort_folder), str(output), "all")
    return output, evaluate.evaluate(model, settings)


def test_figures(evaluated):
    _, content = evaluated
    first, second = content["metric_per_case"]
    assert (first["name"], second["name"]) == ("p1", "p2")
    assert [first["metrics"][label]["Dice"] for label in "12"] == [1, 1]
    assert first["metrics"]["1"]["HD95_mm"] == pytest.approx(0, abs=1e-4)
    # p2: half of structure 1 is found; of structure 2 one voxel, elsewhere.
    low, high = (second["metrics"][label] for label in "12")
    assert (low["TP"], low["FP"], low["FN"]) == (144, 0, 144)
    assert low["Dice"] == pytest.approx(2 / 3)
    assert (high["TP"], high["FP"], high["FN"]) == (0, 1, 72)
    assert content["mean"]["1"]["Dice"] == pytest.approx(5 / 6)
    assert content["foreground_mean"]["Dice"] == pytest.approx((5 / 6 + 0.5) / 2)


def _surface_distances_mm():
    """Of structure 1 of p2, from the truth's surface and from the prediction's."""
    # In the outer slices every voxel is surface, in the middle one the outline. From
    # the truth's 12 columns to the prediction's first 6: 0, then 1 to 6 columns of
    # 2 mm. Back: every surface voxel is truth's too, but for the 6 inner voxels of
    # column 9 in the middle slice: 1 slice (8 mm) or 3 rows at most, to the nearest
    # outline row: 2, 4, 6, 6, 4, 2 mm.
    beyond = [2 * k for k in range(1, 7)]
    forth = [0] * 96 + 16 * beyond  # Outer slices: 2 x 8 rows x 12 columns.
    # Middle slice: rows 4 and 11 of 12 columns, and columns 4 and 15 between them.
    forth += [0] * 12 + 2 * beyond + [0] * 6 + 6 * [12]
    return forth, [0] * 96 + [0] * 12 + [0] * 6 + [2, 4, 6, 6, 4, 2]


def test_an_output_that_cannot_be_written_is_said_before_the_work(
    model, cohort_folder, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(evaluate, "_evaluate_all", None)  # It would be called.
    output = str(tmp_path / "file" / "out")
    settings = evaluate.EvaluationConfig(str(cohort_folder), output, "all")
    with pytest.raises(errors.UserError, match=r"Cannot write .*file/out"):
        evaluate.evaluate(model, settings)


def test_distances_are_at_the_original_spacing(evaluated):
    _, content = evaluated
    low = content["metric_per_case"][1]["metrics"]["1"]
    forth, back = _surface_distances_mm()
    assert low["HD95_mm"] == pytest.approx(np.percentile(forth, 95), rel=1e-5)
    assert low["ASSD_mm"] == pytest.approx(np.mean(forth + back), rel=1e-5)


def test_surface_dice_on_demand(evaluated, model, cohort_folder, tmp_path):
    _, content = evaluated
    assert content["nsd_tolerance_mm"] is None
    assert content["mean"]["1"]["NSD"] is None
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False, nsd_tolerance_mm=2.0
    )
    asked = evaluate.evaluate(model, settings)
    forth, back = _surface_distances_mm()
    low = asked["metric_per_case"][1]["metrics"]["1"]
    assert low["NSD"] == pytest.approx(np.mean(np.array(forth + back) <= 2))
    # Another tolerance is another evaluation, the same one is not.
    again = dataclasses.replace(settings, nsd_tolerance_mm=3.0)
    with pytest.raises(errors.UserError, match="of another nsd tolerance mm: choose"):
        evaluate.evaluate(model, again)
    new = dataclasses.replace(again, overwrite=True)
    assert evaluate.evaluate(model, new)["nsd_tolerance_mm"] == 3.0
    before = (tmp_path / "summary.json").stat().st_mtime_ns
    evaluate.evaluate(model, again)
    assert (tmp_path / "summary.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("lacking", ["intervals", "volume_bias"])
def test_what_an_earlier_version_wrote_is_evaluated_again(
    evaluated, model, cohort_folder, tmp_path, lacking
):
    _, content = evaluated
    earlier = {key: it for key, it in content.items() if key != lacking}
    (tmp_path / "summary.json").write_text(json.dumps(earlier))
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False
    )
    assert evaluate.evaluate(model, settings)[lacking] == content[lacking]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda it: it.pop("mean"), "mean: found nothing"),
        (lambda it: it["mean"]["1"].pop("missed"), "mean.1.missed: found nothing"),
        (lambda it: it["intervals"]["mean"].pop("2"), "intervals.mean.2: found"),
        (lambda it: it.pop("metric_per_case"), "metric_per_case: found nothing"),
    ],
)
def test_a_damaged_evaluation_is_named(
    evaluated, model, cohort_folder, tmp_path, damage, message
):
    content = json.loads((evaluated[0] / "summary.json").read_text())
    damage(content)
    (tmp_path / "summary.json").write_text(json.dumps(content))
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False
    )
    with pytest.raises(errors.UserError, match=rf"{message}.* with --overwrite"):
        evaluate.evaluate(model, settings)


def test_files(evaluated, dataset):
    output, content = evaluated
    for name in ("p1", "p2"):
        assert (output / "overlays" / f"{name}.png").stat().st_size > 1000
    assert (output / "contact_sheet.png").stat().st_size > 1000
    rows = list(csv.DictReader((output / "cases.csv").open()))
    assert [(row["volume"], row["structure"]) for row in rows] == [
        ("p1", "low"),
        ("p1", "high"),
        ("p2", "low"),
        ("p2", "high"),
    ]
    written = json.loads((output / "summary.json").read_text())
    assert written == content
    assert written["subset"] == "all" and written["volumes"] == ["p1", "p2"]
    assert written["label_names"] == {"1": "low", "2": "high"}
    case = written["metric_per_case"][1]
    assert case["reference_file"] == str(dataset / "labels" / "p2.nii.gz")
    assert case["prediction_file"] == str(output / "masks" / "p2.nii.gz")


def test_masks_equal_those_of_predict(evaluated, model, dataset, tmp_path):
    inputs = predict.find_inputs(dataset / "images", tmp_path)
    predict.predict_files(model, inputs, tmp_path)
    for name in ("p1.nii.gz", "p2.nii.gz"):
        first, second = (
            sitk.ReadImage(str(folder / name))
            for folder in (evaluated[0] / "masks", tmp_path)
        )
        assert first.GetDirection() == second.GetDirection()
        assert first.GetOrigin() == second.GetOrigin()
        np.testing.assert_array_equal(
            sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second)
        )


def test_finished_evaluation_is_not_repeated(evaluated, model, cohort_folder, tmp_path):
    output = tmp_path / "evaluation"
    shutil.copytree(evaluated[0], output)
    (output / "cases.csv").unlink()
    settings = evaluate.EvaluationConfig(str(cohort_folder), str(output), "all")
    assert evaluate.evaluate(model, settings) == evaluated[1]
    assert not (output / "cases.csv").exists()
    evaluate.evaluate(model, dataclasses.replace(settings, overwrite=True))
    assert (output / "cases.csv").exists()


def test_another_evaluation_is_replaced_when_that_is_asked_for(
    evaluated, model, cohort_folder, tmp_path
):
    output = tmp_path / "evaluation"
    shutil.copytree(evaluated[0], output)
    (output / "masks" / "mine.nii.gz").touch()
    lists = {"pretrain": [], "train": ["p1"], "validation": [], "test": ["p2"]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    split = config.SplitConfig(file=str(tmp_path / "split.json"))
    settings = evaluate.EvaluationConfig(str(cohort_folder), str(output), split=split)
    before = (output / "summary.json").read_bytes()
    with pytest.raises(errors.UserError, match="of another subset, volumes: choose"):
        evaluate.evaluate(model, settings)
    assert (output / "summary.json").read_bytes() == before
    new = dataclasses.replace(settings, overwrite=True)
    assert evaluate.evaluate(model, new)["volumes"] == ["p2"]
    # Nothing of the former one lies among the new files, and what is not its stays.
    masks = {path.name for path in (output / "masks").iterdir()}
    assert masks == {"p2.nii.gz", "mine.nii.gz"}
    assert [path.name for path in (output / "overlays").iterdir()] == ["p2.png"]


def test_what_is_replaced_is_kept_until_all_labels_are_found_unchanged(
    evaluated, model, cohort_folder, tmp_path, monkeypatch
):
    output = tmp_path / "evaluation"
    shutil.copytree(evaluated[0], output)
    (output / ".lock").unlink()
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    read = originals.read

    def changed(cohort, volume):
        image, truth = read(cohort, volume)
        return image, truth * 0 if volume.name == "p2" else truth

    monkeypatch.setattr(originals, "read", changed)
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(output), "all", overwrite=True
    )
    with pytest.raises(errors.UserError, match=r"differs .* of p2 when .* prepared"):
        evaluate.evaluate(model, settings)
    found = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    found.pop(output / ".lock")
    assert found == before


def test_a_damaged_or_interrupted_evaluation_is_replaced(
    evaluated, model, cohort_folder, tmp_path
):
    output = tmp_path / "evaluation"
    shutil.copytree(evaluated[0], output)
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(output), "all", overwrite=True
    )
    (output / "summary.json").write_text("{")
    (output / "contact_sheet.png").write_bytes(b"old")
    with pytest.raises(errors.UserError, match=r"not valid JSON .* --overwrite"):
        evaluate.evaluate(model, dataclasses.replace(settings, overwrite=False))
    assert evaluate.evaluate(model, settings)["volumes"] == ["p1", "p2"]
    # As after a kill in an evaluation of another model.
    (output / "summary.json").unlink()
    (output / former.BEGUN).touch()
    (output / "contact_sheet.png").write_bytes(b"old")
    evaluate.evaluate(model, dataclasses.replace(settings, overwrite=False))
    sheet = (output / "contact_sheet.png").read_bytes()
    assert sheet == (evaluated[0] / "contact_sheet.png").read_bytes()


def test_of_a_killed_evaluation_of_other_volumes_nothing_is_left(
    evaluated, model, cohort_folder, tmp_path
):
    output = tmp_path / "evaluation"
    shutil.copytree(evaluated[0], output)
    (output / "summary.json").unlink()  # It is written last.
    (output / former.BEGUN).touch()
    lists = {"pretrain": [], "train": ["p1"], "validation": [], "test": ["p2"]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    split = config.SplitConfig(file=str(tmp_path / "split.json"))
    settings = evaluate.EvaluationConfig(str(cohort_folder), str(output), split=split)
    assert evaluate.evaluate(model, settings)["volumes"] == ["p2"]
    assert [path.name for path in (output / "masks").iterdir()] == ["p2.nii.gz"]
    assert [path.name for path in (output / "overlays").iterdir()] == ["p2.png"]
    assert "p1" not in (output / "cases.csv").read_text()


def test_two_evaluations_in_one_folder_are_refused(model, cohort_folder, tmp_path):
    settings = evaluate.EvaluationConfig(str(cohort_folder), str(tmp_path), "all")
    refused = pytest.raises(errors.UserError, match="is in use by process")
    with locks.held(tmp_path, "--output"), refused:
        evaluate.evaluate(model, settings)
    assert not (tmp_path / "masks").exists()


def test_what_another_process_has_evaluated_meanwhile_is_kept(
    model, cohort_folder, tmp_path, monkeypatch
):
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False
    )
    require_writable, written = evaluate.files.require_writable, []

    def comes_between(folder):
        require_writable(folder)
        if not written:
            written.append("begun")
            evaluate.evaluate(model, settings)
            written.append((tmp_path / "summary.json").stat().st_mtime_ns)

    monkeypatch.setattr(evaluate.files, "require_writable", comes_between)
    evaluate.evaluate(model, settings)
    assert (tmp_path / "summary.json").stat().st_mtime_ns == written[1]


def test_pictures_of_a_finished_evaluation_are_drawn(
    evaluated, model, cohort_folder, tmp_path
):
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False
    )
    evaluate.evaluate(model, settings)
    assert not (tmp_path / "contact_sheet.png").exists()
    evaluate.evaluate(model, dataclasses.replace(settings, pictures=True))
    for name in ("contact_sheet.png", "overlays/p1.png", "overlays/p2.png"):
        assert (tmp_path / name).read_bytes() == (evaluated[0] / name).read_bytes()


def _choose(model, cohort_folder, subset, split=None):
    cohort = prepared.PreparedCohort.open(cohort_folder)
    return [each.name for each in subsets.choose(model, cohort, subset, split)]


def test_subsets(model, mixed_run, cohort_folder, tmp_path):
    run = predictor.open_predictor(mixed_run[0])
    assert _choose(run, cohort_folder, "test") == ["p2"]  # p3 has no label.
    assert _choose(run, cohort_folder, "all") == ["p1", "p2"]
    with pytest.raises(errors.UserError, match=r"'train'.* 0 volumes"):
        _choose(run, cohort_folder, "train")
    with pytest.raises(errors.UserError, match="--split=FILE or --subset=all"):
        _choose(model, cohort_folder, "test")
    split = tmp_path / "split.json"
    split.write_text('{"train": ["p2"], "test": ["p1"]}')
    wanted = config.SplitConfig(file=str(split))
    assert _choose(model, cohort_folder, "test", wanted) == ["p1"]
    assert _choose(run, cohort_folder, "test", wanted) == ["p1"]


def test_run_of_another_cohort(mixed_run, cohort_folder):
    run = predictor.open_predictor(mixed_run[0])
    cohort = prepared.PreparedCohort.open(cohort_folder)
    cohort.volumes = cohort.volumes[:1]
    with pytest.raises(errors.UserError, match="volume p2 is not in the cohort"):
        subsets.choose(run, cohort, "test")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"spacing_mm": 2.5}, r"spacing_mm \(2\.0 instead of 2\.5\); prepare"),
        ({}, "The model segments left; the cohort .* has labels of low, high"),
    ],
)
def test_cohort_must_fit_the_model(model, cohort_folder, tmp_path, changes, message):
    settings = dataclasses.replace(model.settings, **changes)
    other = predictor.Predictor(None, settings, ("background", "left"), "id")
    asked = evaluate.EvaluationConfig(str(cohort_folder), str(tmp_path), "all")
    with pytest.raises(errors.UserError, match=message):
        evaluate.evaluate(other, asked)


LEFT_HANDED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.mark.parametrize(
    "axes, is_refused",
    [
        ((0.98, 0.199, 0.0, -0.199, 0.98, 0.0, 0.0, 0.0, 1.0), False),
        (LEFT_HANDED, True),
    ],
    ids=["another reference", "the other end first"],
)
def test_cohort_of_another_orientation(
    model, cohort_folder, tmp_path, axes, is_refused
):
    orientation = config.OrientationConfig(axes, is_stack=True)
    settings = dataclasses.replace(model.settings, orientation=orientation)
    other = predictor.Predictor(model._function, settings, model.label_names, "id")
    asked = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path), "all", pictures=False
    )
    if not is_refused:
        assert evaluate.evaluate(other, asked)["model_id"] == "id"
        return
    with pytest.raises(
        errors.UserError, match=r"p\d is stored in .* another orientation"
    ):
        evaluate.evaluate(other, asked)


def _evaluate_moved(model, cohort_folder, tmp_path, path, field="label_file"):
    """Evaluates after the label or image file of p2 has become another one."""
    folder = tmp_path / "prepared"
    shutil.copytree(cohort_folder, folder)
    index = json.loads((folder / "index.json").read_text())
    index["volumes"][1][field] = str(path)
    (folder / "index.json").write_text(json.dumps(index))
    settings = evaluate.EvaluationConfig(str(folder), str(tmp_path / "out"), "all")
    evaluate.evaluate(model, settings)


def test_missing_original(model, cohort_folder, tmp_path):
    with pytest.raises(errors.UserError, match=r"gone\.nii of p2 is missing"):
        _evaluate_moved(model, cohort_folder, tmp_path, tmp_path / "gone.nii")
    assert not (tmp_path / "out").exists()


def test_original_of_another_size(model, cohort_folder, tmp_path):
    other = conftest.write_volume(
        tmp_path / "label.nii.gz", conftest.blocks()[:, :20].copy()
    )
    with pytest.raises(errors.UserError, match=r"label\.nii\.gz has \(20, 20, 3\)"):
        _evaluate_moved(model, cohort_folder, tmp_path, other)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_truth_that_has_changed(model, dataset, cohort_folder, tmp_path):
    truth = sitk.ReadImage(str(dataset / "labels" / "p2.nii.gz"))
    truth[5, 20, 1] = 2
    sitk.WriteImage(truth, str(tmp_path / "label.nii.gz"))
    with pytest.raises(errors.UserError, match=r"label\.nii\.gz: .* in 1 prepared vox"):
        _evaluate_moved(model, cohort_folder, tmp_path, tmp_path / "label.nii.gz")
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize(
    "field, change",
    [
        ("spacing", lambda image: image.SetSpacing((2.0, 2.5, 8.0))),
        ("origin", lambda image: image.SetOrigin((-10.5, 20.25, 4.0))),
        ("direction", lambda image: image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))),
    ],
)
def test_image_that_has_moved(model, dataset, cohort_folder, tmp_path, field, change):
    image = sitk.ReadImage(str(dataset / "images" / "p2.nii.gz"))
    change(image)
    path = tmp_path / "image.nii.gz"
    sitk.WriteImage(image, str(path))
    with pytest.raises(errors.UserError, match=rf"image\.nii\.gz: {field}: found"):
        _evaluate_moved(model, cohort_folder, tmp_path, path, "image_file")
