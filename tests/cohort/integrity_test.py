import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf.cohort import integrity
from dscl_tf.cohort.layouts import Case
from tests.cohort import making


@pytest.fixture
def check(tmp_path):
    """A function that writes an image and a label and lists what is wrong."""

    def run(values=None, label=None, num_classes=4, num_partitions=4, **geometry):
        image = making.intensities() if values is None else values
        case = Case(
            "p1",
            "p1",
            making.write(tmp_path / "image.mha", image),
            making.write(
                tmp_path / "label.nii.gz",
                making.labels() if label is None else label,
                **geometry,
            ),
        )
        problems = integrity.check_case(case, num_classes, num_partitions)
        return [str(problem) for problem in problems]

    return run


def test_a_good_case_has_no_problems(check):
    assert check() == []
    assert check(num_classes=None) == []
    assert check(num_partitions=5) == []


def test_a_label_of_another_size_names_both(check):
    (problem,) = check(label=making.labels((5, 14, 13)))
    assert "label.nii.gz: size: found 13x14x5, expected 12x14x5" in problem
    assert "image.mha" in problem


def test_a_label_of_another_spacing_names_both(check):
    (problem,) = check(spacing_mm=(2.0, 2.1, 8.0))
    assert "label.nii.gz: spacing (mm): found 2x2.1x8, expected 2x2x8" in problem
    assert "image.mha" in problem
    assert check(spacing_mm=(2.0, 2.0002, 8.0)) == []  # As headers round.


def test_a_label_with_turned_axes_is_named(check):
    (problem,) = check(direction=np.diag([-1, -1, 1]))
    found = "direction: found -1 0 0 0 -1 0 0 0 1, expected 1 0 0 0 1 0 0 0 1"
    assert f"label.nii.gz: {found}" in problem
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0.001)
    assert check(direction=turn.GetMatrix()) == []


def test_unexpected_values_are_counted(check):
    label = making.labels().astype(np.int16)
    label[0, 0, :3] = 4
    label[1, 0, :2] = -1
    label[2, 0, :1] = 500
    (problem,) = check(label=label)
    found = "values: found -1 (2 voxels), 4 (3 voxels), 500 (1 voxels), expected 0 to 3"
    assert found in problem
    (problem,) = check(label=label, num_classes=None)
    assert "values: found -1 (2 voxels), 500 (1 voxels), expected 0 to 255" in problem


def test_a_label_of_background_only_is_named(check):
    (problem,) = check(label=0 * making.labels())
    assert "values: found background only" in problem


def test_too_few_slices_for_the_partitions(check):
    (problem,) = check(num_partitions=6)
    assert (
        "image.mha: slices: found 5, expected 6 or more (--num_partitions)" in problem
    )


def test_slices_are_counted_along_the_acquired_axis(tmp_path):
    values = making.intensities(shape=(14, 12, 3))
    path = making.write(tmp_path / "a.mha", values, spacing_mm=(8.0, 2.0, 2.0))
    (problem,) = integrity.check_case(Case("a", "a", path, None), None, 4)
    assert (problem.field, problem.found) == ("slices", "3")


def test_constant_and_nan_images(check):
    values = making.intensities()
    (problem,) = check(values=0 * values + 7)
    assert "image.mha: voxels: found all 7, expected contrast" in problem
    values[0, 0, :2] = np.nan
    (problem,) = check(values=values)
    assert "image.mha: voxels: found 2 NaN or infinite, expected numbers" in problem


def test_an_unreadable_file_is_named_by_its_own_name(tmp_path, check):
    check()
    good, bad = tmp_path / "image.mha", tmp_path / "bad.nii.gz"
    bad.write_text("no image")
    for case in (Case("p", "p", bad, None), Case("p", "p", good, bad)):
        (problem,) = integrity.check_case(case, 4, 4)
        assert problem.file == str(bad)
        assert "Cannot read" in str(problem)
