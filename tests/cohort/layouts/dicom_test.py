"""Folders of DICOM series, good and bad."""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import dicom_series, layouts, preparation, prepared, volumes
from dscl_tf.cohort.layouts import dicom
from tests import dicom_making, miniatures

SETTINGS = config.PreprocessingConfig(
    size_px=(24, 24), spacing_mm=1.5, bias_correction=False
)
OBLIQUE = (0.8, 0.6, 0, 0, 0, -1)
NORMAL = np.cross(OBLIQUE[:3], OBLIQUE[3:])


def voxels(seed=0, count=6):
    return miniatures.subject(seed, shape=(count, 24, 20))[0].astype(int)


def find(root, **more):
    return layouts.find(layouts.Request(root, **more))


def faults(root):
    """Field, what was found, cure of each row; there may be no case at all."""
    found = dicom.find(root)[1]
    return [(each.field, each.found, each.cure) for each in found]


def test_a_series_is_a_volume_by_the_positions_of_its_slices(tmp_path):
    values = voxels()
    dicom_making.write_series(tmp_path / "scan", values)
    (case,) = find(tmp_path).cases
    image = volumes.read_image(case.image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), 2 * values - 100)
    assert np.allclose(image.GetSpacing(), (0.7, 0.8, 3))
    assert np.allclose(image.GetOrigin(), (-20, 10, 5))
    header = volumes.read_header(case.image)
    assert header.GetSize() == image.GetSize() == (20, 24, 6)


def test_an_oblique_series_has_the_geometry_that_gdcm_gives(tmp_path):
    where = dicom_making.positions(6, 2.5 * NORMAL)
    dicom_making.write_series(tmp_path, voxels(), where, OBLIQUE)
    (case,) = find(tmp_path).cases
    image = volumes.read_image(case.image)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    expected = reader.Execute()
    for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(image, name)(), getattr(expected, name)()), name
    assert sitk.Hash(image) == sitk.Hash(sitk.Cast(expected, sitk.sitkFloat32))


def test_one_slice_is_as_thick_as_it_says(tmp_path):
    dicom_making.write_series(tmp_path, voxels()[:1])
    (case,) = find(tmp_path).cases
    assert volumes.read_image(case.image).GetSpacing() == (0.7, 0.8, 2.5)


@pytest.mark.parametrize("kind", [dicom_making.ENHANCED_MR, dicom_making.ENHANCED_CT])
def test_frames_of_a_file_are_ordered_and_scaled_by_their_own_headers(tmp_path, kind):
    values, order = voxels(), [2, 0, 1, 5, 4, 3]
    where, slopes = dicom_making.positions(6)[order], [1, 2, 3, 4, 5, 6]
    path = tmp_path / "enhanced.dcm"
    dicom_making.write_enhanced(
        path, values[order], where, sop_class=kind, slopes=slopes
    )
    (case,) = find(tmp_path).cases
    image = volumes.read_image(case.image)
    by_place = [slopes[order.index(k)] for k in range(6)]
    expected = values * np.array(by_place)[:, None, None] - 100
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), expected, atol=1e-3)
    assert np.allclose(image.GetSpacing(), (0.7, 0.8, 3))
    assert np.allclose(image.GetOrigin(), (-20, 10, 5))


def test_frames_without_pydicom_say_how_to_install_it(tmp_path, monkeypatch):
    dicom_making.write_enhanced(tmp_path / "enhanced.dcm", voxels())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    ((field, found, _),) = faults(tmp_path)
    assert field == "file" and "pip install '.[dicom]'" in found


def test_series_side_by_side_and_below_are_cases_with_stable_names(tmp_path):
    for seed, folder in enumerate(("a", "a", "a/b", "c")):
        start = 200 * seed
        dicom_making.write_series(tmp_path / folder, voxels(seed), start=start)
    dicom_making.write_enhanced(tmp_path / "c" / "one.dcm", voxels(7))
    names = [case.name for case in find(tmp_path).cases]
    assert [name[:2] for name in names] == ["a_", "a_", "b_", "c_", "c_"]
    assert len(set(names)) == 5
    assert all(name.replace("_", "").isalnum() for name in names)
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    assert [case.name for case in find(moved).cases] == names


