import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import image_writing, layouts, nifti_headers, volumes
from tests import miniatures
from tests.cohort import making


@pytest.fixture(params=["a.nii", "a.nii.gz"])
def path(request, tmp_path):
    return making.write(tmp_path / request.param, making.intensities())


@pytest.mark.parametrize("order", ["LPS", "RAS", "PIR", "ASL", "SRA", "ILP", "RIP"])
def test_what_simpleitk_writes_is_consistent(tmp_path, order):
    image = miniatures.volume(making.intensities(), order=order)
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    assert nifti_headers.conflict(tmp_path / "a.nii.gz") is None


def test_an_oblique_volume_is_consistent(tmp_path):
    rotation = sitk.VersorTransform((0.36, 0.48, 0.8), 0.7).GetMatrix()
    image = making.image_of(making.intensities(), direction=rotation)
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    assert nifti_headers.conflict(tmp_path / "a.nii") is None


# The image has 2 x 2 x 8 mm, LPS axes, and its first voxel at (-10, 20, 3): in NIfTI's
# RAS at (10, -20, 3).
@pytest.mark.parametrize(
    ("rows", "codes", "expected"),
    [
        ([-1, 0, 0, 10, 0, -1, 0, -20, 0, 0, 1, 3], (1, 1), "scale is not the voxel"),
        ([-2, 0, 0, 10, 0, -2, 0, -20, 0, 0, 8, 3], (1, 1), None),
        ([2, 0, 0, 10, 0, -2, 0, -20, 0, 0, 8, 3], (1, 1), "differ in direction"),
        ([-2, 0, 0, 11, 0, -2, 0, -20, 0, 0, 8, 3], (1, 1), "differ in origin"),
        ([-2, 0, 0, np.nan, 0, -2, 0, -20, 0, 0, 8, 3], (1, 1), "differ in origin"),
        ([0] * 12, (1, 1), "scale is not the voxel"),
        ([2, 0, 0, 11, 0, -2, 0, -20, 0, 0, 8, 3], (0, 1), None),
        ([-1, 0, 0, 10, 0, -1, 0, -20, 0, 0, 1, 3], (1, 0), None),
    ],
)
def test_conflicts(path, rows, codes, expected):
    miniatures.set_sform(path, rows, codes)
    found = nifti_headers.conflict(path)
    assert found is None if expected is None else expected in found


@pytest.mark.parametrize("start", [0, -5, 4, np.nan, np.inf, 3e9])
def test_a_start_of_the_voxels_that_cannot_be_is_a_fault(tmp_path, start):
    path = making.write(tmp_path / "a.nii", making.intensities())
    assert nifti_headers.fault(path) is None
    content = bytearray(path.read_bytes())
    content[108:112] = struct.pack("<f", start)
    path.write_bytes(content)
    what, cure = nifti_headers.fault(path)
    assert what.startswith("field vox_offset: found") and "expected 352 or more" in what
    assert cure == "save the original again"


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"x" * 400, None])
def test_what_is_no_nifti_has_no_conflict(tmp_path, content):
    if content is not None:
        (tmp_path / "a.nii.gz").write_bytes(content)
    assert nifti_headers.conflict(tmp_path / "a.nii.gz") is None
    assert nifti_headers.conflict(tmp_path / "a.nrrd") is None


def test_acdcs_headers_are_said_once_for_all_files(tmp_path, caplog, capfd):
    dataset = layouts.find(layouts.Request(miniatures.acdc(tmp_path)))
    (said,) = [r for r in caplog.records if r.levelname == "WARNING"]
    # Three patients with a label, one without.
    assert "In 7 of 7 files the header contradicts itself" in said.getMessage()
    for case in dataset.cases:
        image = volumes.read_image(case.image)
        assert image.GetSpacing() == pytest.approx((1.5, 1.5, 8))
    assert "sform" not in capfd.readouterr().err


