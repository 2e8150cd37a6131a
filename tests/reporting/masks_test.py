import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from dscl_tf import palette
from dscl_tf.reporting import masks
from tests.reporting import making


def _text(evaluation, cohort):
    found = masks.section(
        [("heading", evaluation)],
        cohort,
        "",
        is_experiment=False,
        remarks={"heading": "a remark"},
    )
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
    assert len(drawn) == 2  # There are two volumes.
    for label in (1, 2):
        color = palette.structure_color(label)
        wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        near = np.abs(drawn[1].astype(int) - wanted).max(axis=-1) < 40
        assert near.sum() > 10


def test_a_remark_stands_before_the_pictures(evaluation, evaluated_cohort):
    found = _text(evaluation, evaluated_cohort)
    assert found.index(">heading<") < found.index(">a remark<") < found.index("<img")


@pytest.mark.parametrize(
    "count, expected",
    [
        (1, {"Only": 0}),
        (2, {"Best": 1, "Worst": 0}),
        (3, {"Best": 2, "Median": 1, "Worst": 0}),
        (4, {"Best": 3, "Median": 1, "Worst": 0}),  # The lower one, as of draws.
        (5, {"Best": 4, "Median": 2, "Worst": 0}),
    ],
)
def test_no_volume_is_shown_twice(tmp_path, monkeypatch, count, expected):
    metrics = [{"1": {"Dice": k / 10}} for k in range(count)]
    cases = [{"name": f"p{k}", "metrics": it} for k, it in enumerate(metrics)]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    monkeypatch.setattr(masks, "_picture", lambda name, *others: f"picture of {name}")
    found, absent = masks.triptych(tmp_path, None)
    assert not absent
    assert found == [
        (rank, f"p{k}", k / 10, f"picture of p{k}") for rank, k in expected.items()
    ]


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
