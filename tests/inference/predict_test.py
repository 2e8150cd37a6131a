"""Masks have the geometry of their files, and a bad file stops no other."""

import dataclasses
import logging

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import volumes
from dscl_tf.config import ChannelConfig
from dscl_tf.inference import predict, predictor
from tests import miniatures
from tests.inference import conftest

OBLIQUE = (0.8, 0.6, 0, 0.6, -0.8, 0, 0, 0, -1)


@pytest.fixture(scope="module")
def model(export_folder):
    return predictor.open_predictor(export_folder)


def _run(model, source, output, **options):
    return predict.predict_files(
        model, predict.find_inputs(source, output), output, **options
    )


def _same_geometry(mask, image):
    assert mask.GetSize() == image.GetSize()
    for found, expected in (
        (mask.GetSpacing(), image.GetSpacing()),
        (mask.GetOrigin(), image.GetOrigin()),
        (mask.GetDirection(), image.GetDirection()),
    ):
        # NIfTI keeps 32 bits of each; the others are exact.
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.NII.GZ", "a.Nii.gz", "a.MHA"]
)
@pytest.mark.parametrize("direction", [None, OBLIQUE], ids=["axial", "oblique"])
def test_mask_has_the_geometry_of_its_file(model, tmp_path, name, direction):
    truth = conftest.blocks()
    source = conftest.write_volume(
        tmp_path / "in" / name.lower(), conftest.as_image(truth), direction=direction
    ).rename(tmp_path / "in" / name)
    assert _run(model, source.parent, tmp_path / "out") == 1
    mask = volumes.read_label(tmp_path / "out" / name)
    _same_geometry(mask, volumes.read_image(source))
    assert volumes.read_header(tmp_path / "out" / name).GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth)


def test_a_folder_in_the_place_of_a_mask_is_no_mask(model, tmp_path):
    for name in ("a", "b"):
        image = conftest.as_image(conftest.blocks())
        conftest.write_volume(tmp_path / "in" / f"{name}.nii.gz", image)
    (tmp_path / "out" / "a.nii.gz").mkdir(parents=True)
    # What is wrong with the descriptions does not hide what is wrong with a mask.
    (tmp_path / "out" / "labels.txt").mkdir()
    said = r"1 of 2 inputs .*a\.nii\.gz: found a folder, expected the file of a mask"
    for overwrite in (False, True):
        with pytest.raises(errors.UserError, match=said):
            _run(model, tmp_path / "in", tmp_path / "out", overwrite=overwrite)
    assert (tmp_path / "out" / "b.nii.gz").is_file()


