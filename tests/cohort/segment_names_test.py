"""3D Slicer's segmentations, NAME.seg.nrrd, as labels."""

import logging

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import layouts, preparation, prepared
from dscl_tf.inference import mask_files, structures
from tests import dicom_making, miniatures
from tests.cohort import making

ORGANS = ("background", "RV", "MYO", "LV")


@pytest.fixture(autouse=True)
def said(in_process, caplog):
    caplog.set_level(logging.INFO)


def write(root, name, names=ORGANS, values=(0, 1, 2, 3)):
    """An image, and a segmentation with these names and values of its classes."""
    making.write(root / f"images/{name}.nii.gz", making.intensities(len(name)))
    table = np.array(values, np.uint8)
    mask = making.image_of(table[making.labels()])
    segments = structures.structures(names, values)
    target = root / f"labels/{name}.seg.nrrd"
    mask_files.write(mask, target, segments)
    return target


def request_for(root, **changes):
    return preparation.PreparationConfig(
        source=str(root / "images"),
        labels=str(root / "labels"),
        output=str(root / "out"),
        settings=config.PreprocessingConfig((16, 16), 2.0, bias_correction=False),
        **changes,
    )


def prepare(root, **changes):
    folder = preparation.prepare(request_for(root, **changes))
    return prepared.PreparedCohort.open(folder)


def test_segmentations_are_labels_and_name_the_structures(tmp_path, caplog):
    for name in ("a", "bb"):
        write(tmp_path, name, values=(0, 2, 5, 7))
    cohort = prepare(tmp_path)
    assert cohort.label_names == ORGANS and cohort.label_values == (0, 2, 5, 7)
    assert [volume.has_label for volume in cohort.volumes] == [True, True]
    assert np.unique(cohort.label("a")).tolist() == [0, 1, 2, 3]
    assert "Names in the labels' headers: RV, MYO, LV." in caplog.text


def test_names_that_are_given_are_taken(tmp_path):
    write(tmp_path, "a")
    cohort = prepare(tmp_path, label_names=("x", "y", "z"))
    assert cohort.label_names == ("background", "x", "y", "z")


def test_beside_labels_without_names_there_are_none(tmp_path):
    write(tmp_path, "a")
    making.write(tmp_path / "images/b.nii.gz", making.intensities(9))
    making.write(tmp_path / "labels/b.nii.gz", making.labels())
    cohort = prepare(tmp_path)
    assert cohort.label_names == ("background", "class 1", "class 2", "class 3")
    assert all(volume.has_label for volume in cohort.volumes)


def test_segments_in_another_order_are_a_row(tmp_path):
    write(tmp_path, "a", ("background", "rv", "MYO", "LV"))
    write(tmp_path, "bb")
    write(tmp_path, "ccc", ("background", "RV", "LV", "MYO"))
    dataset, report = preparation.check(request_for(tmp_path))
    assert [each.found for each in report.problems] == [
        "2 is MYO in a.seg.nrrd, LV in ccc.seg.nrrd",
        "3 is LV in a.seg.nrrd, MYO in ccc.seg.nrrd",
    ]
    assert not report.is_bad(strict=False) and "class 1" in dataset.label_names


def test_labels_without_names_or_renamed_ones_hide_no_contradiction(tmp_path):
    making.write(tmp_path / "images/c.nii.gz", making.intensities(9))
    making.write(tmp_path / "labels/c.nii.gz", making.labels())
    write(tmp_path, "a")
    write(tmp_path, "bb", ("background", "MYO", "RV", "LV"))
    for name in ("a", "bb"):
        segmentation = tmp_path / f"labels/{name}.seg.nrrd"
        segmentation.rename(tmp_path / f"labels/{name}.nrrd")
    _, report = preparation.check(request_for(tmp_path))
    assert [each.found for each in report.problems] == [
        "1 is RV in a.nrrd, MYO in bb.nrrd",
        "2 is MYO in a.nrrd, RV in bb.nrrd",
    ]


def test_overlapping_segments_are_refused_with_the_cure(tmp_path):
    target = write(tmp_path, "a")
    mask = sitk.ReadImage(str(target))
    sitk.WriteImage(sitk.Compose([mask == 1, mask > 0]), str(target))
    with pytest.raises(errors.UserError, match=r"a\.seg\.nrrd .*2 layers .*label map"):
        prepare(tmp_path)


def test_other_names_are_told_without_seg(tmp_path):
    write(tmp_path, "a").with_name("a.nii.gz").touch()
    request = layouts.Request(tmp_path / "images", tmp_path / "labels")
    message = r"two volumes called 'a': a\.nii\.gz and a\.seg\.nrrd"
    with pytest.raises(errors.UserError, match=message):
        layouts.find(request)
    (tmp_path / "labels/a.nii.gz").unlink()
    write(tmp_path, "bb")
    (tmp_path / "images/bb.nii.gz").unlink()
    (fault,) = layouts.find(request).faults
    assert fault.case == "bb" and fault.expected.endswith("images/bb.*")


def test_an_image_may_be_called_so_itself(tmp_path):
    for kind in ("images", "labels"):
        making.write(tmp_path / kind / "a.seg.nrrd", making.labels())
    request = layouts.Request(tmp_path / "images", tmp_path / "labels")
    (case,) = layouts.find(request).cases
    assert case.name == "a.seg" and case.label.name == "a.seg.nrrd"


def test_labels_of_a_dicom_series(tmp_path):
    image, label = miniatures.subject(3)
    dicom_making.write_series(tmp_path / "images/p1", image.astype(int))
    (case,) = layouts.find(layouts.Request(tmp_path / "images")).cases
    making.write(tmp_path / "labels" / f"{case.name}.SEG.nrrd", label)
    (case,) = layouts.find(layouts.Request(tmp_path)).cases
    assert case.label is not None
