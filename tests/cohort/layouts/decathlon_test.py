import json
import os

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import cases, layouts
from tests import miniatures
from tests.cohort import making


def find(source, layout="auto", **more):
    return making.without_faults(layouts.find(layouts.Request(source, **more), layout))


@pytest.fixture
def task(tmp_path):
    return miniatures.decathlon(tmp_path)


def edit(task, **changes):
    miniatures.edit_json(task / "dataset.json", **changes)


def training(task):
    return json.loads((task / "dataset.json").read_text())["training"]


def test_what_dataset_json_lists(task, caplog):
    caplog.set_level("INFO")
    dataset = find(task)
    assert dataset.format == "decathlon"
    assert dataset.label_names == ("background", "PZ", "TZ")
    assert dataset.label_values is None
    names = ["prostate_00", "prostate_01", "prostate_02", "prostate_03"]
    assert [case.name for case in dataset.cases] == names
    assert [case.subject for case in dataset.cases] == names
    assert [case.label is not None for case in dataset.cases] == [True] * 3 + [False]
    assert dataset.cases[3].image == task / "imagesTs" / "prostate_03.nii.gz"
    assert "the layout is decathlon, since dataset.json lists its files" in caplog.text


@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_that_is_asked_for(task, channel):
    case = find(task, channel=channel).cases[1]
    t2, _ = miniatures.subject(1, num_structures=2)
    found = cases.read_images(case)[0]
    # The file is in RAS; the miniature's array in LPS.
    values = sitk.GetArrayFromImage(sitk.DICOMOrient(found, "LPS"))
    np.testing.assert_array_equal(values, [t2, 1000 - t2][channel])


def test_a_channel_too_many_is_refused(task):
    with pytest.raises(errors.UserError, match=r"channels 0 \(T2\), 1 \(ADC\)"):
        find(task, channel=2)


def test_a_task_of_one_channel_has_3d_files(tmp_path):
    task = miniatures.decathlon(tmp_path)
    edit(task, modality={"0": "CT"})
    assert [case.fourth for case in find(task).cases] == [None] * 4
    with pytest.raises(errors.UserError, match=r"2 images along a fourth axis"):
        cases.read_images(find(task).cases[0])[0]


@pytest.mark.parametrize("part", ["imagesTr", "labelsTr", "imagesTs"])
def test_a_root_too_low_is_found(task, part):
    dataset = find(task / part)
    assert (dataset.root, len(dataset.cases)) == (task, 4)


def test_a_root_too_high_is_found_unless_it_has_two(task, tmp_path):
    assert find(tmp_path).root == task
    (tmp_path / "Task02").mkdir()
    (tmp_path / "Task02" / "dataset.json").write_bytes(
        (task / "dataset.json").read_bytes()
    )
    with pytest.raises(errors.UserError, match=r"2 datasets.*Task02 .*Task05_Prostate"):
        find(tmp_path)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.nii.gz", "imagesTr/../../a.nii.gz", "C:\\a.nii",
             "..\\a.nii.gz"]
)  # fmt: skip
@pytest.mark.parametrize("field", ["image", "label", "test"])
def test_paths_that_leave_the_dataset_are_refused(task, tmp_path, path, field):
    (tmp_path / "secret.nii.gz").touch()
    if field == "test":
        edit(task, test=[path])
        where = r"test\[0\]"
    else:
        edit(task, training=[{**training(task)[0], field: path}])
        where = r"training\[0\]"
    with pytest.raises(errors.UserError, match=where + r": found .* that stays in"):
        find(task)


def test_links_that_leave_the_dataset_are_refused(task, tmp_path):
    outside = tmp_path / "secret.nii.gz"
    (task / "imagesTr" / "prostate_01.nii.gz").rename(outside)
    os.symlink(outside, task / "imagesTr" / "prostate_01.nii.gz")
    with pytest.raises(errors.UserError, match=r"training\[1\].* a link that leaves"):
        find(task)
    (task / "imagesTr" / "prostate_01.nii.gz").unlink()
    os.symlink(outside, task / "imagesTr" / "prostate_01.nii")
    with pytest.raises(errors.UserError, match=r"training\[1\].* a link that leaves"):
        find(task)


def test_links_within_the_dataset_are_followed(task):
    path = task / "imagesTr" / "prostate_01.nii.gz"
    path.rename(task / "moved.nii.gz")
    os.symlink("../moved.nii.gz", path)
    assert len(find(task).cases) == 4


