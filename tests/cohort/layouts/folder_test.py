import pytest

from dscl_tf import errors
from dscl_tf.cohort import layouts
from tests import dicom_making, miniatures
from tests.cohort import making


def find(source, layout="auto", **more):
    return making.without_faults(layouts.find(layouts.Request(source, **more), layout))


@pytest.fixture
def plain(tmp_path):
    """Three images; labels of two of them in a folder beside."""
    for name in ("p2.nii.gz", "p10.nrrd", "p1.nii"):
        making.write(tmp_path / "images" / name, making.intensities())
    for name in ("p1.nii.gz", "p10.nii.gz", "._p1.nii.gz"):
        making.write(tmp_path / "labels" / name, making.labels())
    (tmp_path / "images" / "._p2.nii.gz").touch()
    (tmp_path / "images" / "notes.txt").touch()
    (tmp_path / "images" / "more").mkdir()
    return tmp_path


def test_plain_folder(plain):
    dataset = find(plain / "images")
    assert dataset.format == "folder" and dataset.label_names is None
    assert [case.name for case in dataset.cases] == ["p1", "p10", "p2"]
    assert [case.image.name for case in dataset.cases] == [
        "p1.nii",
        "p10.nrrd",
        "p2.nii.gz",
    ]
    assert all(c.subject == c.name and c.label is None for c in dataset.cases)


def test_labels_beside_that_are_not_asked_for_are_told(plain):
    (told,) = layouts.find(layouts.Request(plain / "images")).faults
    assert told.severity == "warning" and told.file == str(plain / "labels")
    assert told.found == "2 volumes of the images' names"
    assert f"give --labels={plain / 'labels'}" in told.cure
    asked = layouts.Request(plain / "images", labels=plain / "labels")
    assert not layouts.find(asked).faults
    # The two folders together are a dataset.
    assert not layouts.find(layouts.Request(plain)).faults


def test_labels_of_the_same_names(plain):
    cases = find(plain / "images", labels=plain / "labels").cases
    found = {case.name: case.label and case.label.name for case in cases}
    assert found == {"p1": "p1.nii.gz", "p10": "p10.nii.gz", "p2": None}


def test_a_label_without_image_is_refused(plain):
    making.write(plain / "labels" / "p3.nii.gz", making.labels())
    with pytest.raises(errors.UserError, match=r"p3\.nii\.gz: image: .* without one"):
        find(plain / "images", labels=plain / "labels")


def test_no_labels_or_no_folder_of_them_is_refused(plain):
    (plain / "empty").mkdir()
    with pytest.raises(errors.UserError, match=r"--labels=.*empty.*0 labels"):
        find(plain / "images", labels=plain / "empty")
    with pytest.raises(errors.UserError, match=r"--labels=.*typo is not a folder"):
        find(plain / "images", labels=plain / "typo")


def test_two_files_of_one_name_are_refused(plain):
    making.write(plain / "images" / "p1.nrrd", making.intensities())
    with pytest.raises(errors.UserError, match=r"two volumes called 'p1'"):
        find(plain / "images")


@pytest.mark.parametrize(
    "end", ["_seg", "-seg", ".seg", "_label", "_labels", "_Mask", "_gt", "-GT"]
)
def test_labels_beside_their_images_are_said(plain, end):
    for name in ("p1", "p2"):
        making.write(plain / f"images/{name}{end}.nrrd", making.labels())
    (fault,) = find(plain / "images", labels=plain / "labels").faults
    assert not fault.is_error and fault.case == ""
    assert fault.found == f"p1{end}, p2{end}, treated as images"
    assert "image (p1), and give that folder as --labels" in fault.cure


def test_names_that_end_like_labels_alone_are_images(plain):
    for name in ("p7_seg", "mask", "p1_segmented", "p1seg"):
        making.write(plain / f"images/{name}.nrrd", making.intensities())
    assert find(plain / "images", labels=plain / "labels").faults == ()


def test_what_is_no_dataset_is_named(plain):
    with pytest.raises(errors.UserError, match=r"--source=.*typo does not exist"):
        find(plain / "typo")
    with pytest.raises(errors.UserError, match=r"notes.txt is a file"):
        find(plain / "images" / "notes.txt")
    (plain / "empty").mkdir()
    with pytest.raises(errors.UserError, match=r"known layout. Found there: nothing"):
        find(plain / "empty")


def test_images_and_labels_in_one_folder_are_found_from_it(plain, caplog):
    caplog.set_level("INFO")
    cases = find(plain).cases
    found = {case.name: case.label and case.label.name for case in cases}
    assert found == {"p1": "p1.nii.gz", "p10": "p10.nii.gz", "p2": None}
    assert "volumes in images/ and labels/" in caplog.text


def test_one_folder_below_is_found(plain):
    (plain / "top").mkdir()
    (plain / "images").rename(plain / "top" / "scans")
    dataset = find(plain / "top")
    assert dataset.root == plain / "top" / "scans" and len(dataset.cases) == 3


def test_several_folders_below_are_named(plain):
    (plain / "images").rename(plain / "site1")
    (plain / "labels").rename(plain / "site2")
    with pytest.raises(errors.UserError, match=r"2 datasets in it: .*site1.*site2"):
        find(plain)


def test_a_folder_of_a_dataset_is_plain_when_labels_are_named(tmp_path):
    base = miniatures.decathlon(tmp_path)
    dataset = find(base / "imagesTr", labels=base / "labelsTr")
    assert dataset.format == "folder"
    assert [c.label is not None for c in dataset.cases] == 3 * [True]


def test_labels_in_the_folder_of_the_images_are_taken(plain):
    (plain / "labels").rename(plain / "images" / "labels")
    dataset = find(plain / "images")
    assert dataset.labels == plain / "images" / "labels"
    found = {case.name: case.label and case.label.name for case in dataset.cases}
    assert found == {"p1": "p1.nii.gz", "p10": "p10.nii.gz", "p2": None}


def test_dicom_beside_the_volumes_is_said(plain):
    values = miniatures.subject(0)[0].astype(int)
    dicom_making.write_series(plain / "images" / "more" / "scan", values)
    dataset = find(plain / "images")
    _, fault = dataset.faults  # The first one is of the labels beside.
    assert dataset.format == "folder" and len(dataset.cases) == 3
    assert not fault.is_error and "DICOM files such as more/scan/" in fault.found
    assert "--format=dicom" in fault.cure
    (of_labels,) = find(plain / "images", "folder").faults
    assert of_labels.field == "labels"


def test_volumes_of_other_formats_are_rows(plain):
    for name in ("images/p3.hdr", "images/p3.img", "labels/p2.mgz"):
        (plain / name).touch()
    request = layouts.Request(plain / "images", labels=plain / "labels")
    rows = layouts.find(request).faults
    assert [(row.file, row.found) for row in rows] == [
        (str(plain / "images"), "2 files such as p3.hdr"),
        (str(plain / "labels"), "1 files such as p2.mgz"),
    ]
    assert not any(row.is_error for row in rows)
