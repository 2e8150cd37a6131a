"""Labels of some slices or voxels: by hand, through the preparation."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import check_report, geometry, preparation, prepared, sparse
from tests import miniatures
from tests.cohort import making

pytestmark = pytest.mark.usefixtures("in_process")

SHAPE = (5, 14, 12)
INSIDE = np.s_[:, 1:15, 2:14]  # Of the prepared slices: where the image is.


def sparse_labels(slices=(1, 3)):
    """A box of 1 and one of 2, in some slices."""
    values = np.zeros(SHAPE, np.uint8)
    for index in slices:
        values[index, 2:5, 2:5] = 1
        values[index, 6:9, 2:8] = 2
    return values


def prepare(root, labels, **changes):
    """Prepares a folder of images, labelled where `labels` says how."""
    for k, values in enumerate(labels):
        making.write(root / "images" / f"p{k}.nii.gz", making.intensities(k))
        if values is not None:
            making.write(root / "labels" / f"p{k}.nii.gz", values)
    return preparation.prepare(request_for(root, **changes))


def request_for(root, **changes):
    request = preparation.PreparationConfig(
        source=str(root / "images"),
        labels=str(root / "labels"),
        output=str(root / "out"),
        num_workers=1,
        settings=config.PreprocessingConfig(
            size_px=(16, 16), spacing_mm=2.0, bias_correction=False
        ),
    )
    return dataclasses.replace(request, **changes)


def opened(*arguments, **changes):
    return prepared.PreparedCohort.open(prepare(*arguments, **changes))


def test_a_slice_of_which_only_the_unknown_was_drawn_is_unknown():
    values = sparse_labels()
    values[2, :3] = 3
    wanted = config.OrientationConfig(tuple(np.eye(3).ravel()), is_stack=True)
    label = making.image_of(values)
    found = sparse.without_structures(label, unknown=3, wanted=wanted)
    expected = values.copy()
    expected[[0, 2, 4]] = 3
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), expected)


def test_slices_without_structures_are_unknown(tmp_path, caplog):
    caplog.set_level("INFO")
    cohort = opened(
        tmp_path, [sparse_labels(), None], labelled_slices="with_structures"
    )
    assert (cohort.num_classes, cohort.unknown) == (3, 3)
    label = cohort.label("p0")
    np.testing.assert_array_equal(label[INSIDE][[1, 3]], sparse_labels()[[1, 3]])
    # All of them, beyond the image, too.
    assert (label[[0, 2, 4]] == 3).all()
    assert "Labelled slices: p0 2 of 5." in caplog.text
    check = json.loads((tmp_path / "out" / "check.json").read_text())
    assert check["cases"][0]["labelled_slices"] == 2
    assert check["cases"][0]["slices"] == 5
    assert "labelled_slices" not in check["cases"][1]


def test_slices_are_those_of_the_network_however_the_file_counts(tmp_path):
    values = sparse_labels()
    image = making.image_of(making.intensities())
    for path, volume in (
        (tmp_path / "images" / "p0.nii.gz", image),
        (tmp_path / "labels" / "p0.nii.gz", making.image_of(values)),
    ):
        path.parent.mkdir()
        turned = miniatures.sitk.PermuteAxes(volume, [2, 0, 1])
        miniatures.sitk.WriteImage(turned, str(path))
    folder = preparation.prepare(
        request_for(tmp_path, labelled_slices="with_structures")
    )
    label = prepared.PreparedCohort.open(folder).label("p0")
    known = (label != 3).any(axis=(1, 2))
    assert sorted(np.flatnonzero(known)) == [1, 3]


def test_an_ignored_value_is_unknown_and_no_class(tmp_path):
    values = sparse_labels(range(5))
    values[2:] = 9
    values[1, 10:] = 9
    cohort = opened(tmp_path, [values], ignore_label=9)
    assert cohort.label_names == ("background", "class 1", "class 2")
    assert (cohort.unknown, cohort.ignore_label) == (3, 9)
    expected = np.where(values == 9, 3, values)
    np.testing.assert_array_equal(cohort.label("p0")[INSIDE], expected)
    # Beyond the image is background, unless nothing of the slice is known.
    assert not cohort.label("p0")[1, 0].any()
    assert (cohort.label("p0")[2:] == 3).all()


def test_both_together_and_values_with_gaps(tmp_path):
    values = np.array([0, 10, 20], np.uint8)[sparse_labels()]
    values[1, 10:] = 255
    values[4] = 255  # No structure.
    cohort = opened(
        tmp_path, [values], ignore_label=255, labelled_slices="with_structures"
    )
    assert cohort.label_values == (0, 10, 20)
    label = cohort.label("p0")
    assert (label[[0, 2, 4]] == 3).all()
    assert (label[INSIDE][1, 10:] == 3).all()
    np.testing.assert_array_equal(label[INSIDE][1, :10], sparse_labels()[1, :10])


def test_the_region_of_the_unknown_is_resampled_as_one(tmp_path):
    values = sparse_labels(range(5))
    values[:, :, 6:] = 3
    settings = config.PreprocessingConfig(
        size_px=(32, 32), spacing_mm=1.0, bias_correction=False
    )
    cohort = opened(tmp_path, [values], ignore_label=3, settings=settings)
    label = cohort.label("p0")
    # 14 rows of 2 mm; no other class lies between known and unknown.
    assert (label == 3).sum() == 5 * 28 * 12
    assert set(np.unique(label)) == {0, 1, 2, 3}


def test_a_label_without_a_labelled_slice_is_none(tmp_path, caplog):
    labels = [sparse_labels(), np.zeros(SHAPE, np.uint8)]
    cohort = opened(tmp_path, labels, labelled_slices="with_structures")
    assert [volume.has_label for volume in cohort.volumes] == [True, False]
    assert "0 of 5" in caplog.text and "unlabelled volume" in caplog.text


def test_the_check_says_how_many_slices_are_labelled(tmp_path):
    prepare(tmp_path, [sparse_labels(), sparse_labels([2])])
    dataset, report = preparation.check(
        request_for(tmp_path, labelled_slices="with_structures")
    )
    text = check_report.summary(report, dataset.label_names, 4)
    assert "labelled slices  p0 2 of 5, p1 1 of 5" in text


def test_a_rule_that_changes_nothing_is_said(tmp_path, caplog):
    whole = [sparse_labels(range(5))]
    cohort = opened(tmp_path, whole, labelled_slices="with_structures")
    assert "has no effect" in caplog.text
    assert (cohort.label("p0") < 3).all()


def test_an_ignored_value_that_no_label_has_is_a_row(tmp_path):
    prepare(tmp_path, [sparse_labels()])
    _, report = preparation.check(request_for(tmp_path, ignore_label=7))
    assert [p.found for p in report.problems] == ["no voxel of 7"]


@pytest.mark.parametrize("value", [0, 2])
def test_the_value_of_a_class_cannot_be_ignored(tmp_path, value):
    names = ("a", "b")
    with pytest.raises(errors.UserError, match=rf"ignore_label={value} is the value"):
        prepare(tmp_path, [sparse_labels()], ignore_label=value, label_names=names)
    assert not (tmp_path / "out").exists()


def test_another_rule_is_another_cohort(tmp_path):
    prepare(tmp_path, [sparse_labels()])
    text = (tmp_path / "out" / "index.json").read_text()
    assert "labelled_slices" not in text and "ignore_label" not in text
    with pytest.raises(errors.UserError, match="labelled_slices was None, is now"):
        preparation.prepare(request_for(tmp_path, labelled_slices="with_structures"))


def test_another_number_of_classes_makes_labels_again(tmp_path):
    rule = {"labelled_slices": "with_structures"}
    output = prepare(tmp_path, [sparse_labels(), sparse_labels((2,))], **rule)
    (output / prepared.INDEX).unlink()  # As after a kill.
    third = sparse_labels()
    third[1, 10:12, 5:9] = 3
    making.write(tmp_path / "images" / "p2.nii.gz", making.intensities(2))
    making.write(tmp_path / "labels" / "p2.nii.gz", third)
    cohort = prepared.PreparedCohort.open(
        preparation.prepare(request_for(tmp_path, **rule))
    )
    assert cohort.unknown == 4
    found = {
        name: np.unique(cohort.label(name)).tolist() for name in ("p0", "p1", "p2")
    }
    assert found == {"p0": [0, 1, 2, 4], "p1": [0, 1, 2, 4], "p2": [0, 1, 2, 3, 4]}


def test_parts_of_before_unknown_values_are_made_again_the_same(tmp_path):
    rule = {"labelled_slices": "with_structures"}
    output = prepare(tmp_path, [sparse_labels(), None], **rule)
    before = (output / prepared.INDEX).read_text()
    for path in (output / "parts").iterdir():
        part = json.loads(path.read_text())
        part.pop("unknown", None)
        path.write_text(json.dumps(part))
    (output / prepared.INDEX).unlink()
    preparation.prepare(request_for(tmp_path, **rule))
    assert (output / prepared.INDEX).read_text() == before


def test_nnunets_ignore_label(tmp_path):
    base = miniatures.nnunet(tmp_path)
    named = {"background": 0, "PZ": 1, "TZ": 2, "ignore": 3}
    miniatures.edit_json(base / "dataset.json", labels=named)
    _, label = miniatures.subject(1, num_structures=2)
    label[3:] = 3
    path = base / "labelsTr" / "prostate_001.nii.gz"
    miniatures.write(miniatures.volume(label), path)
    request = request_for(tmp_path, source=str(base), labels=None)
    cohort = prepared.PreparedCohort.open(preparation.prepare(request))
    assert cohort.label_names == ("background", "PZ", "TZ")
    assert cohort.unknown == 3
    found = cohort.label("prostate_001")
    assert (found == 3).all(axis=(1, 2)).tolist() == [False] * 3 + [True] * 3
    assert (cohort.label("prostate_002") < 3).all()
    with pytest.raises(errors.UserError, match="ignore value is 3"):
        preparation.check(dataclasses.replace(request, ignore_label=4))


def test_decathlons_ignore_label(tmp_path):
    base = miniatures.decathlon(tmp_path)
    named = {"0": "background", "1": "PZ", "2": "ignore"}
    miniatures.edit_json(base / "dataset.json", labels=named)
    request = request_for(tmp_path, source=str(base), labels=None)
    cohort = prepared.PreparedCohort.open(preparation.prepare(request))
    assert cohort.label_names == ("background", "PZ")
    assert (cohort.label("prostate_00") == 2).any()


def test_labels_without_unknown_voxels_are_gridded_as_before():
    label = making.image_of(sparse_labels().astype(np.int32))
    grid = geometry.in_plane_grid(label, config.PreprocessingConfig(size_px=(16, 16)))
    np.testing.assert_array_equal(
        geometry.labels_on_grid(label, grid), geometry.labels_on_grid(label, grid, 3)
    )


def test_ignored_and_empty_slices_are_prepared_alike(tmp_path):
    ignored = sparse_labels()
    ignored[[0, 2, 4]] = 9
    by_value = opened(tmp_path / "a", [ignored], ignore_label=9)
    by_rule = opened(
        tmp_path / "b", [sparse_labels()], labelled_slices="with_structures"
    )
    np.testing.assert_array_equal(by_value.label("p0"), by_rule.label("p0"))