def test_every_missing_file_is_named(task):
    (task / "imagesTr" / "prostate_00.nii.gz").unlink()
    (task / "labelsTr" / "prostate_02.nii.gz").unlink()
    with pytest.raises(errors.UserError) as error:
        find(task)
    assert "training[0]: found nothing at " in str(error.value)
    assert "imagesTr/prostate_00.nii.gz" in str(error.value)
    assert "labelsTr/prostate_02.nii.gz" in str(error.value)


def test_a_file_that_was_unpacked_on_the_way_is_found(task):
    path = task / "imagesTr" / "prostate_00.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(path)), str(path.with_suffix("")))
    path.unlink()
    case = find(task).cases[0]
    assert (case.name, case.image.name) == ("prostate_00", "prostate_00.nii")


def test_hidden_names_are_left_out(task):
    entry = {"image": "./imagesTr/._a.nii.gz", "label": "./labelsTr/._a.nii.gz"}
    edit(task, training=[entry, *training(task)])
    assert find(task).cases[0].name == "prostate_00"


def test_one_subject_twice_is_refused(task):
    edit(task, training=training(task) + training(task)[1:2])
    with pytest.raises(errors.UserError, match=r"prostate_01 occurs twice"):
        find(task)


def test_voxel_values_with_gaps_become_classes(task):
    edit(task, labels={"0": "background", "1": "edema", "4": "enhancing"})
    dataset = find(task)
    assert dataset.label_names == ("background", "edema", "enhancing")
    assert dataset.label_values == {0: 0, 1: 1, 4: 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training": None, "modality": None},
            "expected modality, labels",
        ),
        ({"training": None}, "field training: found nothing, expected a list"),
        ({"training": {}}, "field training: found {}, expected a list"),
        ({"training": [], "test": []}, "training and test list no file"),
        ({"training": [3]}, r"training\[0\]: found 3, expected an image and a label"),
        ({"training": [{"image": "a"}]}, r"training\[0\]: .*expected an image and a"),
        ({"training": [{"image": "", "label": ""}]}, r"training\[0\]: found ''"),
        ({"training": [{"image": [], "label": 1}]}, r"training\[0\]: found \[\]"),
        ({"test": "imagesTs"}, "field test: found 'imagesTs', expected a list"),
        ({"test": ["a\0b"]}, r"test\[0\]: found nothing at"),
        ({"test": ["x" * 5000]}, r"test\[0\]: found nothing at"),
        ({"test": ["\ud800.nii"]}, r"test\[0\]: found nothing at"),
        ({"modality": None}, "field modality: found nothing, expected an object"),
        ({"modality": {}}, "field modality: found the keys"),
        ({"modality": {"1": "T2"}}, "field modality: found the keys"),
        ({"labels": None}, "field labels: found nothing"),
        ({"labels": {}}, "expected 1 to 255 different names"),
        ({"labels": {"0": "background"}}, "expected 1 to 255 different names"),
        ({"labels": {"0": "a", "1": "a"}}, "expected 1 to 255 different names"),
        ({"labels": {"0": "a", "1": ""}}, "expected 1 to 255 different names"),
        ({"labels": {"-1": "a"}}, "expected names by voxel value"),
        ({"labels": {"PZ": 1}}, "expected names by voxel value"),
        ({"labels": {"1": 1}}, "expected names by voxel value"),
    ],
)
def test_a_bad_dataset_json_is_named(task, changes, message):
    edit(task, **changes)
    with pytest.raises(errors.UserError, match=rf"dataset\.json: .*{message}"):
        find(task)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "found the fields none, expected modality"),
        ("[" * 10**5, "Cannot read|not valid JSON"),
        ("\udcff", "Cannot read"),
    ],
)
def test_an_empty_or_broken_dataset_json_is_named(task, text, message):
    (task / "dataset.json").write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(errors.UserError, match=message) as error:
        find(task)
    assert "dataset.json" in str(error.value)
    assert find(task / "imagesTs", "folder").format == "folder"


def test_nnunets_first_format_is_read_by_channel(task):
    for path in task.glob("images*/prostate_*"):
        for channel in range(2):
            name = path.name.replace(".nii.gz", f"_{channel:04d}.nii.gz")
            path.with_name(name).write_bytes(path.read_bytes())
        path.unlink()
    case = find(task, channel=1).cases[0]
    assert (case.name, case.fourth) == ("prostate_00", None)
    assert case.image.name == "prostate_00_0001.nii.gz"
