"""Which voxel value is which class, from the check to the prepared index."""

import dataclasses
import json
import logging

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors, files
from dscl_tf.cohort import label_values, preparation, prepared
from tests.cohort import making

SETTINGS = config.PreprocessingConfig(
    size_px=(16, 16), spacing_mm=2.0, bias_correction=False
)


@pytest.fixture(autouse=True)
def said(in_process, caplog):
    caplog.set_level(logging.INFO)


@pytest.fixture
def make(tmp_path):
    """A function from the values of the classes 1, 2, 3 in files to a request."""

    def make(*tables, **changes):
        for k, table in enumerate(tables):
            values = np.array([0, *table], np.int16)[making.labels()]
            making.write(tmp_path / f"images/p{k}.mha", making.intensities(k))
            making.write(tmp_path / f"labels/p{k}.mha", values)
        request = preparation.PreparationConfig(
            source=str(tmp_path / "images"),
            labels=str(tmp_path / "labels"),
            output=str(tmp_path / "out"),
            settings=SETTINGS,
        )
        return dataclasses.replace(request, **changes)

    return make


def test_a_new_value_between_others_changes_the_classes_of_what_is_prepared(
    make, tmp_path
):
    request = make((10, 30, 30), (10, 30, 30))
    index = preparation.prepare(request) / "index.json"
    before = np.array(prepared.PreparedCohort.open(index.parent).label("p0"))
    index.unlink()  # As if killed before, and a label was mended then.
    values = np.array([0, 10, 20, 30], np.int16)[making.labels()]
    making.write(tmp_path / "labels/p1.mha", values)
    cohort = cohort_of(request)
    assert cohort.label_values == (0, 10, 20, 30)
    np.testing.assert_array_equal(cohort.label("p0"), np.array([0, 1, 3])[before])


def cohort_of(request):
    return prepared.PreparedCohort.open(preparation.prepare(request))


@pytest.mark.parametrize(
    "tables, values",
    [
        ([(255, 255, 255)], (0, 255)),
        ([(1, 3, 7)], (0, 1, 3, 7)),
        # Neither file has all of them.
        ([(1, 3, 3), (7, 7, 7)], (0, 1, 3, 7)),
        ([(205, 1000, 850)], (0, 205, 850, 1000)),
    ],
)
def test_values_in_files_become_one_class_each(make, caplog, tables, values):
    cohort = cohort_of(make(*tables))
    assert cohort.label_values == values
    expected = [f"class {k}" for k in range(1, len(values))]
    assert cohort.label_names == ("background", *expected)
    for k, table in enumerate(tables):
        raw = np.array([0, *table])[making.labels()]
        wanted = np.searchsorted(values, raw)
        np.testing.assert_array_equal(cohort.label(f"p{k}")[:, 1:15, 2:14], wanted)
    said = ", ".join(f"{v} is {n}" for v, n in zip(values, cohort.label_names))
    assert f"Label values of the files: {said}." in caplog.text


def test_values_that_are_classes_leave_the_index_as_it_was(make):
    cohort = cohort_of(make((1, 2, 3)))
    assert cohort.label_values is None
    content = json.loads((cohort.folder / prepared.INDEX).read_text())
    assert "label_values" not in content
    assert all(volume.label_map is None for volume in cohort.volumes)


def test_names_follow_the_order_of_the_values(make):
    cohort = cohort_of(make((170, 85, 255), label_names=("RV", "MYO", "LV")))
    assert cohort.label_names == ("background", "RV", "MYO", "LV")
    assert cohort.label_values == (0, 85, 170, 255)


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c", "d")])
def test_names_of_another_number_are_refused(make, names):
    message = rf"--label_names has {len(names)} names, .* 3 values \(1, 3, 7\)"
    with pytest.raises(errors.UserError, match=message):
        preparation.prepare(make((1, 3, 7), label_names=names))


