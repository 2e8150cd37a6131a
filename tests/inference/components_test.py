import json
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import prepared, splits
from dscl_tf.inference import components, export, predictor
from dscl_tf.stages import finetune
from dscl_tf.training import run_folder
from tests.inference import conftest


def mask_of_pieces():
    """Label 1 in pieces of 8, 2 (touching at a corner: of the 8), and 3; label 2."""
    mask = np.zeros([4, 10, 12], np.uint8)
    mask[1:3, 2:4, 2:4] = 1
    mask[3, 4, 4:6] = 1  # One corner apart, in the next slice.
    mask[0, 8, 8:11] = 1
    mask[2, 7, 1] = 2
    mask[2, 9, 3:5] = 2
    return mask


def kept(mask, labels):
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing((1.5, 1.5, 8))
    found = components.keep_largest(image, labels)
    assert found.GetSpacing() == image.GetSpacing()
    assert found.GetPixelID() == image.GetPixelID()
    return sitk.GetArrayFromImage(found)


def test_the_largest_piece_is_left_of_each_structure_that_is_named():
    mask = mask_of_pieces()
    only_first = kept(mask, [1])
    assert (only_first == 1).sum() == 10 and not (only_first[0] == 1).any()
    np.testing.assert_array_equal(only_first == 2, mask == 2)
    both = kept(mask, [1, 2])
    assert (both == 2).sum() == 2 and both[2, 7, 1] == 0
    np.testing.assert_array_equal(kept(mask, []), mask)
    empty = np.zeros_like(mask)
    np.testing.assert_array_equal(kept(empty, [1]), empty)


def test_structures_are_chosen_that_gain_by_it():
    truth = np.zeros([2, 8, 8], np.uint8)
    truth[:, 1:4, 1:4] = 1
    truth[:, 5:7, 1] = truth[:, 5:7, 6] = 2  # In two pieces indeed.
    predicted = truth.copy()
    predicted[0, 1, 7] = 1
    assert components.chosen([truth], [predicted], 4) == (1,)
    # What is as good without is left as it is.
    assert components.chosen([truth], [truth], 4) == ()
    assert components.chosen([truth], [np.zeros_like(truth)], 4) == ()


def heart_and_wall():
    """1, 2 and 3 side by side, of 1 a larger piece apart, with a speck of 2 in it."""
    truth = np.zeros([3, 12, 20], np.uint8)
    truth[:, 2:5, 1:4] = 1
    truth[:, 2:5, 4:6] = 2
    truth[:, 2:5, 6:8] = 3
    predicted = truth.copy()
    predicted[:, 4, 1:4] = 0
    predicted[:, 6:12, 12:20] = 1  # More voxels than all that is true.
    predicted[0, 8, 15] = 2
    return truth, predicted


def test_of_all_together_the_piece_with_most_structures_is_left():
    truth, predicted = heart_and_wall()
    heart = np.where(truth != 0, predicted, 0)
    assert (predicted != 0).sum() > 3 * (heart != 0).sum()
    found = kept(predicted, [components.ALL_STRUCTURES])
    np.testing.assert_array_equal(found, heart)
    # It comes first: the piece of 1 that is the larger one by itself is gone by then.
    np.testing.assert_array_equal(kept(predicted, [0, 1]), heart)
    assert (kept(predicted, [1])[truth == 1] != 1).all()
    empty = np.zeros_like(truth)
    np.testing.assert_array_equal(kept(empty, [0, 1]), empty)


def test_all_together_are_chosen_where_no_structure_loses():
    truth, predicted = heart_and_wall()
    assert components.chosen([truth], [predicted], 4) == (0, 2)
    # Two that lie apart are no one piece, though the mean is higher without the wall.
    truth[2, 10:, :2] = predicted[2, 10:, :2] = 3
    assert components.chosen([truth], [predicted], 4) == (2,)


