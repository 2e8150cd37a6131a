import collections

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
    return miniatures.mmwhs(tmp_path)


def test_cases_of_training_and_test(base, caplog):
    caplog.set_level("INFO")
    dataset = find(base)
    assert dataset.format == "mmwhs"
    assert (
        len(dataset.label_names) == 8 and dataset.label_names[7] == "pulmonary artery"
    )
    assert [(case.name, case.label is not None) for case in dataset.cases] == [
        ("mr_test_2001", False),
        ("mr_train_1001", True),
        ("mr_train_1002", True),
        ("mr_train_1003", True),
    ]
    assert "the layout is mmwhs, since it has files such as" in caplog.text


def test_raw_values_become_classes_and_421_is_420(base):
    dataset = find(base)
    case = dataset.cases[2]
    raw = collections.Counter(sitk.GetArrayFromImage(cases.read_raw_label(case)).flat)
    mapped = sitk.GetArrayFromImage(cases.read_label(case, dataset))
    found = collections.Counter(mapped.flat)
    assert raw[421] == 5
    # The classes of data-formats: 205, 420, 500, 550, 600, 820, 850 in this order.
    expected = {0: 0, 205: 1, 420: 2, 500: 3, 550: 4, 600: 5, 820: 6, 850: 7}
    for value, label in expected.items():
        assert found[label] == raw[value] + (5 if value == 420 else 0) > 0
    assert set(found) == set(range(8))
    assert cases.stray_counts(cases.read_raw_label(case), dataset) == {421: 5}
    clean = cases.read_raw_label(dataset.cases[1])
    assert cases.stray_counts(clean, dataset) == {}


def test_another_value_is_refused_with_its_voxels(base):
    dataset = find(base)
    case = dataset.cases[1]
    raw = cases.read_raw_label(case)
    raw[0, 0, 0] = raw[1, 0, 0] = 422
    sitk.WriteImage(raw, str(case.label))
    message = r"1001_label.nii.gz: values: found 422 \(2 voxels\), expected 0, 205"
    with pytest.raises(errors.UserError, match=message):
        cases.read_label(case, dataset)


def test_classes_are_no_raw_values(base):
    dataset = find(base)
    case = dataset.cases[1]
    miniatures.write(cases.read_label(case, dataset), case.label)
    with pytest.raises(errors.UserError, match=r"values: found 1 \(\d+ voxels\)"):
        cases.read_label(case, dataset)


@pytest.mark.parametrize("source", ["mr_train", "..", "flat"])
def test_other_roots(base, source):
    if source == "flat":
        for path in (base / "mr_train").iterdir():
            path.rename(base / path.name)
    root = base / source if source != "flat" else base
    assert sum(case.label is not None for case in find(root).cases) == 3


def test_mr_and_ct_are_not_mixed(base, tmp_path):
    miniatures.mmwhs(tmp_path, "ct")
    with pytest.raises(errors.UserError, match=r"--format=mmwhs_mr or"):
        find(base)
    for modality in ("mr", "ct"):
        dataset = find(base, f"mmwhs_{modality}")
        assert len(dataset.cases) == 4
        assert {case.name[:2] for case in dataset.cases} == {modality}
        assert dataset.format == "mmwhs"


def test_a_modality_that_is_not_there_is_named(base):
    with pytest.raises(errors.UserError, match=r"no ct_..._image.nii.gz"):
        find(base, "mmwhs_ct")


def test_one_subject_in_two_folders_is_refused(base):
    (base / "mr_train2").mkdir()
    path = base / "mr_train" / "mr_train_1001_image.nii.gz"
    (base / "mr_train2" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(errors.UserError, match=r"mr_train2/mr_train_1001.*both exist"):
        find(base)


def test_a_label_without_image_is_named(base):
    (base / "mr_train" / "mr_train_1002_image.nii.gz").unlink()
    with pytest.raises(errors.UserError, match=r"1002_label.nii.gz: .* without one"):
        find(base)


def test_the_hidden_files_of_macos_are_there_and_left_out(base):
    assert (base / "mr_train" / "._mr_train_1001_image.nii.gz").is_file()
    assert not [case for case in find(base).cases if case.image.name[0] == "."]


def test_the_axes_of_the_cases_differ(base):
    directions = {
        cases.read_images(case)[0].GetDirection() for case in find(base).cases
    }
    assert len({tuple(np.round(each).tolist()) for each in directions}) == 4