def test_series_of_a_patient_are_one_subject(tmp_path):
    for seed, patient in enumerate(("P-100", "P-100", "P-200", "")):
        folder = tmp_path / f"s{seed}"
        dicom_making.write_series(folder, voxels(seed), PatientID=patient)
    subjects = [case.subject for case in find(tmp_path).cases]
    assert subjects[0] == subjects[1] and len(set(subjects)) == 3


def test_one_patient_id_for_all_is_said(tmp_path, caplog):
    for seed in range(2):
        dicom_making.write_series(tmp_path / f"s{seed}", voxels(seed))
    find(tmp_path)
    assert "All series have the same Patient ID" in caplog.text


@pytest.mark.parametrize(
    "folder",
    [
        *("Doe_Jane", "scan of jane", "mrn4711", "MRN-4711", "janedoe"),
        *("1970-01-01", "MR_20200101", "1.2.826.0.1.3680043.8.498.12"),
    ],
)
def test_a_folder_named_by_the_patient_names_no_case(tmp_path, folder):
    dicom_making.write_series(tmp_path / folder, voxels())
    (case,) = find(tmp_path).cases
    assert case.name.startswith("series_") and case.subject == case.name


@pytest.mark.parametrize(
    ("name", "folder", "is_told"),
    [
        ("Li^Wu", "Wu_Li", True),
        ("Li^Wu", "LIWU2", True),
        ("Müller^H", "Muller_H", True),
        ("Li^Wu", "liver_T1", False),
    ],
)
def test_short_names_and_accents_are_known(tmp_path, name, folder, is_told):
    character_set = "ISO_IR 192"
    dicom_making.write_series(
        tmp_path / folder,
        voxels(),
        PatientName=name,
        SpecificCharacterSet=character_set,
    )
    (case,) = find(tmp_path).cases
    assert case.name.rpartition("_")[0] == ("series" if is_told else folder)


def test_frames_without_places_of_their_own_are_a_fault_of_their_series(tmp_path):
    (path,) = dicom_making.write_series(tmp_path / "a", voxels()[:1])
    dicom_making.write_series(tmp_path / "b", voxels())
    ds = pydicom.dcmread(path)
    ds.NumberOfFrames, ds.PixelData = 3, 3 * ds.PixelData
    dicom_making.save(ds, path)
    ((field, found, _),) = faults(tmp_path)
    assert field == "file" and "3 frames with one position for all" in found


def test_names_in_latin_1_are_known_and_odd_uids_are_read(tmp_path):
    folder = tmp_path / "scan of Bjørn"
    paths = dicom_making.write_series(
        folder, voxels(), PatientName="Smit^Bjørn", SpecificCharacterSet="ISO_IR 100"
    )
    uid = pydicom.dcmread(paths[0]).SeriesInstanceUID.encode()
    for path in paths:
        odd = uid[:-1] + b"\xf8"
        path.write_bytes(path.read_bytes().replace(uid, odd))
    (case,) = find(tmp_path).cases
    assert case.name.startswith("series_")


