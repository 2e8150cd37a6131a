import gzip
import os
import pickle
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import formats, image_writing, volumes, whole_numbers
from tests.cohort import making


@pytest.mark.parametrize("suffix", formats.SUFFIXES)
def test_what_is_written_is_read(tmp_path, suffix):
    turned = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    image = making.image_of(making.labels(), direction=turned)
    path = tmp_path / "new" / f"mask{suffix}"
    image_writing.write_image(image, path)
    found = volumes.read_label(path)
    assert found.GetPixelID() == sitk.sitkInt32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), making.labels())
    assert found.GetSize() == image.GetSize()
    np.testing.assert_allclose(found.GetSpacing(), image.GetSpacing())
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin())
    np.testing.assert_allclose(found.GetDirection(), image.GetDirection(), atol=1e-7)
    assert all(name.startswith("mask.") for name in os.listdir(path.parent))


@pytest.mark.parametrize("suffix", [".nii.gz", ".mhd"])
def test_a_failed_write_leaves_nothing(tmp_path, suffix):
    complex_label = sitk.Image([2, 2, 2], sitk.sitkLabelUInt8)
    with pytest.raises(errors.UserError, match=r"Cannot write .*mask"):
        image_writing.write_image(complex_label, tmp_path / f"mask{suffix}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".nii.gz", ".mhd"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path, suffix):
    (tmp_path / "file").touch()
    with pytest.raises(errors.UserError, match=r"Cannot write"):
        image_writing.write_image(
            making.image_of(making.labels()), tmp_path / "file" / f"mask{suffix}"
        )


def test_images_become_float32_volumes(tmp_path):
    values = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
    flat = sitk.GetImageFromArray(values)
    flat.SetSpacing((0.5, 0.7))
    sitk.WriteImage(flat, str(tmp_path / "flat.nrrd"))
    found = volumes.read_image(tmp_path / "flat.nrrd")
    assert found.GetPixelID() == sitk.sitkFloat32
    assert found.GetSize() == (3, 2, 1)
    assert found.GetSpacing()[:2] == (0.5, 0.7)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found)[0], values)


def test_header_tells_size_without_voxels(tmp_path):
    path = making.write(tmp_path / "a.nii.gz", making.labels())
    assert volumes.read_header(path).GetSize() == (12, 14, 5)


@pytest.mark.parametrize("odd", [0.5, np.nan, np.inf])
def test_fractions_are_no_labels(tmp_path, odd):
    values = making.labels().astype(np.float32)
    path = making.write(tmp_path / "a.mha", values)
    assert volumes.read_label(path).GetPixelID() == sitk.sitkInt32
    values[0, 0, 0] = odd
    making.write(path, values)
    with pytest.raises(errors.UserError, match=r"a\.mha.*whole numbers"):
        volumes.read_label(path)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(errors.UserError, match=r"No image file at .*a\.nii\.gz"):
        volumes.read_image(tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").write_text("this is no image")
    with pytest.raises(errors.UserError, match=r"Cannot read .*a\.nii\.gz \(.+\):"):
        volumes.read_image(tmp_path / "a.nii.gz")


# ITK itself reads a NIfTI file that is cut short, with zeros for what is missing.
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kept", [0.6, 0.97])
def test_files_that_are_cut_short_are_named(tmp_path, suffix, kept):
    path = making.write(tmp_path / f"a{suffix}", making.intensities())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(errors.UserError, match=rf"a\{suffix}"):
        volumes.read_image(path)


# ITK itself reads these, with other values from the damaged place on.
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr", ".nii.gz"])
def test_compressed_files_that_are_damaged_are_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    image_writing.write_image(making.image_of(making.intensities()), path)
    volumes.read_image(path)
    largest = max(tmp_path.iterdir(), key=os.path.getsize)  # It has the voxels.
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0x5A
    largest.write_bytes(content)
    with pytest.raises(errors.UserError, match=rf"Cannot read .*a\{suffix} \(.+whole"):
        volumes.read_image(path)


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".mhd", zlib.compress), (".nhdr", gzip.compress)]
)
def test_whole_streams_of_too_few_voxels_beside_a_header_are_named(
    tmp_path, suffix, pack
):
    path = tmp_path / f"a{suffix}"
    image_writing.write_image(making.image_of(making.labels()), path)
    (voxels,) = (each for each in tmp_path.iterdir() if each != path)
    voxels.write_bytes(pack(making.labels().tobytes()[:-10]))
    with pytest.raises(errors.UserError, match=r"raw(\.gz)?: found 830 .* 840 for"):
        volumes.read_label(path)


