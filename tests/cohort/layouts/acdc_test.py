import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import cases as case_module
from dscl_tf.cohort import layouts, phantom
from tests import miniatures
from tests.cohort import making

_INFO = "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"


def find(source, layout="auto", **more):
    return making.without_faults(layouts.find(layouts.Request(source, **more), layout))


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
    with pytest.raises(errors.UserError, match=r"testing/patient090.*both exist"):
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
    with pytest.raises(errors.UserError, match=f"patient001: .*Info.cfg: {message}"):
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


def test_one_patient_means_the_dataset_around_it(acdc, caplog):
    caplog.set_level("INFO")
    cases = find(acdc / "training" / "patient090").cases
    assert [case.subject for case in cases] == ["patient001", "patient090"]
    assert f"taken from {acdc / 'training'}, not from" in caplog.text


def test_every_bad_patient_is_named_at_once(acdc):
    (acdc / "training" / "patient001" / "Info.cfg").write_text("")
    (acdc / "training" / "patient090" / "Info.cfg").write_text("ED: 3\n")
    with pytest.raises(errors.UserError, match=r"(?s)patient001: .*patient090: "):
        find(acdc)


def test_ed_and_es_of_one_frame_are_refused(acdc):
    (acdc / "training" / "patient001" / "Info.cfg").write_text("ED: 1\nES: 1\n")
    with pytest.raises(errors.UserError, match=r"ED and ES are both frame 1"):
        find(acdc, acdc_frames="both")
    assert len(find(acdc, acdc_frames="ED").cases) == 2


def test_a_long_number_is_no_frame(acdc):
    path = acdc / "training" / "patient001" / "Info.cfg"
    path.write_text(f"ED: {'9' * 5000}\n")
    with pytest.raises(errors.UserError, match=r"field ED must be a frame number"):
        find(acdc)


def test_the_end_of_a_huge_info_cfg_is_not_read(acdc):
    path = acdc / "training" / "patient001" / "Info.cfg"
    path.write_text("ED: 1\n" + "x" * 70_000 + "\nED: 2\n")
    assert find(acdc).cases[0].name == "patient001_frame01"


@pytest.fixture
def cine(tmp_path):
    return miniatures.acdc(tmp_path, training=(2, 90), testing=(), num_frames=12)


def test_all_frames_are_both_and_the_others_unlabelled(cine):
    cases = [
        c for c in find(cine, acdc_frames="all").cases if c.subject != "patient002"
    ]
    assert [(c.frame, c.name, c.fourth) for c in cases[:2]] == [
        ("ED", "patient090_frame11", None),
        ("ES", "patient090_frame04", None),
    ]
    others = [1, 2, 3, 5, 6, 7, 8, 9, 10, 12]
    assert [c.name for c in cases[2:]] == [f"patient090_frame{n:02d}" for n in others]
    assert [c.fourth for c in cases[2:]] == [n - 1 for n in others]
    assert all(c.image.name == "patient090_4d.nii.gz" for c in cases[2:])
    assert [c.label is not None for c in cases] == [True, True] + 10 * [False]


def test_a_frame_of_the_4d_file_has_its_own_voxels_where_its_neighbours_are(cine):
    dataset = find(cine, acdc_frames="all")
    by_name = {case.name: case for case in dataset.cases}
    fifth = case_module.read_images(by_name["patient090_frame05"])[0]
    fourth = case_module.read_images(by_name["patient090_frame04"])[0]
    # The miniature's frames differ from their neighbours by one.
    assert set(np.unique(sitk.GetArrayFromImage(fifth - fourth))) == {1}
    assert fifth.GetSpacing() == fourth.GetSpacing()
    assert fifth.GetDirection() == fourth.GetDirection()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "patient002_4d.nii.gz, which does not exist"),
        (
            lambda path: path.write_bytes(
                path.with_name("patient002_frame01.nii.gz").read_bytes()
            ),
            r"size 20x24x6, expected four axes with 12 \(see Info.cfg\)",
        ),
        (lambda path: path.write_bytes(b""), r"Cannot read .*patient002_4d"),
    ],
)
def test_a_bad_4d_file_is_named_when_its_frames_are_wanted(cine, spoil, message):
    spoil(cine / "database" / "training" / "patient002" / "patient002_4d.nii.gz")
    assert len(find(cine, acdc_frames="both").cases) == 4
    with pytest.raises(errors.UserError, match=message):
        find(cine, acdc_frames="all")