def test_names_of_a_layout_that_knows_its_own_are_counted(tmp_path):
    making.acdc_patient(tmp_path / "acdc/patient001", (1, 9), "ED: 1\nES: 9\n")
    request = preparation.PreparationConfig(
        str(tmp_path / "acdc"), None, label_names=("a", "b"), settings=SETTINGS
    )
    with pytest.raises(errors.UserError, match=r"2 names.* 3 structures: RV, MYO, LV"):
        preparation.check(request)


def test_names_without_a_voxel_are_a_row(make):
    dataset, report = preparation.check(make((1, 2, 3), label_names=(*"abcd",)))
    (problem,) = report.problems
    assert problem.severity == "warning" and problem.found == "no voxel of d"
    assert dataset.label_names == ("background", *"abcd")
    assert report.bad_cases(strict=True) == set()
    strict = make((1, 2, 3), label_names=(*"abcd",), strict=True)
    with pytest.raises(errors.UserError, match="no voxel of d"):
        preparation.prepare(strict)


def test_images_are_no_labels(make, tmp_path):
    request = make((1, 2, 3))
    values = np.arange(5 * 14 * 12, dtype=np.int16).reshape(5, 14, 12)
    making.write(tmp_path / "labels/p0.mha", values)
    with pytest.raises(errors.UserError, match=r"840 different ones .* 255 structures"):
        preparation.prepare(request)


def test_another_value_makes_prepared_volumes_new(make, tmp_path):
    first = cohort_of(make((2, 5, 5), (2, 5, 5)))
    (first.folder / prepared.INDEX).unlink()  # As if it had been interrupted.
    cohort = cohort_of(make((2, 5, 5), (1, 2, 5)))
    assert cohort.label_values == (0, 1, 2, 5)
    assert set(np.unique(cohort.label("p0"))) == {0, 2, 3}


def test_a_damaged_index_is_refused(make):
    path = cohort_of(make((1, 3, 7))).folder / prepared.INDEX
    content = json.loads(path.read_text())
    files.write_json(path, {**content, "label_values": [0, 1, 1, 7]})
    with pytest.raises(errors.UserError, match=r"label_values: found \(0, 1, 1, 7\)"):
        prepared.read_index(path.parent)


@pytest.mark.parametrize(
    "values, dtype",
    [
        ((0, 1, 2), np.uint8),
        ((0, 85, 255), np.uint8),
        ((0, 205, 850), np.uint16),
        ((0, 1, 70000), np.int32),
    ],
)
def test_masks_say_the_values_of_the_files(values, dtype):
    mask = making.image_of(np.array([[[0, 1], [2, 1]]], np.uint8))
    found = label_values.in_values(mask, values)
    array = sitk.GetArrayFromImage(found)
    assert array.dtype == dtype and found.GetOrigin() == mask.GetOrigin()
    assert array.tolist() == [[[0, values[1]], [values[2], values[1]]]]


def test_values_of_masks_are_chosen_by_name():
    assert label_values.of_masks("dataset", (0, 255)) == (0, 255)
    assert label_values.of_masks("classes", (0, 255)) == (0, 1)
    with pytest.raises(errors.UserError, match="--mask_values=raw: expected one of"):
        label_values.of_masks("raw", (0, 255))


def test_two_codings_of_the_structures_are_a_row(make):
    request = make((1, 2, 2), (85, 170, 170), (2, 2, 2))
    (row,) = preparation.check(request)[1].problems
    assert row.field == "values" and "give each one the same" in row.cure
    assert row.found == (
        "1, 2 in 2 labels, such as that of p0; 85, 170 in 1 labels, such as that of p1"
    )
    named = dataclasses.replace(request, label_names=("a", "b", "c", "d"))
    assert preparation.check(named)[1].problems == ()


def test_structures_that_not_all_labels_have_are_one_coding(make):
    request = make((1, 1, 1), (2, 2, 2), (1, 2, 2))
    assert preparation.check(request)[1].problems == ()
