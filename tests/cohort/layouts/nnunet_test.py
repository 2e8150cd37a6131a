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
def base(tmp_path):
    return miniatures.nnunet(tmp_path)


def edit(base, **changes):
    miniatures.edit_json(base / "dataset.json", **changes)


@pytest.mark.parametrize("channel", [0, 1])
def test_cases_and_their_channel(base, channel, caplog):
    caplog.set_level("INFO")
    dataset = find(base, channel=channel)
    assert dataset.format == "nnunet"
    assert dataset.label_names == ("background", "PZ", "TZ")
    names = [f"prostate_{number:03d}" for number in (1, 2, 3, 4)]
    assert [case.name for case in dataset.cases] == names
    assert [case.label is not None for case in dataset.cases] == [True] * 3 + [False]
    assert dataset.cases[0].label.name == "prostate_001.nii.gz"
    t2, _ = miniatures.subject(1, num_structures=2)
    values = sitk.GetArrayFromImage(cases.read_images(dataset.cases[0])[0])
    np.testing.assert_array_equal(values, [t2, 1000 - t2][channel])
    assert "the layout is nnunet, since dataset.json has channel_names" in caplog.text


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii"])
def test_other_file_endings(tmp_path, suffix):
    base = miniatures.nnunet(tmp_path, suffix=suffix)
    dataset = find(base)
    assert len(dataset.cases) == 4
    assert dataset.cases[0].image.name == f"prostate_001_0000{suffix}"
    assert dataset.cases[0].label.name == f"prostate_001{suffix}"


@pytest.mark.parametrize("part", ["imagesTr", "labelsTr", "imagesTs", "..", "../.."])
def test_a_root_too_low_or_too_high_is_found(base, part):
    if part == "../..":  # Two levels are one too many.
        with pytest.raises(errors.UserError, match=r"not in any known layout"):
            find(base / part)
        return
    dataset = find(base / part)
    assert dataset.root.resolve() == base and len(dataset.cases) == 4


def test_labels_of_the_test_cases_are_used_where_they_are(base):
    (base / "labelsTs").mkdir()
    (base / "labelsTr" / "prostate_003.nii.gz").rename(
        base / "labelsTs" / "prostate_004.nii.gz"
    )
    found = {case.name[-3:]: case.label is not None for case in find(base).cases}
    assert found == {"001": True, "002": True, "003": False, "004": True}


def test_a_missing_channel_is_named(base):
    (base / "imagesTr" / "prostate_002_0001.nii.gz").unlink()
    assert len(find(base).cases) == 4
    with pytest.raises(errors.UserError, match=r"002_0001.nii.gz: file: .* channels"):
        find(base, channel=1)


def test_a_missing_image_is_told_by_its_label_and_by_the_count(base):
    for path in (base / "imagesTr").glob("prostate_002_*"):
        path.unlink()
    with pytest.raises(errors.UserError) as error:
        find(base)
    assert "a label without one" in str(error.value)
    assert "numTraining: found 3, expected 2, as imagesTr" in str(error.value)


def test_no_images_at_all_is_refused(base):
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        for path in (base / folder).iterdir():
            path.unlink()
    edit(base, numTraining=0)
    with pytest.raises(errors.UserError, match=r"images: found none, .*CASE_0000\.nii"):
        find(base)


@pytest.mark.parametrize("said", [0, None])
def test_images_of_tests_alone_are_a_dataset(base, said):
    for folder in ("imagesTr", "labelsTr"):
        for path in (base / folder).iterdir():
            path.unlink()
    edit(base, numTraining=said)
    assert [case.name for case in find(base).cases] == ["prostate_004"]


def test_a_wrong_count_is_of_no_case(base):
    edit(base, numTraining=7)
    (fault,) = layouts.find(layouts.Request(base)).faults
    assert (fault.case, fault.field, fault.is_error) == ("", "numTraining", True)


def test_a_name_without_channel_is_refused(base):
    path = base / "imagesTr" / "prostate_002_0001.nii.gz"
    path.rename(path.with_name("prostate_002_T2.nii.gz"))
    with pytest.raises(errors.UserError, match=r"T2.nii.gz: .* one such as _0000"):
        find(base)


def test_one_subject_in_training_and_test_is_refused(base):
    path = base / "imagesTs" / "prostate_004_0000.nii.gz"
    path.rename(path.with_name("prostate_001_0000.nii.gz"))
    (base / "imagesTs" / "prostate_004_0001.nii.gz").unlink()
    with pytest.raises(errors.UserError, match=r"prostate_001 occurs twice"):
        find(base)


def test_regions_become_one_class_a_value(base, caplog):
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    edit(base, labels=labels, regions_class_order=[1, 2, 3])
    dataset = find(base)
    assert dataset.label_names == ("background", "whole", "core", "enhancing")
    assert dataset.label_values is None
    assert "overlapping regions" in caplog.text


def test_values_of_one_region_have_different_names(base):
    edit(base, labels={"background": 0, "tumour": [1, 2]})
    found = find(base).label_names
    assert found == ("background", "tumour (1)", "tumour (2)")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "field labels: found nothing, expected an object"),
        ({"labels": {"background": 0}}, "1 to 255 different names"),
        ({"labels": {"background": 0, "PZ": "1"}}, "PZ: found '1', expected a voxel"),
        ({"labels": {"background": 0, "PZ": True}}, "PZ: found True"),
        ({"labels": {"background": 0, "PZ": -1}}, "PZ: found -1"),
        ({"labels": {"background": 0, "PZ": []}}, r"PZ: found \[\]"),
        ({"labels": {"background": 0, "PZ": [1, [2]]}}, "PZ: found"),
        ({"labels": {"background": 0, "PZ": 1, "TZ": 1}}, "value 1 has two names"),
        ({"labels": {"background": 0, "PZ": 1, "ignore": [2, 3]}}, "ignore: found"),
        ({"labels": {"background": 0, "a": list(range(300))}}, "a: found"),
        ({"labels": {str(k): k for k in range(300)}}, "found 300 names"),
        ({"file_ending": None}, "field file_ending: found nothing, expected a text"),
        ({"file_ending": ".png"}, "file_ending: found '.png', expected one of .nii.gz"),
        ({"file_ending": "/../x.nii"}, "file_ending: found '/../x.nii'"),
        ({"channel_names": None}, "field channel_names: found nothing"),
        ({"channel_names": {"T2": 0}}, "channel_names: found the keys"),
        ({"channel_names": ["T2"]}, "channel_names: .*expected an object"),
        ({"numTraining": 7}, "numTraining: found 7, expected 3"),
        ({"numTraining": "three"}, "numTraining: found 'three'"),
    ],
)
def test_a_bad_dataset_json_is_named(base, changes, message):
    edit(base, **changes)
    with pytest.raises(errors.UserError, match=rf"dataset\.json: .*{message}"):
        find(base)


def test_a_channel_too_many_is_refused(base):
    with pytest.raises(errors.UserError, match=r"channels 0 \(T2\), 1 \(ADC\)"):
        find(base, channel=2)
