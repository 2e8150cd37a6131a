"""DICOM in, masks and DICOM segmentations out, read back by other readers."""

import pathlib
import subprocess
import sys
import warnings

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

import dscl_tf
from dscl_tf import config, errors
from dscl_tf.cohort import dicom_series, label_values, preparation, prepared
from dscl_tf.inference import (
    dicom_inputs,
    dicom_seg,
    originals,
    predict,
    predictor,
    structure_codes,
    structures,
)
from tests import dicom_making, miniatures
from tests.inference import conftest

OBLIQUE = (0.8, 0.6, 0, 0, 0, -1)
NAMED = structures.structures(conftest.LABELS)


@pytest.fixture(scope="module")
def model(export_folder):
    return predictor.open_predictor(export_folder)


def voxels(truth):
    """Integers of which the model makes these classes."""
    return conftest.as_image(truth).astype(int)


def blocks():
    """Labels [5, 28, 20], in each slice at another place."""
    (first, *_) = conftest.blocks()
    return np.stack([np.roll(first, k, axis=0) for k in range(5)])


def run(model, source, output, **options):
    inputs = predict.find_inputs(source, output)
    return predict.predict_files(model, inputs, output, **options)


def frames_of_bits(ds):
    """The frames by the bits of the pixel data alone: uint8 [F, rows, columns]."""
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    shape = int(ds.NumberOfFrames), ds.Rows, ds.Columns
    return bits[: np.prod(shape)].reshape(shape)


def decoded(path):
    """Classes of each place, by the frames and their own headers.

    Returns:
      uint8 [rows, columns] of each position, rounded to 0.001 mm.
    """
    ds = pydicom.dcmread(path)
    frames, shape = frames_of_bits(ds), (ds.Rows, ds.Columns)
    by_gdcm = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
    np.testing.assert_array_equal(by_gdcm > 0, frames > 0)
    places = {}
    for frame, own in zip(frames, ds.PerFrameFunctionalGroupsSequence):
        where = own.PlanePositionSequence[0].ImagePositionPatient
        number = own.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        place = places.setdefault(
            tuple(round(float(x), 3) for x in where), np.zeros(shape, np.uint8)
        )
        assert not place[frame > 0].any()
        place[frame > 0] = number
    return places


def check_same(path, mask):
    """Whether the segmentation has every voxel of the mask at its place."""
    values, places = sitk.GetArrayFromImage(mask), decoded(path)
    for k, expected in enumerate(values):
        where = mask.TransformIndexToPhysicalPoint((0, 0, k))
        found = places.pop(tuple(round(x, 3) for x in where), np.zeros_like(expected))
        np.testing.assert_array_equal(found, expected)
    assert not places


def references(ds):
    return {
        each.ReferencedSOPInstanceUID
        for item in ds.ReferencedSeriesSequence
        for each in item.ReferencedInstanceSequence
    }


@pytest.mark.parametrize(
    "axes", [dicom_making.AXIAL, OBLIQUE], ids=["axial", "oblique"]
)
def test_mask_and_object_of_a_series_have_its_geometry(model, tmp_path, axes):
    truth = blocks()
    across = np.cross(axes[:3], axes[3:])
    where = dicom_making.positions(len(truth), 8 * across)
    paths = dicom_making.write_series(tmp_path / "in/p1", voxels(truth), where, axes)
    assert run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True) == 1
    name = dicom_series.of(paths[0]).name
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}.nii.gz",
        f"{name}.seg.dcm",
        "labels.txt",
    }
    mask = sitk.ReadImage(str(tmp_path / "out" / f"{name}.nii.gz"))
    image = dicom_series.read(paths[0])
    assert set(np.unique(sitk.GetArrayViewFromImage(mask))) == {0, 1, 2}
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(mask, get)(), getattr(image, get)(), atol=1e-5), get
    check_same(tmp_path / "out" / f"{name}.seg.dcm", mask)
    made = pydicom.dcmread(tmp_path / "out" / f"{name}.seg.dcm")
    sources = [pydicom.dcmread(path) for path in paths]
    assert references(made) == {each.SOPInstanceUID for each in sources}
    for tag in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert made[tag].value == sources[0][tag].value
    assert made.SeriesInstanceUID != sources[0].SeriesInstanceUID
    assert made.Modality == "SEG" and made.SegmentationType == "BINARY"