@pytest.mark.parametrize("more", [b"", b"line skip: 1\nbyte skip: 3\n"])
def test_what_a_nrrd_says_to_skip_is_no_voxel(tmp_path, more):
    values = making.labels()
    head = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 12 14 5\nencoding: gzip\n"
    (tmp_path / "a.nhdr").write_bytes(head + more + b"data file: a.raw.gz\n")
    before, skipped = (b"one line\n", b"abc") if more else (b"", b"")
    packed = gzip.compress(skipped + values.tobytes())
    (tmp_path / "a.raw.gz").write_bytes(before + packed)
    found = sitk.GetArrayFromImage(volumes.read_label(tmp_path / "a.nhdr"))
    np.testing.assert_array_equal(found, values)


def test_a_whole_stream_of_too_few_voxels_is_named(tmp_path):
    path = making.write(tmp_path / "a.nii", making.labels())
    path.write_bytes(gzip.compress(path.read_bytes()[:-10]))
    path = path.rename(tmp_path / "a.nii.gz")
    # 352 bytes of header and 5 x 14 x 12 voxels of one byte.
    with pytest.raises(errors.UserError, match=r"found 1182 bytes .*expected 1192"):
        volumes.read_label(path)


# ITK itself reads these voxels of a NIfTI file as zeros.
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("read", [volumes.read_image, volumes.read_label])
def test_nan_and_infinite_voxels_of_nifti_are_counted(tmp_path, suffix, kind, read):
    values = making.labels().astype(kind)
    path = making.write(tmp_path / f"a{suffix}", values)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read(path)), values)
    values[0, 0, 0], values[-1, -1, -1], values[2, 3, 4] = np.nan, np.inf, -np.inf
    making.write(path, values)
    with pytest.raises(errors.UserError, match=rf"a\{suffix}: found 3 voxels that are"):
        read(path)


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_nrrd_and_metaimage_converted_from_nifti_are_read(tmp_path, suffix, is_packed):
    """ITK writes fields of NIfTI into them, which are not about these files."""
    rng = np.random.default_rng(0)
    image = making.image_of(rng.normal(size=(5, 9, 7)).astype(np.float32))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")), str(path), is_packed)
    assert b"vox_offset" in path.read_bytes()
    found = sitk.GetArrayFromImage(volumes.read_image(path))
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(image))
    # And they are looked at as what they are.
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(errors.UserError, match=str(path)):
        volumes.read_image(path)


def test_nan_of_another_byte_order_is_found_and_bytes_after_the_voxels_are_not(
    tmp_path,
):
    values = making.intensities()
    values[1, 1, 1] = np.nan
    path = making.write(tmp_path / "a.nii", values)
    content = bytearray(path.read_bytes())
    path.write_bytes(content + b"\xff" * 64)
    with pytest.raises(errors.UserError, match=r"found 1 voxels that are NaN"):
        volumes.read_image(path)
    content[352:] = np.frombuffer(content[352:], "<f4").astype(">f4").tobytes()
    path.write_bytes(_swapped_header(content[:352]) + bytes(content[352:]))
    with pytest.raises(errors.UserError, match=r"found 1 voxels that are NaN"):
        volumes.read_image(path)


def _swapped_header(header):
    """A NIfTI-1 header in the other byte order (fields as nifti1.h lists them)."""
    widths = [(0, 1, 4), (32, 1, 4), (36, 1, 2), (40, 8, 2), (56, 3, 4), (68, 4, 2)]
    widths += [(76, 11, 4), (120, 1, 2), (124, 4, 4), (140, 2, 4), (252, 2, 2)]
    widths += [(256, 18, 4)]
    swapped = bytearray(header)
    for start, count, width in widths:
        field = slice(start, start + count * width)
        swapped[field] = np.frombuffer(header[field], f"<u{width}").byteswap().tobytes()
    return bytes(swapped)