def test_sagittal_stack(model, tmp_path):
    # The slice axis comes first in the file, and each array axis differs.
    truth = np.moveaxis(conftest.blocks(), 0, 2)[::-1].copy()
    source = conftest.write_volume(
        tmp_path / "in" / "a.nrrd", conftest.as_image(truth), spacing_mm=(8.0, 2.0, 2.0)
    )
    _run(model, source, tmp_path / "out")
    mask = sitk.ReadImage(str(tmp_path / "out" / "a.nrrd"))
    _same_geometry(mask, sitk.ReadImage(str(source)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_slice_as_thick_as_its_pixels(model, tmp_path, axis):
    truth = np.expand_dims(conftest.blocks()[0], axis)
    path = conftest.write_volume(
        tmp_path / "a.nii.gz", conftest.as_image(truth), spacing_mm=(2.0, 2.0, 2.0)
    )
    mask = predict.segment_file(model, path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd"])
def test_flat_file_gets_a_flat_mask(model, tmp_path, name):
    truth = conftest.blocks()[0]
    source = conftest.write_volume(
        tmp_path / "in" / name, conftest.as_image(conftest.blocks())
    )
    flat = sitk.GetImageFromArray(conftest.as_image(truth))
    flat.SetSpacing((2.0, 2.0))
    flat.SetOrigin((-3.5, 7.0))
    sitk.WriteImage(flat, str(source))
    _run(model, source, tmp_path / "out")
    mask = sitk.ReadImage(str(tmp_path / "out" / name))
    assert mask.GetDimension() == 2
    _same_geometry(mask, sitk.ReadImage(str(source)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth)


def test_a_bad_file_is_named_and_the_others_go_on(model, tmp_path, caplog):
    images = tmp_path / "in"
    for name in ("a.nii.gz", "c.nii.gz"):
        conftest.write_volume(images / name, conftest.as_image(conftest.blocks()))
    (images / "b.nii.gz").write_bytes(b"no image")
    constant = np.full((3, 28, 20), 7, np.float32)
    conftest.write_volume(images / "d.nii.gz", constant)
    conftest.write_volume(images / "e.mhd", constant)
    (images / "._a.nii.gz").write_bytes(b"hidden")
    (images / "f.nii.gz").symlink_to("gone")
    (images / "g.nii").mkdir()
    with pytest.raises(errors.UserError, match=r"5 of 7 inputs.*b\.nii\.gz"):
        _run(model, images, tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a.nii.gz", "c.nii.gz", "labels.txt"]
    assert "d.nii.gz: voxels: found all 7, expected contrast" in caplog.text
    assert "f.nii.gz (a link to gone, which does not exist)" in caplog.text
    assert "g.nii (it is a folder)" in caplog.text
    assert "e.mhd keeps its voxels in a second file" in caplog.text


def test_existing_masks_are_kept_and_said(model, dataset, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source, output = dataset / "images" / "p1.nii.gz", tmp_path / "out"
    assert _run(model, source, output) == 1
    assert "p1.nii.gz: low 4.6 ml, high 2.3 ml" in caplog.text  # 144 and 72 x 32 mm3.
    mask = output / "p1.nii.gz"
    mask.write_bytes(b"mine")
    assert _run(model, source, output) == 0
    assert mask.read_bytes() == b"mine"
    assert "exists and is kept" in caplog.text
    assert _run(model, source, output, overwrite=True) == 1
    assert mask.read_bytes() != b"mine"


@pytest.mark.parametrize(
    "codes, rows",
    [
        ((1, 4), [0, -3, 0, 20, 4, 0, 0, -9, 0, 0, 8, 5]),  # sform: an atlas's space.
        ((0, 0), [0] * 12),
        ((1, 1), [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0]),  # As ACDC's.
    ],
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_mask_lies_on_its_scan_for_viewers_of_qform_and_sform(
    model, tmp_path, name, codes, rows
):
    path = tmp_path / name
    conftest.write_volume(path, conftest.as_image(conftest.blocks()))
    miniatures.set_sform(path, rows, codes)
    _run(model, path, tmp_path / "out")
    target = tmp_path / "out" / name
    image, mask = nibabel.load(path), nibabel.load(target)
    np.testing.assert_array_equal(mask.affine, image.affine)
    for get in ("get_qform", "get_sform"):
        for found, expected in zip(
            getattr(mask, get)(coded=True), getattr(image, get)(coded=True)
        ):
            np.testing.assert_array_equal(found, expected)
    assert np.count_nonzero(mask.get_fdata())
    _same_geometry(volumes.read_header(target), volumes.read_header(path))
    if name.endswith(".gz"):  # The same mask is the same file, whenever it is made.
        assert target.read_bytes()[4:8] == bytes(4)


def test_one_input_without_memory_stops_no_other(model, tmp_path, monkeypatch):
    for name in ("a.nii.gz", "b.nii.gz"):
        conftest.write_volume(tmp_path / name, conftest.as_image(conftest.blocks()))
    segment, errors_of = predict.segment_file, iter([MemoryError("of a")])

    def failing(*arguments):
        for error in errors_of:
            raise error
        return segment(*arguments)

    monkeypatch.setattr(predict, "segment_file", failing)
    with pytest.raises(errors.UserError, match=r"1 of 2 inputs have no mask.*of a"):
        _run(model, tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "b.nii.gz").exists()


def test_an_output_that_cannot_be_written_is_said_before_the_model_opens(tmp_path):
    source = _touch(tmp_path / "in", "a")
    (tmp_path / "file").touch()
    with pytest.raises(errors.UserError, match=r"Cannot write .*file/out"):
        predict.find_inputs(source, tmp_path / "file" / "out")


def test_inputs_that_cannot_be(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(errors.UserError, match=r"No --input at .*scan\.nii"):
        predict.find_inputs(tmp_path / "scan.nii", tmp_path / "out")
    with pytest.raises(errors.UserError, match="found 1 other files"):
        predict.find_inputs(tmp_path, tmp_path / "out")
    (tmp_path / "scans").mkdir()
    said = r"found 1 other files and 1 folders, such as scans, .* as --input\.$"
    with pytest.raises(errors.UserError, match=said):
        predict.find_inputs(tmp_path, tmp_path / "out")
    (tmp_path / "a.nii.gz").touch()
    for source in (tmp_path, tmp_path / "a.nii.gz"):
        with pytest.raises(errors.UserError, match="choose another folder"):
            predict.find_inputs(source, tmp_path / "." / "x" / "..")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nii.gz"])
def test_a_fourth_axis_of_one_is_a_volume(model, tmp_path, name):
    values = conftest.as_image(conftest.blocks())[np.newaxis]
    path = conftest.write_volume(tmp_path / "plain.mha", values[0])
    four = sitk.JoinSeries([sitk.ReadImage(str(path))])
    sitk.WriteImage(four, str(tmp_path / name))
    mask = predict.segment_file(model, tmp_path / name)
    assert mask.GetSize() == values.shape[:0:-1]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), conftest.blocks())


def _series(path):
    """A 4-D file whose second image is `blocks`, between noise."""
    truth = conftest.as_image(conftest.blocks())
    noise = np.random.default_rng(0).random(truth.shape).astype(np.float32)
    images = [noise, truth, noise[::-1]]
    first = conftest.write_volume(path.parent / "made" / "one.mha", truth)
    joined = [sitk.GetImageFromArray(np.ascontiguousarray(each)) for each in images]
    for image in joined:
        image.CopyInformation(sitk.ReadImage(str(first)))
    sitk.WriteImage(sitk.JoinSeries(joined), str(path))
    return sitk.ReadImage(str(first))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd"])
def test_one_image_of_a_series_is_chosen(model, tmp_path, name):
    volume = _series(tmp_path / name)
    mask = predict.segment_file(model, tmp_path / name, channel=1)
    _same_geometry(mask, volume)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), conftest.blocks())
    with pytest.raises(errors.UserError, match=r"3 images .* choose .* --channel"):
        predict.segment_file(model, tmp_path / name)
    with pytest.raises(errors.UserError, match=r"image 3 along .* found 3"):
        predict.segment_file(model, tmp_path / name, channel=3)


def test_a_volume_among_series_needs_no_channel(model, tmp_path):
    path = conftest.write_volume(
        tmp_path / "a.mha", conftest.as_image(conftest.blocks())
    )
    mask = predict.segment_file(model, path, channel=1)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), conftest.blocks())


def test_one_channel_of_nnunets_files_is_chosen(tmp_path):
    source = tmp_path / "imagesTs"
    source.mkdir()
    for name in ("a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz"):
        (source / name).touch()
    found = predict.find_inputs(source, tmp_path / "out", 1)
    assert [path.name for path in found] == ["a_0001.nii.gz", "b_0001.nii.gz"]
    for channel in (None, 2):
        with pytest.raises(errors.UserError, match=r"channels 0, 1 of each case"):
            predict.find_inputs(source, tmp_path / "out", channel)
    for name in ("a_0001.nii.gz", "b_0001.nii.gz"):
        (source / name).unlink()
    found = predict.find_inputs(source, tmp_path / "out")
    assert [path.name for path in found] == ["a_0000.nii.gz", "b_0000.nii.gz"]


def test_a_voxel_size_that_is_not_there_is_said(model, tmp_path, caplog):
    path = conftest.write_volume(
        tmp_path / "a.mha", conftest.as_image(conftest.blocks())
    )
    predict.segment_file(model, path)
    assert "voxel size" not in caplog.text
    content = path.read_bytes()
    path.write_bytes(content.replace(b"ElementSpacing = 2 2 8\n", b""))
    predict.segment_file(model, path)
    assert "a.mha gives no voxel size, so 1 mm is assumed" in caplog.text
    bad = conftest.write_volume(tmp_path / "b.nii", conftest.blocks())
    bad.write_bytes(bad.read_bytes()[:80] + bytes(4) + bad.read_bytes()[84:])
    with pytest.raises(errors.UserError, match=r"pixdim: found voxels of 0 x 2 x 8"):
        predict.segment_file(model, bad)


def test_a_bias_field_that_is_fitted_to_next_to_nothing_is_said(
    model, tmp_path, caplog, monkeypatch
):
    settings = dataclasses.replace(
        model.settings, bias_correction=True, bias_iterations=1
    )
    monkeypatch.setattr(model, "settings", settings)
    values = np.random.default_rng(0).random((4, 64, 64), np.float32)
    path = conftest.write_volume(tmp_path / "a.mha", values)
    predict.segment_file(model, path)
    assert "bias field" not in caplog.text
    values[2, :8, :32] = 32767
    predict.segment_file(model, conftest.write_volume(path, values))
    assert "a.mha: bias field: found a mask of 1.6 % of the voxels" in caplog.text


def _touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.nii.gz").touch()
    return folder


def _names(found):
    return [path.name.removesuffix(".nii.gz") for path in found]


def test_case_ids_that_end_in_four_digits_are_no_channels(tmp_path):
    names = ["case_0001", "case_0002", "case_0003"]
    source = _touch(tmp_path / "in", *names)
    assert _names(predict.find_inputs(source, tmp_path / "out")) == names
    _touch(source, "case_0000")
    with pytest.raises(errors.UserError, match="or --files_are_cases if each file"):
        predict.find_inputs(source, tmp_path / "out")
    found = predict.find_inputs(source, tmp_path / "out", files_are_cases=True)
    assert _names(found) == ["case_0000", *names]


def test_label_maps_among_the_images_are_no_images(tmp_path, caplog):
    source = _touch(tmp_path / "in", "a", "a_label", "b", "b-Seg", "c_mask")
    (source / "d.seg.nrrd").touch()
    found = predict.find_inputs(source, tmp_path / "out")
    # There is no c that c_mask might be of.
    assert _names(found) == ["a", "b", "c_mask"]
    assert "3 files named like label maps are left out" in caplog.text
    every = predict.find_inputs(source, tmp_path / "out", files_are_cases=True)
    assert len(every) == 6
    alone = predict.find_inputs(source / "d.seg.nrrd", tmp_path / "out")
    assert alone == [source / "d.seg.nrrd"]


def test_a_channel_of_numbered_cases_of_4d_files_is_along_their_axis(tmp_path):
    for name in ("case_0001.nii.gz", "case_0002.nii.gz"):
        _series(tmp_path / name)
    found = predict.find_inputs(tmp_path, tmp_path / "out", 1)
    assert _names(found) == ["case_0001", "case_0002"]


def test_numbers_of_4d_files_are_no_channels_even_from_0000_on(tmp_path):
    for name in ("case_0000.nii.gz", "case_0001.nii.gz"):
        _series(tmp_path / name)
    found = predict.find_inputs(tmp_path, tmp_path / "out", 1)
    assert _names(found) == ["case_0000", "case_0001"]


def test_other_channels_are_not_left_out_in_silence(tmp_path, caplog):
    source = _touch(tmp_path / "in", *(f"case_000{k}" for k in range(5)))
    found = predict.find_inputs(source, tmp_path / "out", 3)
    assert _names(found) == ["case_0003"]
    assert "4 files of other channels than 3 are left out" in caplog.text
    assert "case_0000.nii.gz; with --files_are_cases each" in caplog.text


def test_volumes_that_are_not_read_are_said(tmp_path, caplog):
    source = _touch(tmp_path / "in", "a")
    for name in ("b.mgz", "c.nii.gz.part", "notes.txt", ".hidden.img"):
        (source / name).touch()
    assert _names(predict.find_inputs(source, tmp_path / "out")) == ["a"]
    assert "2 files are left out, such as b.mgz" in caplog.text


def test_a_channel_is_taken_although_no_file_of_the_first_is_there(tmp_path):
    for name in ("a_0001", "a_0002", "b_0001", "b_0002"):
        conftest.write_volume(tmp_path / f"{name}.nii.gz", conftest.blocks())
    found = predict.find_inputs(tmp_path, tmp_path / "out", 2)
    assert _names(found) == ["a_0002", "b_0002"]


def test_cases_among_channels_are_not_left_out_in_silence(tmp_path):
    source = _touch(tmp_path / "in", "a_0000", "a_0001", "b_0001", "c")
    found = predict.find_inputs(source, tmp_path / "out", 1)
    assert _names(found) == ["a_0001", "b_0001", "c"]
    with pytest.raises(errors.UserError, match=r"channel 0 of 1 cases .* b_0001"):
        predict.find_inputs(source, tmp_path / "out", 0)


def test_a_mask_that_cannot_be_written_stops_no_other(model, dataset, tmp_path, caplog):
    inputs = [dataset / "images" / name for name in ("p1.nii.gz", "p2.nii.gz")]
    (tmp_path / "p1.nii.gz").mkdir()  # A folder is in the place of the mask.
    with pytest.raises(errors.UserError, match=r"1 of 2 inputs.*p1\.nii\.gz"):
        predict.predict_files(model, inputs, tmp_path, overwrite=True)
    assert (tmp_path / "p2.nii.gz").is_file()


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.mhd"])
def test_a_segmentation_for_slicer(model, tmp_path, name):
    truth = conftest.blocks()
    source = conftest.write_volume(
        tmp_path / "in" / name, conftest.as_image(truth), direction=OBLIQUE
    )
    assert _run(model, source, tmp_path / "out", mask_format="seg_nrrd") == 1
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a.seg.nrrd", "labels.txt"]
    mask = sitk.ReadImage(str(tmp_path / "out" / "a.seg.nrrd"))
    _same_geometry(mask, sitk.ReadImage(str(source)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth)
    assert mask.GetMetaData("Segment0_Name") == "low"
    assert mask.GetMetaData("Segment1_Name") == "high"
    # It is kept like any mask.
    assert _run(model, source, tmp_path / "out", mask_format="seg_nrrd") == 0


def test_two_images_with_one_segmentation_are_refused(model, tmp_path):
    for name in ("a.nii.gz", "a.mha"):
        conftest.write_volume(
            tmp_path / "in" / name, conftest.as_image(conftest.blocks())
        )
    with pytest.raises(errors.UserError, match=r"a\.mha and a\.nii\.gz would both"):
        _run(model, tmp_path / "in", tmp_path / "out", mask_format="seg_nrrd")
    assert not (tmp_path / "out").exists()


def test_labels_lie_beside_masks_alone(model, dataset, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"no image")
    with pytest.raises(errors.UserError):
        _run(model, tmp_path / "in", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    source, output = dataset / "images" / "p1.nii.gz", tmp_path / "out"
    _run(model, source, output)
    (output / "labels.txt").unlink()
    _run(model, source, output)  # The mask is kept; its labels are written again.
    assert '"low"' in (output / "labels.txt").read_text()


def _volumes(folder, *names):
    for name in names:
        conftest.write_volume(folder / f"{name}.nii.gz", conftest.blocks())
    return folder


@pytest.mark.parametrize(
    ("names", "channel", "found"),
    [
        (["a_0000"], 1, "names that end in _0000"),
        (["a_0000", "b_0000", "c"], 1, "names that end in _0000"),
        (["a_0001", "a_0002", "b"], 1, "names that end in _0001, _0002"),
        (["a"], 0, "no name of a channel"),
    ],
)
def test_a_channel_that_no_image_can_have_is_refused(tmp_path, names, channel, found):
    source = _volumes(tmp_path / "in", *names)
    message = rf"--channel={channel}: found no 4-D image .* and {found}, expected"
    for place in (source, source / f"{names[0]}.nii.gz")[: 3 - len(names)]:
        with pytest.raises(errors.UserError, match=message):
            predict.find_inputs(place, tmp_path / "out", channel)
    if "_" in names[0]:  # One file says its channel.
        number = int(names[0][-4:])
        path = source / f"{names[0]}.nii.gz"
        assert predict.find_inputs(path, tmp_path / "out", number) == [path]
        with pytest.raises(errors.UserError, match="no name of a channel"):
            predict.find_inputs(path, tmp_path / "out", number, files_are_cases=True)


def test_a_channel_among_3d_images_is_that_of_a_4d_one(tmp_path):
    source = _volumes(tmp_path / "in", "a_0000", "b")
    _series(source / "c.nii.gz")
    assert len(predict.find_inputs(source, tmp_path / "out", 1)) == 3


def test_a_remembered_channel_that_no_image_can_have_is_said_once(
    model, tmp_path, caplog
):
    channels = (ChannelConfig("ADC", 1),)
    settings = dataclasses.replace(model.settings, channels=channels)
    source = _volumes(tmp_path / "in", "a_0000", "b_0000")
    found = predict.find_inputs(source, tmp_path / "out", settings=settings)
    assert len(found) == 2
    (said,) = caplog.messages
    assert (
        "The model was trained on channel 1 of its dataset; found no 4-D image" in said
    )
    caplog.clear()
    _volumes(tmp_path / "ours", "a_0001")
    predict.find_inputs(tmp_path / "ours", tmp_path / "out", settings=settings)
    _series(source / "c.nii.gz")
    predict.find_inputs(source, tmp_path / "out", settings=settings)
    assert not caplog.messages


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_scan_that_the_input_links_to_is_not_replaced(model, tmp_path, is_folder):
    scan = conftest.write_volume(
        tmp_path / "data" / "a.nii.gz", conftest.as_image(conftest.blocks())
    )
    before = scan.read_bytes()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "a.nii.gz"
    link.symlink_to(scan)
    source = link.parent if is_folder else link
    for overwrite in (True, False):
        with pytest.raises(errors.UserError, match=r"would replace .* is the input"):
            _run(model, source, tmp_path / "data", overwrite=overwrite)
    assert scan.read_bytes() == before
    assert _run(model, source, tmp_path / "out") == 1


def test_a_scan_of_another_channel_is_not_replaced_either(model, tmp_path):
    first = conftest.write_volume(tmp_path / "in" / "a_t2.nii.gz", conftest.blocks())
    other = conftest.write_volume(tmp_path / "out" / "a.nii.gz", conftest.blocks())
    case = predict.CaseInput("a.nii.gz", ((first, None), (other, None)))
    with pytest.raises(errors.UserError, match="which is the input"):
        predict.predict_files(
            model, [first], tmp_path / "out", overwrite=True, of_channels={first: case}
        )


def test_a_scan_that_is_taken_away_stops_no_other(model, tmp_path, monkeypatch):
    source = _volumes(tmp_path / "in", "a", "b")
    read = volumes.read_image

    def read_and_lose(path, *more):
        image = read(path, *more)
        if path.name == "a.nii.gz":
            path.unlink()
        return image

    monkeypatch.setattr(volumes, "read_image", read_and_lose)
    with pytest.raises(errors.UserError, match=r"1 of 2 inputs .*a\.nii\.gz"):
        _run(model, source, tmp_path / "out")
    assert (tmp_path / "out/b.nii.gz").is_file()
    assert not (tmp_path / "out/a.nii.gz").exists()


@pytest.mark.parametrize("name", ["scan.img.nii.gz", "scan.hdr.nii", "a.nii.nii.gz"])
def test_a_name_that_itk_takes_for_a_pair_of_files_has_its_mask(model, tmp_path, name):
    plain = "a.nii.gz" if name.endswith(".gz") else "a.nii"
    source = conftest.write_volume(tmp_path / "in" / plain, conftest.blocks())
    source.rename(source.with_name(name))
    assert _run(model, tmp_path / "in", tmp_path / "out") == 1
    assert sorted(it.name for it in (tmp_path / "out").iterdir()) == sorted(
        [name, "labels.txt"]
    )
