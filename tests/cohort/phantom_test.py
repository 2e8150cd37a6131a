"""The phantom: what its volumes hold, and how its cohort is written."""

import collections
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import phantom
from dscl_tf.cohort.phantom.subject import GROUPS, draw_subject

RV, MYO, LV = 1, 2, 3
NUMBERS = tuple(range(1, 11))  # Each of the five groups twice.


@pytest.fixture(scope="module")
def subjects():
    return {number: phantom.make_subject(0, number) for number in NUMBERS}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three subjects, by two processes."""
    root = tmp_path_factory.mktemp("cohort") / "raw"
    return phantom.write_cohort(phantom.PhantomConfig(str(root), 3, 5, 2))


def arrays(subject):
    return tuple(
        sitk.GetArrayFromImage(volume) for volume in (subject.image, subject.label)
    )


def in_a_ring_of_muscle(label):
    """Whether no voxel of the LV touches anything but the LV and myocardium."""
    lv = label == LV
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = np.roll(label, shift, axis=(1, 2))
        if not np.isin(beside[lv], (LV, MYO)).all():
            return False
    return True


def test_same_arguments_same_subject_others_differ():
    one, again = phantom.make_subject(3, 2), phantom.make_subject(3, 2)
    for a, b in zip(arrays(one), arrays(again)):
        np.testing.assert_array_equal(a, b)
    assert one.info == again.info
    for other in (phantom.make_subject(4, 2), phantom.make_subject(3, 7)):
        assert other.info["Group"] == one.info["Group"]
        assert other.image.GetSpacing() != one.image.GetSpacing()


def test_geometry_is_that_of_the_paper_s_scans(subjects):
    for subject in subjects.values():
        columns, rows, slices = subject.image.GetSize()
        assert 8 <= slices <= 12
        assert 180 <= rows <= 256 and 180 <= columns <= 262
        x_mm, y_mm, thickness_mm = subject.image.GetSpacing()
        assert x_mm == y_mm and 1.3 <= x_mm <= 1.7
        assert 5 <= thickness_mm <= 10
        assert subject.image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert subject.label.GetSize() == subject.image.GetSize()
        assert subject.label.GetSpacing() == subject.image.GetSpacing()
        assert subject.label.GetOrigin() == subject.image.GetOrigin()
    assert len({s.image.GetSize()[:2] for s in subjects.values()}) == len(subjects)


def test_voxels_are_small_positive_integers(subjects):
    for subject in subjects.values():
        image, label = arrays(subject)
        assert image.dtype == np.int16 and label.dtype == np.uint8
        assert image.min() >= 0
        assert 150 <= np.percentile(image, 99) <= 4000
        assert image.max() < 10_000  # Far from where int16 would wrap around.


def test_each_volume_has_all_labels_away_from_its_edge(subjects):
    for subject in subjects.values():
        _, label = arrays(subject)
        assert set(np.unique(label)) == {0, RV, MYO, LV}
        frame = np.ones(label.shape[1:], bool)
        frame[1:-1, 1:-1] = False
        assert not label[:, frame].any()


def test_anatomy_is_plausible(subjects):
    for number, subject in subjects.items():
        _, label = arrays(subject)
        assert in_a_ring_of_muscle(label), number
        millilitres = np.prod(subject.label.GetSpacing()) / 1000
        volumes_ml = [millilitres * (label == value).sum() for value in (RV, MYO, LV)]
        # Wide of the ranges found in adults, which disease stretches.
        assert all(25 < volume < 400 for volume in volumes_ml), (number, volumes_ml)
        lv_sizes = (label == LV).sum(axis=(1, 2))
        assert lv_sizes[-1] < 0.6 * lv_sizes.max()  # Shrinks towards the apex ...
        rv_sizes = (label == RV).sum(axis=(1, 2))
        assert rv_sizes[-1] < 0.35 * rv_sizes.max()  # ... where the RV ends.


def test_rv_is_on_the_left_of_the_picture(subjects):
    for subject in subjects.values():
        _, label = arrays(subject)
        column = {v: np.nonzero(label == v)[2].mean() for v in (RV, LV)}
        assert column[RV] < column[LV]


def test_blood_is_brighter_than_muscle_and_the_border_can_be_seen(subjects):
    for number, subject in subjects.items():
        image, label = arrays(subject)
        mid = len(image) // 2
        blood, muscle = (image[mid][label[mid] == v] for v in (LV, MYO))
        assert np.median(blood) > 1.3 * np.median(muscle), number
        cut = 0.5 * (np.median(blood) + np.median(muscle))
        right = 0.5 * ((blood > cut).mean() + (muscle < cut).mean())
        # Learnable: in a slice, one threshold tells most blood from muscle.
        assert right > 0.8, number


def test_contrast_differs_between_subjects(subjects):
    ratios = []
    for subject in subjects.values():
        image, label = arrays(subject)
        ratios.append(np.median(image[label == LV]) / np.median(image[label == MYO]))
    assert max(ratios) > 1.3 * min(ratios)


def test_groups_come_in_turn_and_differ_as_in_acdc():
    radius, wall, thin, rv = (collections.defaultdict(list) for _ in range(4))
    for number in range(200):
        group = GROUPS[number % 5]
        rng = np.random.default_rng(number)
        heart = draw_subject(rng, group).heart
        radius[group].append(heart.lv_radius_mm)
        wall[group].append(heart.wall_mm)
        thin[group].append(heart.thin_fraction)
        rv[group].append(heart.rv_size_mm[0])
    assert min(radius["DCM"]) > max(radius["NOR"])
    assert min(wall["HCM"]) > max(wall["NOR"])
    assert min(thin["MINF"]) >= 0.35 and set(thin["NOR"]) == {0.0}
    assert np.mean(rv["RV"]) > 1.1 * np.mean(rv["NOR"])


def test_tissues_differ_between_subjects_in_ratio_and_not_in_scale_alone():
    tissues = [
        draw_subject(np.random.default_rng(seed), "NOR").tissues for seed in range(100)
    ]
    muscle = np.array([t.muscle / t.blood for t in tissues])
    fat = np.array([t.fat / t.blood for t in tissues])
    assert muscle.max() < 0.7  # Blood is always the brighter of the two ...
    assert muscle.max() > 1.8 * muscle.min()  # ... by very different amounts.
    assert fat.min() < 0.6 and fat.max() > 1.2  # Fat may be either.


def test_info_has_acdc_s_fields(subjects):
    groups = [subject.info["Group"] for subject in subjects.values()]
    assert groups == ["NOR", "DCM", "HCM", "MINF", "RV"] * 2
    for subject in subjects.values():
        keys = ["ED", "ES", "Group", "Height", "NbFrame", "Weight"]
        assert list(subject.info) == keys
        assert subject.info["ED"] == "1"
        assert 1 < int(subject.info["ES"]) <= int(subject.info["NbFrame"])


def test_written_cohort_has_the_acdc_layout(cohort):
    for number in (1, 2, 3):
        name = f"patient{number:03d}"
        folder = cohort / "training" / name
        assert sorted(os.listdir(folder)) == [
            "Info.cfg",
            f"{name}_frame01.nii.gz",
            f"{name}_frame01_gt.nii.gz",
        ]
        lines = (folder / "Info.cfg").read_text().splitlines()
        made = phantom.make_subject(5, number)
        assert dict(line.split(": ") for line in lines) == made.info
        image = sitk.ReadImage(str(folder / f"{name}_frame01.nii.gz"))
        label = sitk.ReadImage(str(folder / f"{name}_frame01_gt.nii.gz"))
        assert image.GetPixelID() == sitk.sitkInt16
        assert label.GetPixelID() == sitk.sitkUInt8
        # Written by processes, and yet the same.
        for written, volume in ((image, made.image), (label, made.label)):
            np.testing.assert_array_equal(
                sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(volume)
            )
            np.testing.assert_allclose(written.GetSpacing(), volume.GetSpacing())
            np.testing.assert_allclose(written.GetDirection(), np.eye(3).ravel())


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(pathlib.Path(root).rglob("*"))
        if path.is_file()
    }


def test_more_subjects_later_leave_the_first_as_they_are(cohort, tmp_path):
    root = tmp_path / "raw"
    phantom.write_cohort(phantom.PhantomConfig(str(root), 1, 5, 1))
    first = root / "training" / "patient001" / "Info.cfg"
    os.utime(first, ns=(0, 0))
    phantom.write_cohort(phantom.PhantomConfig(str(root), 3, 5, 1))
    assert first.stat().st_mtime_ns == 0  # Not written again.
    assert contents(root) == contents(cohort)


@pytest.mark.parametrize("lost", ["_frame01.nii.gz", "_frame01_gt.nii.gz", "Info.cfg"])
def test_a_subject_that_lacks_a_file_is_made_again(cohort, tmp_path, lost):
    root = tmp_path / "raw"
    shutil.copytree(cohort, root)
    folder = root / "training" / "patient002"
    (folder / (lost if lost == "Info.cfg" else f"patient002{lost}")).unlink()
    phantom.write_cohort(phantom.PhantomConfig(str(root), 3, 5, 1))
    assert contents(root) == contents(cohort)


def test_another_seed_is_refused(cohort):
    before = contents(cohort)
    with pytest.raises(errors.UserError, match="phantom of seed 5, not 6"):
        phantom.write_cohort(phantom.PhantomConfig(str(cohort), 3, 6))
    assert contents(cohort) == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.UserError, match="is not empty"):
        phantom.write_cohort(phantom.PhantomConfig(str(tmp_path), 1))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_file_as_output_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.UserError, match="is a file"):
        phantom.write_cohort(phantom.PhantomConfig(str(tmp_path / "file"), 1))


def test_what_a_kill_leaves_of_the_marker_is_no_obstacle(tmp_path):
    (tmp_path / ".partial-abc-phantom.json").write_text('{"se')
    phantom._claim(tmp_path, phantom.PhantomConfig(str(tmp_path), 1, 9))
    marker = json.loads((tmp_path / "phantom.json").read_text())
    assert marker == {"version": 2, "seed": 9}


def test_cohorts_of_two_versions_do_not_mix(tmp_path):
    (tmp_path / "phantom.json").write_text('{"seed": 9}')
    with pytest.raises(errors.UserError, match="phantom of version 1, not 2"):
        phantom._claim(tmp_path, phantom.PhantomConfig(str(tmp_path), 1, 9))