def test_files_without_the_preamble_of_part_10(model, tmp_path):
    paths = dicom_making.write_series(tmp_path / "in/p1", voxels(blocks()))
    for path in paths:
        whole, start = path.read_bytes(), 132  # Preamble and "DICM".
        start += 12 + int.from_bytes(whole[start + 8 : start + 12], "little")
        path.unlink()
        path.with_suffix(".dcm").write_bytes(whole[start:])
    assert run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True) == 1
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    (made,) = (tmp_path / "out").glob("*.seg.dcm")
    check_same(made, sitk.ReadImage(str(mask)))


def test_highdicom_reads_the_same(model, tmp_path):
    truth = blocks()
    paths = dicom_making.write_series(tmp_path / "in", voxels(truth))
    run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)
    name = dicom_series.of(paths[0]).name
    target = str(tmp_path / "out" / f"{name}.seg.dcm")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(target[: -len("seg.dcm")] + "nii.gz"))
    found = highdicom.seg.segread(target).get_pixels_by_source_instance(
        [pydicom.dcmread(path).SOPInstanceUID for path in paths], combine_segments=True
    )
    np.testing.assert_array_equal(found, mask)


def test_frames_of_one_file_in_any_order(model, tmp_path):
    truth = blocks()
    order = [2, 0, 3, 1, 4]
    where = dicom_making.positions(len(truth))[order]
    path = tmp_path / "in" / "enhanced.dcm"
    dicom_making.write_enhanced(path, voxels(truth)[order], where)
    run(model, path, tmp_path / "out", write_dicom_seg=True)
    (mask,) = (tmp_path / "out").glob("in_*.nii.gz")
    (made,) = (tmp_path / "out").glob("in_*.seg.dcm")
    values = sitk.ReadImage(str(mask))
    assert sitk.GetArrayViewFromImage(values).any()
    check_same(made, values)
    assert references(pydicom.dcmread(made)) == {pydicom.dcmread(path).SOPInstanceUID}


def test_segments_have_names_codes_colours_and_the_algorithm(tmp_path):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((4, 8, 6), int))
    mask = dicom_series.header(paths[0])
    mask[1:3, 2:5, 1:3] = 1
    names = ("background", "LV", "Liver tumour", "my structure")
    target = tmp_path / "a.seg.dcm"
    dicom_seg.write(mask, paths[0], target, structures.structures(names))
    segments = highdicom.seg.segread(target).SegmentSequence
    assert [it.SegmentNumber for it in segments] == [1, 2, 3]
    assert [it.SegmentLabel for it in segments] == list(names[1:])
    kinds = [it.SegmentedPropertyTypeCodeSequence[0] for it in segments]
    assert [(it.CodeValue, it.CodingSchemeDesignator) for it in kinds[:2]] == [
        ("87878005", "SCT"),
        ("108369006", "SCT"),
    ]
    assert kinds[2].CodingSchemeDesignator == "99DSCL"
    assert kinds[2].CodeMeaning == "my structure"
    for it, structure in zip(segments, structures.structures(names)):
        (algorithm,) = it.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmName == it.SegmentAlgorithmName == "dscl_tf"
        assert algorithm.AlgorithmVersion == dscl_tf.__version__
        assert it.SegmentAlgorithmType == "AUTOMATIC"
        expected = dicom_seg.cielab(structure.rgb)
        assert list(it.RecommendedDisplayCIELabValue) == expected
    check_same(target, mask)


