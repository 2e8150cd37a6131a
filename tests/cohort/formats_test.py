"""Files are what their first bytes say, whatever they are called."""

import gzip
import io
import tarfile

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import formats, image_writing, layouts, nifti_headers, volumes
from tests import miniatures
from tests.cohort import making

CAPITALS = (".NII.GZ", ".Nii.gz", ".nii.GZ", ".NII", ".Nii", ".MHA", ".Mha", ".NRRD")
CAPITALS += (".MHD", ".Mhd", ".NHDR")
TURNED = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
# Without the time, since names of tests hold it.
_GZIPPED_NRRD = gzip.compress(b"NRRD0004\n" + bytes(99), mtime=0)


@pytest.mark.parametrize(
    ("name", "is_image", "stem"),
    [
        ("p1.nii.gz", True, "p1"),
        ("p.1.nii", True, "p.1"),
        ("P1.NII.GZ", True, "P1"),
        ("p1.nrrd", True, "p1"),
        ("p1.mha", True, "p1"),
        ("._p1.nii.gz", False, "._p1"),
        ("p1.txt", False, "p1.txt"),
        ("p1.gz", False, "p1.gz"),
    ],
)
def test_names(name, is_image, stem):
    assert formats.has_image_suffix(name) is is_image
    assert formats.strip_suffix(name) == stem


def same(found, image):
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(image)
    )
    for kind in ("Spacing", "Origin", "Direction"):
        values = [getattr(each, f"Get{kind}")() for each in (found, image)]
        np.testing.assert_allclose(*values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("suffix", CAPITALS)
def test_suffixes_in_capitals_are_read_and_written(tmp_path, suffix):
    image = making.image_of(making.labels(), direction=TURNED)
    sitk.WriteImage(image, str(tmp_path / f"a{suffix.lower()}"))
    path = (tmp_path / f"a{suffix.lower()}").rename(tmp_path / f"a{suffix}")
    assert volumes.read_header(path).GetSize() == image.GetSize()
    same(volumes.read_label(path), image)
    image_writing.write_image(image, tmp_path / "out" / f"b{suffix}")
    same(volumes.read_label(tmp_path / "out" / f"b{suffix}"), image)
    assert (tmp_path / "out" / f"b{suffix}").exists()
    assert not list(tmp_path.rglob(".partial*"))


@pytest.mark.parametrize("layout", ["acdc", "decathlon", "mmwhs", "nnunet", "folder"])
@pytest.mark.parametrize("suffix", [".NII.GZ", ".Nii.gz"])
def test_layouts_find_suffixes_in_capitals(tmp_path, layout, suffix):
    root = getattr(miniatures, layout)(tmp_path)
    labels = root.parent / "labels" if layout == "folder" else None
    request = layouts.Request(root, labels)
    before = layouts.find(request).cases
    for path in tmp_path.rglob("*.nii.gz"):
        if not path.name.startswith("."):
            path.rename(path.with_name(path.name.replace(".nii.gz", suffix)))
    after = layouts.find(request).cases
    assert [(c.name, bool(c.label)) for c in after] == [
        (c.name, bool(c.label)) for c in before
    ]
    for case in after:
        for path in filter(None, (case.image, case.label)):
            assert volumes.read_header(path).GetSize()


@pytest.mark.parametrize("content", formats.SUFFIXES[:3] + (".mha",))
@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz", "b.mha", "b.nrrd", "SHA256E-b"])
def test_content_under_another_name_is_read(tmp_path, content, name):
    image = making.image_of(making.intensities(), direction=TURNED)
    sitk.WriteImage(image, str(tmp_path / f"a{content}"))
    path = (tmp_path / f"a{content}").rename(tmp_path / name)
    same(volumes.read_image(path), image)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII.GZ"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2_is_read(tmp_path, name, order):
    values = making.intensities().T
    affine = np.array([[0, -2, 0, 7], [2, 0, 0, -5], [0, 0, 8, 3], [0, 0, 0, 1.0]])
    made = [nibabel.Nifti1Image(values, affine), nibabel.Nifti2Image(values, affine)]
    made[1].header.set_slope_inter(1, 0)
    if order == ">":
        header = made[1].header.as_byteswapped(">")
        made[1] = nibabel.Nifti2Image(values, affine, header)
    (tmp_path / "one.nii").write_bytes(made[0].to_bytes())
    content = made[1].to_bytes()
    packed = name.lower().endswith(".gz")
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    found = volumes.read_image(tmp_path / name)
    same(found, volumes.read_image(tmp_path / "one.nii"))
    assert nifti_headers.conflict(tmp_path / name) is None
    (tmp_path / name).write_bytes(content[:-8])
    with pytest.raises(errors.UserError, match=r"a\.\S+: found .*cut short"):
        volumes.read_image(tmp_path / name)


def test_nifti_2_that_nifti_1_cannot_hold_is_named(tmp_path):
    image = nibabel.Nifti2Image(np.zeros((40000, 1, 1), np.uint8), np.eye(4))
    (tmp_path / "a.nii").write_bytes(image.to_bytes())
    with pytest.raises(errors.UserError, match=r"NIfTI-2, field dim.*40000.*convert"):
        volumes.read_image(tmp_path / "a.nii")


def _tar():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz"):
        pass
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty.*download it again"),
        (b"PK\x03\x04 more", "a zip archive.*unpack it"),
        (_tar(), "compressed with xz.*unpack it"),
        (b"\x89HDF\r\n", "HDF5.*convert it"),
        (bytes(128) + b"DICM" + bytes(400), "it is DICOM.*dcm2niix"),
        (b"\n<!DOCTYPE html><html>404", "a web page.*download it again"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS.*git lfs pull"),
        (b"/annex/objects/SHA256E-s1--ab.nii.gz", "git-annex.*git annex get"),
        (_GZIPPED_NRRD, "gzip, but not NIfTI.*unpack it"),
        (b"\x5c\x01\0\0" + bytes(340) + b"ni1\0", r"separate \.img file.*convert"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha"])
def test_other_contents_are_named_with_the_cure(tmp_path, content, message, name):
    (tmp_path / name).write_bytes(content)
    for read in (volumes.read_header, volumes.read_image):
        with pytest.raises(errors.UserError, match=rf"{name} \(.*{message}"):
            read(tmp_path / name)
    assert nifti_headers.conflict(tmp_path / name) is None
