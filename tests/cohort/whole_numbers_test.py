"""Labels as integers, or what is wrong with their values."""

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf.cohort import whole_numbers


def image_of(values, kind):
    return sitk.GetImageFromArray(np.array(values, kind).reshape(1, 1, -1))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32, np.int64, np.float64])
def test_whole_numbers_of_any_type_are_kept(kind):
    found = whole_numbers.as_whole(image_of([0, 2, 200], kind), "a.nrrd")
    assert found.GetPixelID() == sitk.sitkInt32
    assert sitk.GetArrayFromImage(found).ravel().tolist() == [0, 2, 200]


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (np.int64, 2**32 + 1, "4294967297"),
        (np.int64, -(2**31) - 1, "-2147483649"),
        (np.uint32, 2**31 + 5, "2147483653"),
        (np.float64, 2.0**32 + 1, "4.294967e+09"),
    ],
)
def test_numbers_that_do_not_fit_are_no_small_ones(kind, value, shown):
    with pytest.raises(whole_numbers.LabelValuesError) as raised:
        whole_numbers.as_whole(image_of([0, 1, value, value], kind), "a.nrrd")
    assert f"a.nrrd: values: found {shown} (2 voxels)" in str(raised.value)
    assert "expected numbers of at most 32 bits" in str(raised.value)
    assert raised.value.found.startswith(shown)
    assert "number the structures anew" in raised.value.cure


def test_fractions_are_refused_as_before():
    with pytest.raises(whole_numbers.LabelValuesError, match=r"0\.5 .* interpolated"):
        whole_numbers.as_whole(image_of([0, 0.5], np.float32), "a.nrrd")