def test_structures_of_any_values_are_segments_from_1(tmp_path):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((4, 8, 6), int))
    mask = dicom_series.header(paths[0])
    mask[1:3, 2:5, 1:3] = 1
    mask[3:5, 2:5, 1:3] = 2
    named = structures.structures(("background", "LV", "RV"), (0, 500, 205))
    said = label_values.in_values(mask, (0, 500, 205))
    dicom_seg.write(said, paths[0], tmp_path / "a.seg.dcm", named)
    check_same(tmp_path / "a.seg.dcm", mask)
    segments = pydicom.dcmread(tmp_path / "a.seg.dcm").SegmentSequence
    assert [it.SegmentLabel for it in segments] == ["LV", "RV"]
    with pytest.raises(errors.UserError, match="values of other structures"):
        dicom_seg.write(mask, paths[0], tmp_path / "b.seg.dcm", named)


def test_a_mask_without_structures(tmp_path):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((4, 8, 6), int))
    mask = dicom_series.header(paths[0])
    dicom_seg.write(mask, paths[0], tmp_path / "a.seg.dcm", NAMED)
    check_same(tmp_path / "a.seg.dcm", mask)


def test_a_real_series(tmp_path):
    base = pathlib.Path(pydicom.__file__).parent / "data/test_files/dicomdirtests"
    path = base / "98892001" / "CT5N" / "3353"
    mask = dicom_series.header(path)
    mask[2:9, 3:12, 1:4] = 2
    dicom_seg.write(mask, path, tmp_path / "a.seg.dcm", NAMED)
    check_same(tmp_path / "a.seg.dcm", mask)


@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0)])
def test_colours_are_those_of_the_icc(rgb):
    """Against Lab values of the same colours in the ICC's space, white D50."""
    known = {
        (0, 0, 0): (0, 0, 0),
        (255, 255, 255): (100, 0, 0),
        (255, 0, 0): (54.29, 80.81, 69.89),
        (0, 255, 0): (87.82, -79.29, 80.99),
    }
    lightness, a, b = (value / 65535 for value in dicom_seg.cielab(rgb))
    found = 100 * lightness, 255 * a - 128, 255 * b - 128
    assert found == pytest.approx(known[rgb], abs=0.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RV", "53085002"),
        ("left ventricle", "87878005"),
        ("MYO", "74281007"),
        ("PZ", "279706003"),
        ("transition_zone", "399384005"),
        ("Hippocampus", "5366008"),
        ("liver", "10200004"),
        ("kidney tumor", "108369006"),
    ],
)
def test_codes_of_common_structures(name, value):
    assert structure_codes.code_of(name).kind[:2] == (value, "SCT")


def test_the_codes_are_those_of_dicoms_own_table():
    from pydicom.sr._concepts_dict import concepts

    known = {
        (code, meaning)
        for entry in concepts["SCT"].values()
        for code, (meaning, _) in entry.items()
    }
    codes = {it.kind for it in structure_codes._BY_NAME.values()}
    known = {(code, meaning.lower()) for code, meaning in known}
    odd = {it.value for it in codes if (it.value, it.meaning.lower()) not in known}
    # Myocardium is of SNOMED CT, but not in that table; two are not in pydicom 2's.
    new = {"279706003", "399384005"} if pydicom.__version__.startswith("2.") else set()
    assert odd == {"74281007"} | new


def test_a_code_of_our_own_is_of_the_name_alone():
    one, same, other = map(structure_codes.code_of, ("my thing", "My_Thing", "another"))
    assert one.kind.value == same.kind.value != other.kind.value
    assert len(one.kind.value) <= 16 and one.kind.scheme == "99DSCL"
    assert len(structure_codes.code_of(99 * "x").kind.meaning) == 64