def test_good_headers_are_not_spoken_of(tmp_path, caplog):
    layouts.find(layouts.Request(miniatures.mmwhs(tmp_path)))
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("byte", "value", "message"),
    [
        (40, 0, r"field dim: found \(0, 12, 14, 5"),
        (40, 8, r"field dim: found \(8, 12"),
        (40, -3, r"field dim: found \(-3, 12"),
        (42, 0, r"field dim: found \(3, 0, 14"),
        (42, -12, r"field dim: found \(3, -12, 14"),
        (70, 0, "field datatype: found 0"),
        (70, 1, "field datatype: found 1"),
        (70, 77, "field datatype: found 77"),
        (0, 0, "field sizeof_hdr: found 0, expected 348"),
        (282, 0x7FC0, "sform: found numbers that are NaN"),
        (258, 0x7FC0, "qform: found numbers that are NaN"),
    ],
)
def test_a_header_of_no_image_is_named_and_nothing_printed(
    path, byte, value, message, capfd
):
    assert nifti_headers.fault(path) is None
    miniatures.change_header(
        path, lambda head: struct.pack_into("<h", head, byte, value)
    )
    with pytest.raises(errors.UserError, match=rf"a\.nii.*{message}"):
        volumes.read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size_mm", [0, -2, np.nan, np.inf])
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_voxel_sizes_of_no_size_are_refused(path, axis, size_mm, codes):
    def edit(head):
        struct.pack_into("<f", head, 80 + 4 * axis, size_mm)
        struct.pack_into("<2h", head, 252, *codes)

    miniatures.change_header(path, edit)
    message = rf"a\.nii.*field pixdim: found voxels of .*{size_mm}.* correct the header"
    for read in (volumes.read_header, volumes.read_image):
        with pytest.raises(errors.UserError, match=message):
            read(path)


def test_a_time_step_of_0_is_none_of_a_voxel(path):
    miniatures.change_header(path, lambda head: struct.pack_into("<f", head, 92, 0))
    assert volumes.read_image(path).GetSpacing() == (2, 2, 8)


def test_sheared_axes_of_nifti_are_refused_by_name(path):
    miniatures.shear(path)
    message = r"a\.nii.*orthonormal.*not at right angles; re-save.*volume of one slice"
    with pytest.raises(errors.UserError, match=message):
        volumes.read_image(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_sheared_axes_of_other_formats_are_refused_by_name(tmp_path, suffix):
    sheared = [[1, 0.2, 0], [0, 1, 0], [0, 0, 1]]
    path = making.write(
        tmp_path / f"a{suffix}", making.intensities(), direction=sheared
    )
    with pytest.raises(errors.UserError, match=r"a\..*not at right angles; re-save"):
        volumes.read_image(path)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (1, 4), (0, 0)])
@pytest.mark.parametrize(
    ("unit", "in_mm"), [("mm", 1), ("meter", 1000), ("micron", 0.001), ("unknown", 1)]
)
def test_a_mask_lies_on_its_scan_in_any_unit(path, unit, in_mm, codes):
    scan = nibabel.load(path)
    header, pixels = scan.header.copy(), np.asarray(scan.dataobj)
    affine = np.diag([1 / in_mm] * 3 + [1]) @ scan.affine
    header.set_xyzt_units(unit, "msec")
    header["pixdim"][1:4] /= in_mm
    header.set_qform(affine, codes[0])
    header.set_sform(affine, codes[1])
    nibabel.save(nibabel.Nifti1Image(pixels, None, header), path)
    target = path.with_name(f"mask_{path.name}")
    image = volumes.read_image(path)
    mask = sitk.Cast(image > 0, sitk.sitkUInt8)
    image_writing.write_image(mask, target, path)
    scan, found = nibabel.load(path), nibabel.load(target)
    np.testing.assert_array_equal(found.affine, scan.affine)
    np.testing.assert_array_equal(found.header["pixdim"][:4], scan.header["pixdim"][:4])
    assert found.header.get_xyzt_units() == (unit, "sec")
    written = sitk.ReadImage(str(target))
    np.testing.assert_allclose(written.GetSpacing(), (2, 2, 8), rtol=1e-6)
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(written, get)() == getattr(image, get)(), get


def test_a_flat_scan_without_a_third_size_leaves_the_masks_own(tmp_path):
    scan, target = tmp_path / "a.nii", tmp_path / "mask.nii"
    flat = sitk.GetImageFromArray(making.intensities()[0])
    sitk.WriteImage(flat, str(scan))
    miniatures.change_header(scan, lambda head: struct.pack_into("<f", head, 88, 0))
    mask = sitk.JoinSeries([sitk.Cast(flat > 0, sitk.sitkUInt8)], 0.0, 5.0)
    image_writing.write_image(mask, target, scan)
    assert sitk.ReadImage(str(target)).GetSpacing() == (1, 1, 5)