def test_a_run_and_its_export_keep_the_same_pieces(segmenter, replace, tmp_path):
    one_piece = replace(segmenter, largest_component=(1,))
    labels = conftest.blocks()
    labels[0, 26, 18] = 1
    image = sitk.GetImageFromArray(conftest.as_image(labels))
    image.SetSpacing((2.0, 2.0, 8.0))
    export.export_model(one_piece, tmp_path / "export")
    of_run = predictor.from_segmenter(one_piece)
    of_export = predictor.open_predictor(tmp_path / "export")
    assert of_run.model_id == of_export.model_id
    assert of_run.model_id != predictor.from_segmenter(segmenter).model_id
    plain = sitk.GetArrayFromImage(predictor.from_segmenter(segmenter).segment(image))
    assert plain[0, 26, 18] == 1
    for opened in (of_run, of_export):
        found = sitk.GetArrayFromImage(opened.segment(image))
        assert found[0, 26, 18] == 0
        assert (found != plain).sum() == 1


def test_fine_tuning_finds_them_and_the_run_keeps_them(make_stage, tmp_path):
    settings = config.FinetuneConfig(
        batch_size=3, validate_every=2, largest_component=True
    )
    stage = make_stage("finetune", tmp_path / "run", 3, finetune=settings)
    folder = stages.run([stage])[0]
    found = json.loads((folder / "result.json").read_text())["largest_component"]
    assert found in ([], [1])
    assert run_folder.load_segmenter(folder).largest_component == tuple(found)
    # What the weights say on the validation volume decides, as it does here.
    record = run_folder.RunFolder(folder).read_record()
    cohort = prepared.PreparedCohort.open(stage.prepared)
    model = run_folder.load_segmenter(folder).model
    (name,) = record.split.validation
    logits = model(np.asarray(cohort.image(name), np.float32)[..., None]).numpy()
    expected = components.chosen([cohort.label(name)], [logits.argmax(-1)], 2)
    assert tuple(found) == expected


def test_the_validation_volumes_decide(tiny_cohort, monkeypatch):
    split = splits.Split(("p0", "p1", "p2"), ("p0",), ("p1", "p2"), ("p5",))
    image = tf.keras.Input([16, 16, 1])
    network = tf.keras.Model(image, tf.concat([0.5 - image, image - 0.5], axis=-1))
    monkeypatch.setattr(run_folder, "load_network", lambda record, path: network)
    asked = []
    monkeypatch.setattr(components, "chosen", lambda *its: asked.append(its) or (1,))
    settings = config.FinetuneConfig(largest_component=True)
    context = SimpleNamespace(
        cohort=tiny_cohort,
        split=split,
        config=SimpleNamespace(finetune=settings),
        run=SimpleNamespace(read_record=lambda: None),
    )
    assert finetune.conclude(context, None) == {"largest_component": [1]}
    ((truths, predictions, num_classes),) = asked
    assert len(truths) == len(predictions) == num_classes == 2
    for name, truth, prediction in zip(split.validation, truths, predictions):
        np.testing.assert_array_equal(truth, tiny_cohort.label(name))
        expected = np.asarray(tiny_cohort.image(name)) > 0.5
        np.testing.assert_array_equal(prediction, expected)


@pytest.mark.parametrize("found", [[-1], [2], ["1"], 1, [True]])
def test_a_result_with_other_labels_is_refused(make_stage, tmp_path, found):
    stage = make_stage("finetune", tmp_path / "run", 1)
    folder = stages.run([stage])[0]
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(
        json.dumps({**result, "largest_component": found})
    )
    with pytest.raises(errors.UserError, match="must be a list of labels from 0 to 1"):
        run_folder.load_segmenter(folder)


def test_without_validation_volumes_it_is_said(make_stage, tmp_path, caplog):
    settings = config.FinetuneConfig(batch_size=3, largest_component=True)
    split = config.SplitConfig(num_train=1, num_validation=0, num_test=1)
    stage = make_stage("finetune", tmp_path / "r", 1, finetune=settings, split=split)
    stages.run([stage])
    assert "Masks keep all pieces: without validation volumes" in caplog.text


def test_pieces_go_on_through_what_is_unknown_and_dice_is_of_the_rest():
    truth = np.full([1, 1, 12], 2, np.uint8)
    truth[..., 0] = truth[..., 9] = 1
    prediction = np.zeros_like(truth)
    # Its largest piece is known at its first pixel alone; without the unknown ones the
    # other piece would be as large. The spurious one lies where nobody labelled.
    prediction[..., 0:5] = 1
    prediction[..., 9] = 1
    prediction[..., 7] = 1
    assert components.chosen([truth], [prediction], 2) == ()
    truth[..., 9] = 0
    assert components.chosen([truth], [prediction], 2) == (1,)