def test_what_exists_is_kept_and_what_is_missing_is_added(model, tmp_path):
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    assert run(model, tmp_path / "in", tmp_path / "out") == 1
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    before = mask.stat().st_mtime_ns
    for expected in (1, 0):
        found = run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)
        assert found == expected
    (made,) = (tmp_path / "out").glob("*.seg.dcm")
    assert mask.stat().st_mtime_ns == before
    check_same(made, sitk.ReadImage(str(mask)))


def test_a_mask_of_another_series_is_refused(model, tmp_path):
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    run(model, tmp_path / "in", tmp_path / "out")
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    sitk.WriteImage(sitk.ReadImage(str(mask))[:, :, 1:], str(mask))
    with pytest.raises(errors.UserError, match="make it again with --overwrite"):
        run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)
    assert not list((tmp_path / "out").glob("*.seg.dcm"))


def test_no_uid_is_logged(model, tmp_path, caplog):
    caplog.set_level("DEBUG")
    paths = dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)
    ds = pydicom.dcmread(paths[0])
    for secret in (ds.SOPInstanceUID, ds.SeriesInstanceUID, "MRN-4711", "Doe"):
        assert secret not in caplog.text
    assert "out/in_" in caplog.text


def test_no_invalid_uid_is_quoted_by_pydicom(tmp_path):
    """Its warnings quote values; a number with a leading zero makes a UID invalid."""
    code = (
        "import sys; from dscl_tf.cohort import dicom_series, volumes;"
        "from dscl_tf.inference import dicom_seg, structures;"
        "import pathlib, SimpleITK as sitk;"
        "path = pathlib.Path(sys.argv[1]);"
        "mask = sitk.Cast(dicom_series.header(path), sitk.sitkUInt8);"
        "named = structures.structures(('background', 'RV'));"
        "dicom_seg.write(mask, path, pathlib.Path(sys.argv[2]), named)"
    )
    uid = "1.2.826.0.1.03680043.0815"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Those of writing it.
        paths = dicom_making.write_series(
            tmp_path / "in", voxels(blocks()), StudyInstanceUID=uid
        )
    done = subprocess.run(
        [sys.executable, "-c", code, str(paths[0]), str(tmp_path / "out.dcm")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.dcm").stat().st_size
    assert "0815" not in done.stdout + done.stderr


def test_a_bad_series_is_named_and_the_others_go_on(model, tmp_path):
    paths = dicom_making.write_series(tmp_path / "in/gap", voxels(blocks()))
    paths[2].unlink()
    dicom_making.write_series(tmp_path / "in/whole", voxels(blocks()))
    with pytest.raises(errors.UserError, match=r"1 of 2 inputs .*slices missing\?"):
        run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)
    assert len(list((tmp_path / "out").glob("whole_*"))) == 2


def test_a_series_in_two_folders_is_refused_by_name(tmp_path):
    for folder in ("a/x", "b/x"):
        dicom_making.write_series(
            tmp_path / folder, np.zeros((3, 8, 6), int), SeriesInstanceUID="1.2.3"
        )
    inputs = predict.find_inputs(tmp_path, tmp_path / "out")
    with pytest.raises(errors.UserError, match="belong to one DICOM series"):
        predict.mask_files.targets(inputs, tmp_path / "out", "input")


def test_a_series_that_lacks_its_study_is_refused(tmp_path):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((3, 8, 6), int))
    for path in paths:
        ds = pydicom.dcmread(path)
        del ds.StudyInstanceUID
        ds.save_as(path)
    mask = dicom_series.header(paths[0])
    with pytest.raises(errors.UserError, match=r"lacks .*StudyInstanceUID"):
        dicom_seg.write(mask, paths[0], tmp_path / "out" / "a.seg.dcm", NAMED)
    assert not (tmp_path / "out").exists()


