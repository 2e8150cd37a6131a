"""What is said of masks that may be wrong although they could be made."""

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf.inference import doubts, predict, predictor
from tests.inference import conftest


@pytest.fixture(scope="module")
def model(export_folder):
    return predictor.open_predictor(export_folder)


def shifted(columns):
    """Blocks with so many empty columns at their left; the field has 24 columns."""
    return np.pad(conftest.as_image(conftest.blocks()), [(0, 0), (0, 0), (columns, 0)])


def test_a_structure_at_the_edge_of_the_field_is_said(model, tmp_path, caplog):
    # As many columns as the field has: nothing lies beyond.
    inside = conftest.write_volume(tmp_path / "in.nii.gz", shifted(8)[..., :24])
    predict.segment_file(model, inside)
    assert caplog.text == ""
    # 50 columns, the field has 13 to 36; label 1 lies in 34 to 39, 2 in 34 to 37.
    path = conftest.write_volume(tmp_path / "cut.nii.gz", shifted(30))
    predict.segment_file(model, path)
    assert f"{path}: low, high at the edge of the field: the model sees the middle" in (
        caplog.text
    )
    assert "64 x 48 mm of slices of 56 x 100 mm" in caplog.text


def test_a_field_without_structures_is_said_of_larger_images_only(
    model, tmp_path, caplog
):
    path = conftest.write_volume(tmp_path / "far.nii.gz", shifted(60))
    predict.segment_file(model, path)
    assert f"{path}: no structure found: the model sees" in caplog.text
    caplog.clear()
    empty = np.zeros_like(conftest.blocks())
    mask = sitk.GetImageFromArray(empty)
    mask.SetSpacing((2, 2, 8))
    doubts.warn_of_field(path, mask, model.settings, model.label_names)
    assert caplog.text == ""


def test_a_structure_that_ends_before_the_edge_is_not_said(model, tmp_path, caplog):
    values = np.pad(conftest.blocks(), [(0, 0), (0, 0), (15, 15)])
    mask = sitk.GetImageFromArray(values)
    mask.SetSpacing((2, 2, 8))
    doubts.warn_of_field(tmp_path, mask, model.settings, model.label_names)
    assert caplog.text == ""


def test_voxels_of_another_unit_are_said(model, tmp_path, caplog):
    volume = conftest.as_image(conftest.blocks())
    path = conftest.write_volume(
        tmp_path / "m.nii.gz", volume, spacing_mm=(0.002, 0.002, 0.008)
    )
    predict.segment_file(model, path)
    assert f"{path}: spacing (mm): found 0.002x0.002x0.008" in caplog.text
    assert "expected 0.05 to 20" in caplog.text
