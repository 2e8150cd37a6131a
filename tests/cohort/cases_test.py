import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import cases
from tests.cohort import making


def case_of(tmp_path, raw):
    image = making.write(tmp_path / "image.nii.gz", making.intensities(shape=raw.shape))
    label = making.write(tmp_path / "label.nii.gz", raw, origin=(1, 2, 3))
    return cases.Case("a", "a", image, label)


def dataset_of(case, values=None, strays=None):
    root = case.image.parent
    return cases.Dataset("folder", root, (case,), None, values, strays or {})


RAW = np.array([[[0, 10], [7, 7], [8, 300]]], np.int16)


def test_values_become_classes_where_they_lie(tmp_path):
    case = case_of(tmp_path, RAW)
    dataset = dataset_of(case, {0: 0, 7: 2, 10: 1, 300: 3}, {8: 7})
    found = cases.read_label(case, dataset)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(found), [[[0, 1], [2, 2], [2, 3]]]
    )
    assert found.GetPixelID() == sitk.sitkInt32
    assert found.GetOrigin() == cases.read_raw_label(case).GetOrigin() == (1, 2, 3)
    assert cases.label_map(dataset) == ((0, 0), (7, 2), (8, 2), (10, 1), (300, 3))
    assert cases.stray_counts(cases.read_raw_label(case), dataset) == {8: 1}


def test_without_a_vocabulary_values_are_classes(tmp_path):
    case = case_of(tmp_path, RAW)
    found = cases.read_label(case, dataset_of(case))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), RAW)
    assert cases.label_map(dataset_of(case)) is None


def test_other_values_are_counted(tmp_path):
    case = case_of(tmp_path, RAW)
    message = r"label\.nii\.gz: values: found 7 \(2 voxels\), 8 \(1 voxels\), expected"
    with pytest.raises(errors.UserError, match=message):
        cases.read_label(case, dataset_of(case, {0: 0, 10: 1, 300: 3}))


def test_negative_values_and_voxel_counts(tmp_path):
    raw = np.array([[[-1, 2], [2, 2]]], np.int16)
    case = case_of(tmp_path, raw)
    assert cases.value_counts(cases.read_raw_label(case)) == {-1: 1, 2: 3}
    with pytest.raises(errors.UserError, match=r"found -1 \(1 voxels\), expected 2;"):
        cases.read_label(case, dataset_of(case, {2: 0}))
