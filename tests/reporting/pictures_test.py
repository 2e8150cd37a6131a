import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from dscl_tf import errors, palette
from dscl_tf.reporting import pictures


def test_cases_are_ranked_by_mean_dice(tmp_path):
    cases = [
        {"name": "a", "metrics": {"1": {"Dice": 0.9}, "2": {"Dice": 0.5}}},
        {"name": "b", "metrics": {"1": {"Dice": 0.6}, "2": {"Dice": None}}},
        {"name": "c", "metrics": {"1": {"Dice": None}}},
    ]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    found = pictures.ranked_cases(tmp_path)
    assert [(case.name, case.dice) for case in found] == [("b", 0.6), ("a", 0.7)]


@pytest.mark.parametrize("content", [{}, {"metric_per_case": [{"name": "a"}]}])
def test_a_damaged_summary_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(errors.UserError, match=r"summary\.json"):
        pictures.ranked_cases(tmp_path)


def _decoded(markup):
    found = re.findall(r"data:image/png;base64,([^\"]+)", markup)
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB"))
        for each in found
    ]


def test_pictures_show_the_contours_of_the_truth(evaluation, evaluated_cohort):
    found = pictures.triptych(evaluation, evaluated_cohort)
    # The model is right in p1 and misses half of a structure in p2.
    assert "Best <span" in found
    assert found.index("p1, Dice") < found.index("p2, Dice")
    drawn = _decoded(found)
    assert len(drawn) == 3
    for label in (1, 2):
        color = palette.structure_color(label)
        wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        near = np.abs(drawn[2].astype(int) - wanted).max(axis=-1) < 40
        assert near.sum() > 10


def test_a_missing_mask_is_said(evaluation, evaluated_cohort, tmp_path):
    copy = shutil.copytree(evaluation, tmp_path / "test")
    (copy / "masks" / "p2.nii.gz").unlink()
    found = pictures.triptych(copy, evaluated_cohort)
    assert "No pictures: No image file at" in found
    assert "<img" not in found


def test_a_mask_of_another_size_is_refused(evaluation, evaluated_cohort, tmp_path):
    copy = shutil.copytree(evaluation, tmp_path / "test")
    other = sitk.Image([3, 3, 3], sitk.sitkUInt8)
    sitk.WriteImage(other, str(copy / "masks" / "p2.nii.gz"))
    found = pictures.triptych(copy, evaluated_cohort)
    assert "p2.nii.gz: size: found (3, 3, 3), expected" in found


def test_a_picture_keeps_its_size_and_its_greys(tmp_path):
    greys = np.arange(0, 256, 4, dtype=np.uint8)
    pixels = np.stack([np.tile(greys, (8, 1))] * 3, axis=-1)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = pictures.image(tmp_path / "a.png", "a & b")
    assert 'alt="a &amp; b" width="64" height="8"' in found
    np.testing.assert_array_equal(_decoded(found)[0], pixels)
