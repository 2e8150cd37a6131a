"""Labels cropped to their content, as 3D Slicer saves them, or with other axes."""

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import cases, check_report, integrity, placing
from tests.cohort import making

TURNED = sitk.Euler3DTransform((0, 0, 0), 0.2, 0.1, 0.3).GetMatrix()
SETTINGS = config.PreprocessingConfig()


@pytest.fixture
def case(tmp_path):
    """A case of an oblique stack with a whole label."""
    made = {
        kind: making.write(tmp_path / f"{kind}.nrrd", values, direction=TURNED)
        for kind, values in (
            ("image", making.intensities()),
            ("label", making.labels()),
        )
    }
    return cases.Case("p", "p", made["image"], made["label"])


def rewrite(case, change):
    """Writes the label of a case again, changed."""
    sitk.WriteImage(change(sitk.ReadImage(str(case.label))), str(case.label))


def check(case):
    dataset = cases.Dataset("folder", case.image.parent, (case,), None)
    return integrity.check_case(case, dataset, None, SETTINGS)


def summary_of(case, checked):
    dataset = cases.Dataset("folder", case.image.parent, (case,), None)
    report = check_report.make([checked], dataset, 4)
    return check_report.summary(report, None, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda label: label[2:9, 2:12, 1:],
        lambda label: sitk.Flip(label[2:9, 2:12, :], (True, False, True), False),
        lambda label: sitk.PermuteAxes(label[2:9, 2:12, :], (2, 0, 1)),
    ],
)
def test_a_cropped_label_is_laid_where_it_was_drawn(case, change):
    whole = sitk.GetArrayFromImage(cases.read_raw_label(case))
    rewrite(case, change)
    found = cases.read_raw_label(case)
    expected = np.zeros_like(whole)
    low = 1 if sitk.ReadImage(str(case.label)).GetSize()[2] == 4 else 0
    expected[low:, 2:12, 2:9] = whole[low:, 2:12, 2:9]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), expected)
    image = sitk.ReadImage(str(case.image))
    assert found.GetSize() == image.GetSize()
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(found.GetDirection(), TURNED, atol=1e-6)
    checked = check(case)
    assert checked.problems == ()
    counts = np.unique(expected, return_counts=True)[1]
    assert dict(checked.facts.label_voxels) == dict(enumerate(counts.tolist()))
    assert "cropped labels   1 of 1, with fewer voxels" in summary_of(case, checked)


def _halved(label):
    small = sitk.GetImageFromArray(sitk.GetArrayFromImage(label)[:, ::2, ::2])
    small.SetSpacing(label.GetSpacing())
    small.SetOrigin(label.GetOrigin())
    small.SetDirection(label.GetDirection())
    return small


@pytest.mark.parametrize(
    "change",
    [
        _halved,  # With the header of the image.
        lambda label: label[:, :, :-1],  # Slices are lost, anywhere.
    ],
)
def test_a_smaller_label_from_the_first_voxel_on_is_refused(case, change):
    rewrite(case, change)
    (problem,) = check(case).problems
    assert (problem.severity, problem.field) == (integrity.ERROR, "size")
    assert "from the image's first voxel" in problem.found and "pad" in problem.cure


def _displaced(label):
    label = label[2:9, 2:12, :]
    label.SetOrigin(np.add(label.GetOrigin(), 0.7).tolist())
    return label


@pytest.mark.parametrize(
    "change", [_displaced, lambda label: sitk.ConstantPad(label, (1, 0, 0))]
)
def test_a_label_beside_the_grid_is_refused_with_slicers_option(case, change):
    rewrite(case, change)
    (problem,) = check(case).problems
    assert (problem.severity, problem.field) == (integrity.ERROR, "size")
    assert "Crop to effective extent" in problem.cure
    assert str(case.image) in problem.cure