def test_invalid_attributes_are_named_and_not_quoted(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Those of writing it.
        paths = dicom_making.write_series(
            tmp_path / "in", np.zeros((3, 8, 6), int), PatientBirthDate="00001399"
        )
    mask = dicom_series.header(paths[0])
    with pytest.raises(errors.UserError, match="ValueError; not valid: ") as raised:
        dicom_seg.write(mask, paths[0], tmp_path / "out" / "a.seg.dcm", NAMED)
    assert "not valid: PatientBirthDate)" in str(raised.value)
    assert "1399" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_slicers_format_of_a_series(model, tmp_path):
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    run(model, tmp_path / "in", tmp_path / "out", mask_format="seg_nrrd")
    assert len(list((tmp_path / "out").glob("in_*.seg.nrrd"))) == 1


def test_originals_of_an_evaluation_are_series(tmp_path):
    source = miniatures.dicom(tmp_path)
    settings = config.PreprocessingConfig(
        size_px=(24, 24), spacing_mm=1.0, bias_correction=False
    )
    made = preparation.PreparationConfig(
        str(source),
        str(tmp_path / "out"),
        labels=str(source.parent / "labels"),
        settings=settings,
        num_workers=1,
    )
    cohort = prepared.PreparedCohort.open(preparation.prepare(made))
    volume = cohort.volumes[0]
    originals.check_there([volume])
    image, truth = originals.read(cohort, volume)
    values, label = miniatures.subject(0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), 2.0 * values - 100)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(truth), label)
    sorted((source / "scan0").glob("IM*"))[1].unlink()
    with pytest.raises(errors.UserError, match=r"slices missing\?"):
        originals.read(cohort, volume)


def test_what_is_missing_is_said_before_any_work(tmp_path, monkeypatch):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((3, 8, 6), int))
    with pytest.raises(errors.UserError, match="is for DICOM series"):
        dicom_inputs.require_series([tmp_path / "a.nii.gz"])
    dicom_inputs.require_series(paths)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(errors.UserError, match=r"pip install '\.\[dicom\]'"):
        dicom_inputs.require_series(paths)


def test_a_channel_of_a_series_is_refused(tmp_path):
    dicom_making.write_series(tmp_path / "in", np.zeros((3, 8, 6), int))
    with pytest.raises(errors.UserError, match="leave --channel out"):
        predict.find_inputs(tmp_path / "in", tmp_path / "out", channel=1)


@pytest.mark.parametrize("below", ["", "below/"])
def test_dicom_beside_other_images_is_said(tmp_path, caplog, below):
    dicom_making.write_series(tmp_path / "in" / below, np.zeros((3, 8, 6), int))
    conftest.write_volume(
        tmp_path / "in" / "a.nii.gz", conftest.as_image(conftest.blocks())
    )
    (path,) = predict.find_inputs(tmp_path / "in", tmp_path / "out")
    said = f"DICOM files such as {below}IM0000, which are left out"
    assert path.name == "a.nii.gz" and said in caplog.text


@pytest.fixture
def masks_of_another_model(model, tmp_path, monkeypatch):
    """A folder of series and one with its mask, by a model of another id."""
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    with monkeypatch.context() as other:
        other.setattr(model, "model_id", "0123456789abcdef")
        run(model, tmp_path / "in", tmp_path / "out")
    return tmp_path / "in", tmp_path / "out"


def test_a_mask_of_another_model_is_refused(model, masks_of_another_model):
    source, output = masks_of_another_model
    message = r"mask of another model, .* with --overwrite, or choose another --output"
    with pytest.raises(errors.UserError, match=message):
        run(model, source, output, write_dicom_seg=True)
    assert not list(output.glob("*.seg.dcm"))
    assert run(model, source, output, overwrite=True, write_dicom_seg=True) == 1
    (made,) = output.glob("*.seg.dcm")
    made.unlink()
    assert run(model, source, output, write_dicom_seg=True) == 1


