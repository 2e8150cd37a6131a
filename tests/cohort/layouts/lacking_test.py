"""A case that lacks a file is a row of the check, and the others go on without it."""

import json

import pytest

from dscl_tf import config, errors
from dscl_tf.cohort import check_report, layouts, preparation, prepared
from tests import miniatures
from tests.cohort import making

# What is taken away of each miniature, the name of the row, and the cases that stay.
LACKING = {
    "acdc": ("database/training/patient001/patient001_frame01.nii.gz", "patient001", 3),
    "acdc info": ("database/training/patient002/Info.cfg", "patient002", 3),
    "decathlon": ("imagesTr/prostate_01.nii.gz", "prostate_01", 3),
    "mmwhs": ("mr_train/mr_train_1001_image.nii.gz", "mr_train_1001", 3),
    "nnunet": ("imagesTr/prostate_001_000[01].nii.gz", "prostate_001", 3),
    "nnunet channel": ("imagesTr/prostate_001_0000.nii.gz", "prostate_001", 3),
    "folder": ("../images/case0.nii.gz", "case0", 3),
}


@pytest.fixture(params=LACKING)
def request_of(request, tmp_path, monkeypatch):
    """What to prepare of a dataset that lacks a file, its row's name, and the rest."""
    monkeypatch.setattr(preparation.parallel, "run_all", making.run_all_here)
    pattern, name, left = LACKING[request.param]
    layout = request.param.split()[0]
    root = getattr(miniatures, layout)(tmp_path)
    base, pattern = (root.parent, pattern[3:]) if ".." in pattern else (root, pattern)
    for path in base.glob(pattern):
        path.unlink()
    wanted = preparation.PreparationConfig(
        source=str(root),
        labels=str(root.parent / "labels") if layout == "folder" else None,
        output=str(tmp_path / "out"),
        settings=config.PreprocessingConfig((16, 16), 2.0, bias_correction=False),
    )
    return wanted, name, left


def test_it_is_a_row_of_the_check(request_of):
    wanted, name, left = request_of
    dataset, report = preparation.check(wanted)
    assert len(dataset.cases) == left
    assert name in report.bad_cases(strict=False) and report.is_bad(strict=False)
    with pytest.raises(errors.UserError, match=rf"(?s) volumes.* cannot be .*{name}"):
        preparation.prepare(wanted)


def test_the_others_go_on_without_it(request_of):
    wanted, name, left = request_of
    skipping = preparation.dataclasses.replace(wanted, skip_bad=True)
    folder = preparation.prepare(skipping)
    assert len(prepared.read_index(folder).volumes) == left
    assert name in json.loads((folder / "check.json").read_text())["skipped"]


@pytest.mark.parametrize(
    ("layout", "path", "name"),
    [
        ("acdc", "database/training/patient001", "patient001_frame01_gt.nrrd"),
        ("decathlon", "labelsTr", "prostate_77.nii.gz"),
        ("mmwhs", "mr_train", "mr_train_1001_label.mha"),
    ],
)
def test_images_of_no_case_are_warnings(tmp_path, layout, path, name):
    root = getattr(miniatures, layout)(tmp_path)
    assert layouts.find(layouts.Request(root)).faults == ()
    (root / path / name).touch()
    (fault,) = layouts.find(layouts.Request(root)).faults
    assert not fault.is_error and fault.file == str(root / path / name)
    dataset = layouts.find(layouts.Request(root))
    report = check_report.make([], dataset, 4)
    assert report.is_bad(strict=True) and not report.is_bad(strict=False)


def test_a_dataset_of_faults_alone_is_refused(tmp_path):
    root = miniatures.decathlon(tmp_path)
    for path in root.glob("images*/*.nii.gz"):
        path.unlink()
    with pytest.raises(errors.UserError, match=r"(?s)training\[0\].*test\[0\]"):
        layouts.find(layouts.Request(root))


def test_labels_of_other_images_are_refused(tmp_path):
    root = miniatures.folder(tmp_path)
    for path in root.parent.glob("labels/*.nii.gz"):
        path.rename(path.with_name(f"seg_{path.name}"))
    request = layouts.Request(root, root.parent / "labels")
    with pytest.raises(errors.UserError, match=r"no label has the name of an image"):
        layouts.find(request)