@pytest.mark.parametrize(
    "change",
    [
        lambda label: sitk.Flip(label, (False, True, False), False),
        lambda label: sitk.Flip(label, (True, True, True), False),
        lambda label: sitk.PermuteAxes(label, (1, 0, 2)),
        lambda label: sitk.Flip(
            sitk.PermuteAxes(label, (2, 0, 1)), (True, False, True)
        ),
    ],
)
def test_a_whole_label_with_other_axes_is_laid_by_its_header(case, change):
    whole = sitk.ReadImage(str(case.label))
    rewrite(case, change)
    found = cases.read_raw_label(case)
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (found, whole)))
    np.testing.assert_allclose(found.GetDirection(), TURNED, atol=1e-6)
    checked = check(case)
    assert checked.problems == () and checked.facts.is_label_turned
    assert "turned labels    1 of 1, with axes flipped" in summary_of(case, checked)


def test_a_square_label_with_swapped_rows_and_columns_is_turned_back(tmp_path):
    values = making.labels((5, 12, 12))
    image = making.image_of(making.intensities(shape=(5, 12, 12)))
    label = sitk.PermuteAxes(making.image_of(values), (1, 0, 2))
    assert label.GetSize() == image.GetSize()
    found = placing.placed(sitk.Cast(label, sitk.sitkInt32), image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), values)


def _header_lost(label):
    bare = sitk.GetImageFromArray(sitk.GetArrayFromImage(label))
    bare.SetSpacing(label.GetSpacing())
    return bare


def _flipped_elsewhere(label):
    label = sitk.Flip(label, (False, True, False), False)
    label.SetOrigin(np.add(label.GetOrigin(), 0.7).tolist())
    return label


def _axes_flipped_in_the_header_alone(label):
    # Its voxels would lie beside the image.
    label.SetDirection((np.reshape(TURNED, (3, 3)) * [1, -1, 1]).ravel().tolist())
    return label


@pytest.mark.parametrize(
    "change", [_header_lost, _flipped_elsewhere, _axes_flipped_in_the_header_alone]
)
def test_labels_of_the_same_size_that_lie_elsewhere_correspond_by_index(case, change):
    rewrite(case, change)
    label = cases.read_raw_label(case)
    assert placing.placed(label, sitk.ReadImage(str(case.image))) is label
    checked = check(case)
    assert not checked.facts.is_label_turned
    assert {each.field for each in checked.problems} <= {"origin (mm)", "direction"}
    assert checked.problems and "voxel by voxel" in checked.problems[0].cure


def test_a_label_with_its_images_axes_is_left_as_it_is(case):
    label = cases.read_raw_label(case)
    assert placing.placed(label, sitk.ReadImage(str(case.image))) is label
    assert not check(case).facts.is_label_turned


def test_a_frame_of_a_4d_file_has_a_cropped_label(tmp_path):
    frames = [making.image_of(making.intensities(k)) for k in range(2)]
    label = making.image_of(making.labels())
    sitk.WriteImage(sitk.JoinSeries(frames), str(tmp_path / "image.nii.gz"))
    sitk.WriteImage(label[2:9, 2:12, 1:], str(tmp_path / "label.nii.gz"))
    case = cases.Case(
        "p", "p", tmp_path / "image.nii.gz", tmp_path / "label.nii.gz", fourth=1
    )
    found = sitk.GetArrayFromImage(cases.read_raw_label(case))
    whole = making.labels()
    whole[0] = 0
    whole[:, :, 9:] = 0
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_label_of_a_2d_image_is_turned_by_its_header_too(tmp_path, suffix):
    image = sitk.GetImageFromArray(making.intensities()[2])
    label = sitk.GetImageFromArray(making.labels()[2].astype(np.int32))
    for each in (image, label):
        each.SetSpacing((2.0, 2.0))
        each.SetOrigin((-10.0, 20.0))
    case = cases.Case("p", "p", tmp_path / f"i{suffix}", tmp_path / f"l{suffix}")
    sitk.WriteImage(image, str(case.image))
    sitk.WriteImage(label[:, ::-1], str(case.label))  # With its header.
    expected = sitk.GetArrayFromImage(label)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(cases.read_raw_label(case))[0], expected
    )
    checked = check(case)
    assert checked.facts.is_label_turned and not checked.problems
    # A part of it lies where it was drawn.
    sitk.WriteImage(label[2:10, 3:9], str(case.label))
    expected = np.zeros_like(expected)
    expected[3:9, 2:10] = making.labels()[2][3:9, 2:10]
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(cases.read_raw_label(case))[0], expected
    )