@pytest.mark.parametrize("mask_format", ["input", "seg_nrrd"])
def test_a_mask_of_other_values_is_refused(model, tmp_path, monkeypatch, mask_format):
    monkeypatch.setattr(model, "label_values", (0, 2, 1))
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    options = {"mask_format": mask_format, "write_dicom_seg": True}
    with_classes = {**options, "mask_values": "classes"}
    run(model, tmp_path / "in", tmp_path / "out", **with_classes)
    (made,) = (tmp_path / "out").glob("*.seg.dcm")
    expected = decoded(made)
    made.unlink()
    with pytest.raises(errors.UserError, match="of other --mask_values"):
        run(model, tmp_path / "in", tmp_path / "out", **options)
    # Of its own values it is known again, whatever its format.
    assert run(model, tmp_path / "in", tmp_path / "out", **with_classes) == 1
    found = decoded(made)
    for place, values in expected.items():
        np.testing.assert_array_equal(found[place], values)


def test_a_mask_that_was_saved_anew_is_refused(model, tmp_path):
    dicom_making.write_series(tmp_path / "in", voxels(blocks()))
    run(model, tmp_path / "in", tmp_path / "out")
    (path,) = (tmp_path / "out").glob("*.nii.gz")
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "RAS"), str(path))
    with pytest.raises(errors.UserError, match="a mask of unknown origin"):
        run(model, tmp_path / "in", tmp_path / "out", write_dicom_seg=True)


@pytest.mark.parametrize("field", ["spacing", "origin", "direction", "size"])
def test_a_mask_that_lies_elsewhere_is_refused(tmp_path, field):
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((4, 8, 6), int))
    mask = dicom_series.header(paths[0])
    if field == "size":
        mask = mask[:, 1:, :]
    elif field == "direction":
        mask = sitk.DICOMOrient(mask, "RAS")
        mask.SetOrigin(dicom_series.header(paths[0]).GetOrigin())
    else:
        name = field.capitalize()
        moved = np.add(getattr(mask, f"Get{name}")(), (0, 0, 0.1))
        getattr(mask, f"Set{name}")(moved.tolist())
    message = rf"{field} of the mask: found .* make it again with --overwrite"
    with pytest.raises(errors.UserError, match=message):
        dicom_seg.write(mask, paths[0], tmp_path / "a.seg.dcm", NAMED)
    assert not (tmp_path / "a.seg.dcm").exists()


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", None])
def test_names_of_any_script(tmp_path, charset):
    tags = {"PatientName": "M\u00fcller^J\u00f6rg" if charset else "Doe^Jane"}
    if charset:
        tags["SpecificCharacterSet"] = charset
    paths = dicom_making.write_series(tmp_path / "in", np.zeros((4, 8, 6), int), **tags)
    names = ("background", "\u809d\u81d3", "\u00d6dem")
    target = tmp_path / "a.seg.dcm"
    mask = dicom_series.header(paths[0])
    dicom_seg.write(mask, paths[0], target, structures.structures(names))
    made = pydicom.dcmread(target)
    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert [it.SegmentLabel for it in made.SegmentSequence] == list(names[1:])
    kinds = [it.SegmentedPropertyTypeCodeSequence[0] for it in made.SegmentSequence]
    assert [it.CodeMeaning for it in kinds] == list(names[1:])
    assert made.PatientName == tags["PatientName"]
    content = target.read_bytes()
    for text in (*names[1:], tags["PatientName"]):
        assert text.encode("utf-8") in content


@pytest.mark.parametrize(
    ("name", "is_growth"),
    [
        ("liver without tumor", False),
        ("non-tumor", False),
        ("no tumor", False),
        ("no visible cancer", False),
        ("tumor", True),
        ("non-enhancing tumor", True),
        ("node tumour", True),
    ],
)
def test_what_is_without_a_tumor_is_none(name, is_growth):
    found = structure_codes.code_of(name)
    assert (found.kind.meaning == "Neoplasm") == is_growth
    if not is_growth:
        assert found.kind[1:] == ("99DSCL", name)
        assert found.category.meaning == "Anatomical Structure"