def test_numbers_that_are_none_are_no_place(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    path = paths[0]
    path.write_bytes(path.read_bytes().replace(b"-20.0\\10.0\\", b"-20.0\\nan \\"))
    (fault,) = find(tmp_path).faults
    assert "1 images in colour or without a position" in fault.found


def test_a_series_whose_low_values_are_bright_is_said(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    (plain,) = find(tmp_path).cases
    before = sitk.GetArrayFromImage(volumes.read_image(plain.image))
    for path in paths[:2]:
        ds = pydicom.dcmread(path)
        ds.PhotometricInterpretation = "MONOCHROME1"
        dicom_making.save(ds, path)
    (tmp_path / "notes.txt").touch()  # The folder has changed: it is read again.
    dataset = find(tmp_path)
    (problem,) = dataset.faults
    assert problem.severity == "warning" and problem.field == "photometric"
    assert "MONOCHROME1 in 2 files" in problem.found
    assert "values are inverted" in problem.cure
    after = sitk.GetArrayFromImage(volumes.read_image(dataset.cases[0].image))
    # What the row says is what GDCM does: these two, and no other slice.
    assert np.all(np.diff((before + after)[:2].ravel()) == 0)
    np.testing.assert_array_equal(after[2:], before[2:])


def test_nothing_of_a_patient_is_written(tmp_path, caplog):
    caplog.set_level("DEBUG")
    source, output = tmp_path / "source", tmp_path / "prepared"
    for seed in range(2):
        dicom_making.write_series(source / f"s{seed}", voxels(seed))
    dicom_making.write_report(source / "s0" / "report")
    made = preparation.PreparationConfig(
        str(source), str(output), settings=SETTINGS, num_workers=1
    )
    preparation.prepare(made)
    written = [path.read_bytes() for path in output.rglob("*") if path.is_file()]
    written += [str(path).encode() for path in output.rglob("*")]
    ds = pydicom.dcmread(next((source / "s0").glob("IM*")))
    secrets = ["Doe", "Jane", "4711", "19700101", ds.SeriesInstanceUID]
    for text in (*written, caplog.text.encode()):
        assert not any(secret.encode() in text for secret in secrets)
    assert len(written) > 4 and "1 DICOM objects that are not images" in caplog.text


def test_prepared_with_labels_as_nifti(tmp_path):
    image, label = miniatures.subject(3)
    dicom_making.write_series(tmp_path / "images" / "p1", image.astype(int))
    dicom_making.write_series(tmp_path / "images" / "p2", voxels(4))
    first = find(tmp_path / "images").cases[0]
    truth = sitk.GetImageFromArray(label)
    truth.CopyInformation(volumes.read_image(first.image))
    miniatures.write(truth, tmp_path / "labels" / f"{first.name}.nii.gz")
    dataset = find(tmp_path)
    assert dataset.format == "dicom" and dataset.cases[0].label is not None
    made = preparation.PreparationConfig(
        str(tmp_path / "images"),
        str(tmp_path / "out"),
        labels=str(tmp_path / "labels"),
        settings=SETTINGS,
        num_workers=1,
    )
    _, report = preparation.check(made)
    assert not report.problems
    cohort = prepared.PreparedCohort.open(preparation.prepare(made))
    assert [volume.has_label for volume in cohort.volumes] == [True, False]
    assert set(np.unique(cohort.label(first.name))) == {0, 1, 2, 3}
    # A slice that has changed since is noticed.
    other = sorted((tmp_path / "images" / "p1").iterdir())[3]
    other.write_bytes(other.read_bytes() + b"\0\0")
    with pytest.raises(errors.UserError, match="original files have changed"):
        preparation.prepare(made)


def test_a_label_whose_rows_a_converter_turned_round_is_turned_back(tmp_path, caplog):
    caplog.set_level("INFO")
    values, label = miniatures.subject(3)
    dicom_making.write_series(tmp_path / "images/p1", values.astype(int))
    (case,) = find(tmp_path / "images").cases
    truth = sitk.GetImageFromArray(label)
    truth.CopyInformation(volumes.read_image(case.image))
    turned = sitk.Flip(truth, (False, True, False))
    miniatures.write(turned, tmp_path / "labels" / f"{case.name}.nii.gz")
    made = preparation.PreparationConfig(
        str(tmp_path), str(tmp_path / "out"), settings=SETTINGS, num_workers=1
    )
    turned_back = prepared.PreparedCohort.open(preparation.prepare(made))
    assert "Labels: 1 of 1, with axes flipped or permuted" in caplog.text
    assert "The check found" not in caplog.text
    miniatures.write(truth, tmp_path / "labels" / f"{case.name}.nii.gz")
    other = dataclasses.replace(made, output=str(tmp_path / "other"))
    plain = prepared.PreparedCohort.open(preparation.prepare(other))
    assert turned_back.content_id == plain.content_id


def test_a_label_of_no_series_is_a_row(tmp_path):
    dicom_making.write_series(tmp_path / "p1", voxels())
    name = find(tmp_path).cases[0].name
    for each in (name, "other"):
        label = miniatures.volume(miniatures.subject(0)[1])
        miniatures.write(label, tmp_path / "labels" / f"{each}.nii.gz")
    (fault,) = find(tmp_path).faults
    assert "a label without one" in str(fault) and fault.case == "other"


def test_a_missing_slice_is_a_row(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    paths[2].unlink()
    ((field, found, cure),) = faults(tmp_path)
    assert field == "slice positions" and "missing" in cure
    assert found == "6 mm from slice 2 to slice 3 of 5"


def test_a_slice_of_two_echoes_is_a_row_that_says_in_what_they_differ(tmp_path):
    where = np.repeat(dicom_making.positions(3), 2, axis=0)
    more = [{"EchoTime": echo} for echo in 3 * (10, 20)]
    dicom_making.write_series(tmp_path, voxels(), where, more=more)
    ((_, found, cure),) = faults(tmp_path)
    assert found == "6 slices at 3 positions, which differ in echo time"
    assert "separate folder" in cure


def test_frames_of_two_b_values_are_a_row(tmp_path):
    where = np.repeat(dicom_making.positions(3), 2, axis=0)
    bs = 3 * [0, 800]
    dicom_making.write_enhanced(tmp_path / "dwi", voxels(), where, frame_bvalues=bs)
    ((_, found, _),) = faults(tmp_path)
    assert found == "6 slices at 3 positions, which differ in b-value"


def test_a_slice_that_is_there_twice_is_a_row(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    (tmp_path / "copy").write_bytes(paths[0].read_bytes())
    ((_, found, cure),) = faults(tmp_path)
    assert found == "7 slices at 6 positions" and "duplicate files" in cure


def test_a_tilted_gantry_is_a_row(tmp_path):
    tilt = np.radians(12)
    where = dicom_making.positions(6, (0, 3 * np.tan(tilt), 3))
    dicom_making.write_series(tmp_path, voxels(), where)
    ((field, found, cure),) = faults(tmp_path)
    assert field == "gantry tilt" and "(12 degrees)" in found and "dcm2niix" in cure


def test_a_localiser_in_the_series_is_left_out(tmp_path):
    values = voxels()
    paths = dicom_making.write_series(tmp_path, values)
    uid = pydicom.dcmread(paths[0]).SeriesInstanceUID
    dicom_making.write_series(
        tmp_path, values[:2], axes=OBLIQUE, start=300, SeriesInstanceUID=uid
    )
    (case,) = find(tmp_path).cases
    assert volumes.read_image(case.image).GetSize() == (20, 24, 6)
    ((field, found, cure),) = faults(tmp_path)
    assert field == "orientation" and "(6 + 2)" in found and "the 6 of one" in cure


def test_a_series_of_as_many_slices_of_each_orientation_is_a_row(tmp_path):
    dicom_making.write_series(tmp_path, voxels(0, 2), SeriesInstanceUID="1.2.3")
    dicom_making.write_series(
        tmp_path, voxels(0, 2), axes=OBLIQUE, start=300, SeriesInstanceUID="1.2.3"
    )
    ((_, _, cure),) = faults(tmp_path)
    assert "is it a localiser?" in cure


def test_a_damaged_slice_is_a_row_of_its_series_alone(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    dicom_making.write_series(tmp_path, voxels(1), start=300)
    paths[0].write_bytes(paths[0].read_bytes()[:-30])
    (case,) = find(tmp_path).cases
    ((field, found, _),) = faults(tmp_path)
    assert field == "file" and "damaged" in found
    with pytest.raises(errors.UserError, match=r"IM0000: file: found DICOM that is da"):
        volumes.read_image(paths[0])
    assert case.name != dicom_series.of(paths[0]).name


def test_a_slice_that_cannot_be_opened_is_a_row(tmp_path, monkeypatch):
    paths = dicom_making.write_series(tmp_path, voxels())
    closed = paths[1].rename(paths[1].with_suffix(".dcm"))
    open_any = pathlib.Path.open

    def open_others(path, *args, **kwargs):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return open_any(path, *args, **kwargs)

    # Not by its rights: a test may run as root.
    monkeypatch.setattr(pathlib.Path, "open", open_others)
    ((field, found, _),) = faults(tmp_path)
    assert (field, found) == (
        "file",
        "DICOM that cannot be opened: check its permissions",
    )


def test_a_series_in_two_folders_is_a_row_of_both(tmp_path):
    paths = dicom_making.write_series(tmp_path / "a", voxels(0, 8))
    (tmp_path / "b").mkdir()
    for path in paths[4:]:
        path.rename(tmp_path / "b" / path.name)
    rows = faults(tmp_path)
    assert [field for field, _, _ in rows] == ["folder", "folder"]
    assert "one folder" in rows[0][2]


def test_objects_that_are_no_slices_are_none(tmp_path):
    paths = dicom_making.write_series(tmp_path, voxels())
    uid = pydicom.dcmread(paths[0]).SeriesInstanceUID
    report = dicom_making.write_report(tmp_path / "sr.dcm", SeriesInstanceUID=uid)
    (tmp_path / "notes.txt").write_text("by hand")
    (tmp_path / "broken.dcm").write_text("no DICOM")
    dataset = find(tmp_path)
    assert len(dataset.cases) == 1 and not dataset.faults
    with pytest.raises(errors.UserError, match="found DICOM that is not a slice"):
        volumes.read_image(report)


def test_real_series(tmp_path):
    """CT and MR of 16 x 16 pixels that come with pydicom, as scanners wrote them."""
    base = pathlib.Path(pydicom.__file__).parent / "data/test_files/dicomdirtests"
    series, rows = dicom.find(base)
    found = {each.name.partition("_")[0]: each for each in series}
    assert found["CT5N"].size == (16, 16, 5) and not found["CT5N"].fault
    image = volumes.read_image(found["CT5N"].path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(base / "98892001/CT5N"))
    expected = sitk.ReadImage(names, sitk.sitkFloat32)
    assert sitk.Hash(image) == sitk.Hash(expected)
    assert np.allclose(image.GetOrigin(), expected.GetOrigin())
    assert np.allclose(image.GetSpacing(), expected.GetSpacing(), atol=1e-4)
    # Most files of the others were left out of the package; and two are localisers.
    assert "202.5 mm" in found["CT2"].fault.found
    assert "3 orientations" in found["MR2"].fault.found
    (damaged,) = (row for row in rows if "cannot be read" in row.found)
    assert "of 50 DICOM images" in damaged.found


def test_bad_series_are_left_out_where_that_is_asked_for(tmp_path):
    paths = dicom_making.write_series(tmp_path / "gap", voxels())
    paths[2].unlink()
    dicom_making.write_series(tmp_path / "whole", voxels(1))
    made = preparation.PreparationConfig(
        str(tmp_path), str(tmp_path / "out"), settings=SETTINGS, num_workers=1
    )
    with pytest.raises(errors.UserError, match="1 of 2 volumes cannot be prepared"):
        preparation.prepare(made)
    made = preparation.PreparationConfig(
        str(tmp_path),
        str(tmp_path / "out"),
        settings=SETTINGS,
        num_workers=1,
        skip_bad=True,
    )
    cohort = prepared.PreparedCohort.open(preparation.prepare(made))
    assert [volume.name[:6] for volume in cohort.volumes] == ["whole_"]
    check = json.loads((tmp_path / "out" / "check.json").read_text())
    assert [name[:4] for name in check["skipped"]] == ["gap_"]