def test_16_bit_and_uncompressed_under_a_compressed_name(tmp_path):
    path = making.write(tmp_path / "a.nii", making.labels().astype(np.int16))
    path = path.rename(tmp_path / "a.nii.gz")
    found = sitk.GetArrayFromImage(volumes.read_label(path))
    np.testing.assert_array_equal(found, making.labels())


@pytest.fixture
def series(tmp_path):
    """Three volumes along a fourth axis, turned in space; the second has a NaN."""
    parts = [making.intensities(k) for k in range(3)]
    parts[1][1, 2, 3] = np.nan
    turned = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    images = [making.image_of(part, direction=turned) for part in parts]
    sitk.WriteImage(sitk.JoinSeries(images), str(tmp_path / "series.nii.gz"))
    return tmp_path / "series.nii.gz", parts, images[0]


@pytest.mark.parametrize("fourth", [0, 2])
def test_one_volume_of_a_series(series, fourth):
    path, parts, image = series
    found = volumes.read_image(path, fourth)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), parts[fourth])
    assert found.GetSize() == image.GetSize()
    np.testing.assert_allclose(found.GetSpacing(), image.GetSpacing())
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin())
    np.testing.assert_allclose(found.GetDirection(), image.GetDirection(), atol=1e-7)


@pytest.mark.parametrize(
    ("fourth", "message"),
    [
        (None, "found 3 images along a fourth axis, expected one"),
        (1, "found 1 voxels that are NaN"),
        (3, "image 3 along the fourth axis .* found 3"),
        (-1, "image -1 along the fourth axis"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(series, fourth, message):
    with pytest.raises(errors.UserError, match=rf"series\.nii\.gz: {message}"):
        volumes.read_image(series[0], fourth)


def test_a_series_that_is_cut_short_is_named_whatever_volume_is_read(series):
    path = series[0].with_suffix("")
    path.write_bytes(gzip.decompress(series[0].read_bytes())[:-10])
    with pytest.raises(errors.UserError, match=r"series\.nii: .*cut short"):
        volumes.read_image(path, 0)


def test_a_volume_is_the_first_of_its_series_and_has_no_second(tmp_path):
    path = making.write(tmp_path / "a.nii.gz", making.intensities())
    found = sitk.GetArrayFromImage(volumes.read_image(path, 0))
    np.testing.assert_array_equal(found, making.intensities())
    with pytest.raises(errors.UserError, match=r"a\.nii\.gz: image 1 along a fourth"):
        volumes.read_image(path, 1)


def test_colours_are_refused(tmp_path):
    colours = sitk.GetImageFromArray(np.zeros((2, 3, 4, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "colours.nrrd"))
    with pytest.raises(errors.UserError, match=r"3 values a voxel"):
        volumes.read_image(tmp_path / "colours.nrrd")


def test_a_header_of_too_many_voxels_is_refused_before_reading(tmp_path):
    (tmp_path / "huge.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 100000 100000 10\n"
        "ElementType = MET_UCHAR\nElementDataFile = huge.raw\n"
    )
    (tmp_path / "huge.raw").write_bytes(b"\0")
    with pytest.raises(errors.UserError, match=r"huge\.mhd: its header says"):
        volumes.read_image(tmp_path / "huge.mhd")


def test_whole_numbers_by_a_slope_are_labels(tmp_path):
    values = making.labels().astype(np.float64)
    path = making.write(tmp_path / "a.mha", values * 1.0000153 - 1e-5)
    found = sitk.GetArrayFromImage(volumes.read_label(path))
    np.testing.assert_array_equal(found, making.labels())


def test_large_values_by_a_slope_are_labels(tmp_path):
    values = 850 * (making.labels() > 0).astype(np.float64)  # As those of MM-WHS.
    path = making.write(tmp_path / "a.mha", values * 1.0000153)
    found = sitk.GetArrayFromImage(volumes.read_label(path))
    np.testing.assert_array_equal(found, values)


def test_odd_label_values_are_listed(tmp_path):
    values = making.labels().astype(np.float32)
    values[0, 0, :4] = [0.5, 0.25, 0.5, 2.002]
    path = making.write(tmp_path / "a.mha", values)
    with pytest.raises(
        whole_numbers.LabelValuesError, match=r"found 0.25, 0.5, 2.002 \(4 voxels\)"
    ) as caught:
        volumes.read_label(path)
    # Worker processes send it so.
    assert pickle.loads(pickle.dumps(caught.value)).found == caught.value.found
