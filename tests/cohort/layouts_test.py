import pytest

from dscl_tf import errors
from dscl_tf.cohort import layouts, phantom
from tests.cohort import making

_INFO = "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"


def find(source, layout="auto", **more):
    return layouts.find(layouts.Request(source, **more), layout)


@pytest.fixture
def acdc(tmp_path):
    """Two patients; the second as patient090 of ACDC, whose ED is frame 4 or 11."""
    training = tmp_path / "acdc" / "training"
    making.acdc_patient(training / "patient001", (1, 12), _INFO)
    info = "ED: 11\nES: 4\nGroup: MINF\nNbFrame: 12\n"
    making.acdc_patient(training / "patient090", (4, 11), info)
    (training / "patient001" / "patient001_4d.nii.gz").touch()
    (training / "MANDATORY_CITATION.md").touch()
    (training / "._patient001").mkdir()
    (training / "._patient001" / "Info.cfg").touch()
    return training.parent


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        ("ED", ["patient001_frame01", "patient090_frame11"]),
        ("ES", ["patient001_frame12", "patient090_frame04"]),
    ],
)
def test_frames_are_those_of_info_cfg(acdc, frames, names):
    dataset = find(acdc, acdc_frames=frames)
    assert dataset.format == "acdc"
    assert dataset.label_names == ("background", "RV", "MYO", "LV")
    assert [case.name for case in dataset.cases] == names
    assert [case.subject for case in dataset.cases] == ["patient001", "patient090"]
    for case in dataset.cases:
        assert case.frame == frames
        assert case.image.name == f"{case.name}.nii.gz"
        assert case.label.name == f"{case.name}_gt.nii.gz"


def test_both_frames_share_their_subject(acdc):
    cases = find(acdc, acdc_frames="both").cases
    assert [(case.name, case.frame) for case in cases[2:]] == [
        ("patient090_frame11", "ED"),
        ("patient090_frame04", "ES"),
    ]
    assert [case.subject for case in cases] == ["patient001"] * 2 + ["patient090"] * 2


@pytest.mark.parametrize("level", ["", "database", "training", "testing", "above"])
def test_patients_are_found_at_each_level(acdc, tmp_path, level):
    here = acdc / "training"
    if level == "above":
        (tmp_path / "top" / "database").mkdir(parents=True)
        here.rename(tmp_path / "top" / "database" / "training")
        source = tmp_path / "top"
    elif level:
        source = tmp_path / "top"
        source.mkdir()
        here.rename(source / level)
    else:
        source = here
    assert [c.subject for c in find(source).cases] == ["patient001", "patient090"]


def test_training_and_testing_are_taken_together(acdc):
    info = "ED: 1\nES: 9\n"
    making.acdc_patient(acdc / "testing" / "patient101", (1, 9), info, labelled=False)
    cases = find(acdc).cases
    assert [case.subject for case in cases] == [
        "patient001",
        "patient090",
        "patient101",
    ]
    assert cases[2].label is None and cases[1].label is not None


def test_the_phantom_is_read_as_acdc(tmp_path):
    root = phantom.write_cohort(phantom.PhantomConfig(str(tmp_path / "raw"), 1, 3, 1))
    (case,) = find(root).cases
    assert (case.subject, case.frame) == ("patient001", "ED")
    assert case.label.name == "patient001_frame01_gt.nii.gz"


def test_uncompressed_frames_are_found(tmp_path):
    folder = tmp_path / "patient001"
    making.write(folder / "patient001_frame01.nii", making.intensities())
    (folder / "Info.cfg").write_text(_INFO)
    assert find(tmp_path).cases[0].image.name == "patient001_frame01.nii"


def test_a_patient_that_is_there_twice_is_refused(acdc):
    making.acdc_patient(acdc / "testing" / "patient090", (1,), "ED: 1\nES: 1\n")
    with pytest.raises(errors.UserError, match=r"testing/patient090.*both there"):
        find(acdc)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ("", "field ED must be a frame number from 1, found ''"),
        ("ED: first\n", "field ED .* found 'first'"),
        ("ED: 0\n", "field ED .* found '0'"),
        ("ED: -1\n", "field ED .* found '-1'"),
        ("ED: \u00b2\n", "field ED .* found '\u00b2'"),
        ("ED: 1.0\n", "field ED .* found '1.0'"),
        ("ES: 1\n", "field ED .* found ''"),
        ("ED: 7\n", "ED is frame 7, but there is no patient001_frame07.nii.gz"),
    ],
)
def test_bad_info_cfg_is_named(acdc, info, message):
    path = acdc / "training" / "patient001" / "Info.cfg"
    path.write_text(info, encoding="utf-8")
    with pytest.raises(errors.UserError, match=f"patient001/Info.cfg: {message}"):
        find(acdc)


def test_info_cfg_as_editors_leave_it(acdc):
    path = acdc / "training" / "patient001" / "Info.cfg"
    path.write_bytes(b"  ES : 1\r\nED :12 \r\nnote: a:b \xff\r\n\r\n")
    assert find(acdc).cases[0].name == "patient001_frame12"


def test_format_acdc_of_another_folder_is_refused(tmp_path):
    making.write(tmp_path / "a.nii.gz", making.intensities())
    with pytest.raises(errors.UserError, match=r"not in the layout acdc. Found .*: a"):
        find(tmp_path, "acdc")


def test_labels_folder_is_not_for_acdc(acdc):
    with pytest.raises(errors.UserError, match=r"leave --labels out"):
        find(acdc, labels=acdc)


@pytest.fixture
def plain(tmp_path):
    """Three images; labels of two of them in a folder beside."""
    for name in ("p2.nii.gz", "p10.nrrd", "p1.nii"):
        making.write(tmp_path / "images" / name, making.intensities())
    for name in ("p1.nii.gz", "p10.nii.gz", "._p1.nii.gz"):
        making.write(tmp_path / "labels" / name, making.labels())
    (tmp_path / "images" / "._p2.nii.gz").touch()
    (tmp_path / "images" / "notes.txt").touch()
    (tmp_path / "images" / "more.nii.gz").mkdir()
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


def test_labels_of_the_same_names(plain):
    cases = find(plain / "images", labels=plain / "labels").cases
    found = {case.name: case.label and case.label.name for case in cases}
    assert found == {"p1": "p1.nii.gz", "p10": "p10.nii.gz", "p2": None}


def test_a_label_without_image_is_refused(plain):
    making.write(plain / "labels" / "p3.nii.gz", making.labels())
    with pytest.raises(errors.UserError, match=r"without one: p3 \(3 labels"):
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


def test_what_is_no_dataset_is_named(plain):
    with pytest.raises(errors.UserError, match=r"--source=.*typo does not exist"):
        find(plain / "typo")
    with pytest.raises(errors.UserError, match=r"notes.txt is a file"):
        find(plain / "images" / "notes.txt")
    (plain / "empty").mkdir()
    with pytest.raises(errors.UserError, match=r"known layout. Found there: nothing"):
        find(plain / "empty")
