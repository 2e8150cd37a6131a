"""Opening models, and batches that do not change the result."""

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.inference import model_runs, predictor
from dscl_tf.training import runtime


def _counting(segmenter, batch_size):
    shapes = []

    def function(image):
        shapes.append(tuple(image.shape))
        return {"probabilities": tf.nn.softmax(segmenter.model(image))}

    made = predictor.Predictor(
        function, segmenter.preprocessing, segmenter.label_names, "id", (), batch_size
    )
    return made, shapes


def test_last_batch_is_padded_and_cut(segmenter, slices):
    made, shapes = _counting(segmenter, 2)
    found = made.probabilities(slices)
    assert shapes == [(2, 32, 24, 1)] * 3  # 5 slices; one shape: one trace.
    expected = tf.nn.softmax(segmenter.model(slices[..., None])).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_refuses_slices_of_another_size(segmenter):
    made, _ = _counting(segmenter, 2)
    with pytest.raises(ValueError, match=r"\(32, 24\).*\(1, 24, 32\)"):
        made.probabilities(np.zeros((1, 24, 32), np.float32))


@pytest.mark.parametrize("odd", [np.zeros((5, 32, 24), complex), ["scan.nii.gz"], None])
def test_refuses_what_are_no_slices_of_numbers(segmenter, odd):
    made, _ = _counting(segmenter, 2)
    with pytest.raises(ValueError, match="Slices of real numbers expected, found"):
        made.probabilities(odd)


def test_slices_may_be_of_bfloat16(segmenter):
    made, _ = _counting(segmenter, 2)
    slices = np.random.default_rng(0).random((3, 32, 24), np.float32)
    rounded = tf.cast(slices, tf.bfloat16)
    found = made.probabilities(rounded)
    np.testing.assert_array_equal(
        found, made.probabilities(tf.cast(rounded, tf.float32).numpy())
    )


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_refuses_slices_with_values_that_are_no_numbers(segmenter, slices, odd):
    made, shapes = _counting(segmenter, 2)
    slices[1, :2, 3] = odd
    with pytest.raises(errors.UserError, match="slices: found 2 NaN or infinite"):
        made.probabilities(slices)
    assert not shapes


def test_no_slices_have_no_probabilities(segmenter, slices):
    made, _ = _counting(segmenter, 2)
    for none in (slices[:0], slices[:0, ..., None]):
        found = made.probabilities(none)
        assert found.shape == (0, 32, 24, 3) and found.dtype == np.float32
    with pytest.raises(ValueError, match=r"shape \(0, 24, 32\)"):
        made.probabilities(np.zeros((0, 24, 32), np.float32))


def test_slices_may_be_of_any_real_type(segmenter, slices):
    made, _ = _counting(segmenter, 2)
    whole = np.round(slices)
    expected = made.probabilities(whole)
    for kind in (np.uint8, np.float64, bool):
        np.testing.assert_array_equal(made.probabilities(whole.astype(kind)), expected)


def test_segmenting_what_is_no_volume(segmenter):
    made = predictor.from_segmenter(segmenter)
    for odd in (sitk.Image([4, 4], sitk.sitkInt16), "scan.nii.gz", np.zeros((3, 4, 4))):
        with pytest.raises(errors.UserError, match=r"found a.*, expected"):
            made.segment(odd)


def test_path_that_is_no_model(tmp_path):
    with pytest.raises(errors.UserError, match=r"No model folder at .*nowhere"):
        predictor.open_predictor(tmp_path / "nowhere")
    with pytest.raises(errors.UserError, match="found an empty folder"):
        predictor.open_predictor(tmp_path)
    (tmp_path / "scan.nii.gz").touch()
    with pytest.raises(errors.UserError, match=r"found scan\.nii\.gz"):
        predictor.open_predictor(tmp_path)


def test_saved_model_of_another_program(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    with pytest.raises(errors.UserError, match="settings asset of the SavedModel"):
        predictor.open_predictor(tmp_path / "other")


def test_damaged_saved_model(export_folder, tmp_path):
    shutil.copytree(export_folder, tmp_path / "export")
    (tmp_path / "export" / "saved_model.pb").write_bytes(b"\x08broken")
    with pytest.raises(errors.UserError, match="Cannot load the SavedModel"):
        predictor.open_predictor(tmp_path / "export")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"format": 1', '"format": 9', "format 9, expected 1"),
        ('"low",', "", "3 classes but names"),
        ('"spacing_mm": 2.0', '"spacing_mm": "2"', "spacing_mm: found"),
    ],
)
def test_settings_that_do_not_fit(export_folder, tmp_path, old, new, message):
    folder = tmp_path / "export"
    shutil.copytree(export_folder, folder)
    asset = folder / "assets" / "dscl_tf.json"
    assert old in asset.read_text()
    asset.write_text(asset.read_text().replace(old, new))
    with pytest.raises(errors.UserError, match=message):
        predictor.open_predictor(folder)


def test_model_id_names_weights_and_settings(segmenter, replace):
    def model_id(some):
        return predictor.settings_of(some)["model_id"]

    copy = tf.keras.models.clone_model(segmenter.model)
    copy.set_weights(segmenter.model.get_weights())
    assert model_id(replace(segmenter, model=copy)) == model_id(segmenter)
    copy.set_weights([weight + 1e-3 for weight in copy.get_weights()])
    assert model_id(replace(segmenter, model=copy)) != model_id(segmenter)
    other = config.PreprocessingConfig(size_px=(32, 24), spacing_mm=2.5)
    assert model_id(replace(segmenter, preprocessing=other)) != model_id(segmenter)


def test_workdir_leads_to_its_run(mixed_run, tmp_path):
    folder, _ = mixed_run
    assert model_runs.find_run(folder.parent) == folder
    shutil.copytree(folder, tmp_path / "encoder")
    recorded = tmp_path / "encoder" / "config.json"
    text = recorded.read_text().replace('"stage": "finetune"', '"stage": "encoder"')
    recorded.write_text(text)
    with pytest.raises(errors.UserError, match="stage 'encoder', which has no"):
        predictor.open_predictor(tmp_path / "encoder")
    with pytest.raises(errors.UserError, match="found encoder"):
        predictor.open_predictor(tmp_path)


def test_bfloat16_rounds_and_leaves_float32_as_it_was(mixed_run, slices):
    folder, _ = mixed_run
    exact = predictor.open_predictor(folder)
    before = exact.probabilities(slices)
    coarse = predictor.open_predictor(folder, "mixed_bfloat16").probabilities(slices)
    # TensorFlow may round where the processor has no bfloat16, too.
    difference = np.abs(coarse - before).max()
    assert difference < 0.05
    assert difference > 0 or not runtime.cpu_has_bfloat16()
    np.testing.assert_array_equal(exact.probabilities(slices), before)


def test_prediction_is_not_rounded_to_tf32(export_folder):
    tf.config.experimental.enable_tensor_float_32_execution(True)
    predictor.open_predictor(export_folder)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_unknown_precision(export_folder):
    with pytest.raises(errors.UserError, match="--precision=half: expected one of"):
        predictor.open_predictor(export_folder, "half")


def test_parts_of_a_volume_keep_their_order(segmenter):
    made = predictor.from_segmenter(segmenter)
    low, high = np.zeros((32, 24)), np.ones((32, 24))
    found = made.probabilities(np.stack([low, high, high, low, high, low, low]))
    classes = found.argmax(-1)[:, 0, 0].tolist()
    assert classes == [0, 2, 2, 0, 2, 0, 0]
