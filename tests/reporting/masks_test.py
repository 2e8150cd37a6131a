import base64
import io
import json
import re
import shutil

import numpy as np
import SimpleITK as sitk
from PIL import Image

from dscl_tf import palette
from dscl_tf.reporting import masks
from tests.reporting import making


def _text(evaluation, cohort):
    found = masks.section([("heading", evaluation)], cohort, "", is_experiment=False)
    return making.fragment(found)


def _decoded(markup):
    found = re.findall(r"data:image/png;base64,([^\"]+)", markup)
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB"))
        for each in found
    ]


def test_pictures_show_the_contours_of_the_truth(evaluation, evaluated_cohort):
    found = _text(evaluation, evaluated_cohort)
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
    found = _text(copy, evaluated_cohort)
    assert "No pictures: No image file at" in found
    assert "<img" not in found


def test_a_mask_of_another_size_is_refused(evaluation, evaluated_cohort, tmp_path):
    copy = shutil.copytree(evaluation, tmp_path / "test")
    other = sitk.Image([3, 3, 3], sitk.sitkUInt8)
    sitk.WriteImage(other, str(copy / "masks" / "p2.nii.gz"))
    found = _text(copy, evaluated_cohort)
    assert "p2.nii.gz: size: found (3, 3, 3), expected" in found


def test_masks_of_another_cohort_are_not_drawn(evaluation, evaluated_cohort, tmp_path):
    copy = shutil.copytree(evaluation, tmp_path / "test")
    content = json.loads((copy / "summary.json").read_text())
    for changed in ({**content, "cohort_id": "another"}, content):
        changed.pop("cohort_id") if changed is content else None
        (copy / "summary.json").write_text(json.dumps(changed))
        found = _text(copy, evaluated_cohort)
        assert "No pictures: " in found and "cohort_id: found" in found
        assert "<img" not in found
