"""What has an image's name but cannot be opened is a row of the check."""

import os
import re

import pytest

from dscl_tf import config, errors
from dscl_tf.cohort import (
    image_writing,
    integrity,
    layouts,
    preparation,
    prepared,
    volumes,
)
from dscl_tf.inference import predict
from tests import miniatures
from tests.cohort import making

# An image, and a label, of each layout's miniature.
FILES = {
    "acdc": (
        "database/training/patient001/patient001_frame01.nii.gz",
        "database/training/patient001/patient001_frame01_gt.nii.gz",
    ),
    "decathlon": ("imagesTr/prostate_01.nii.gz", "labelsTr/prostate_01.nii.gz"),
    "mmwhs": ("mr_train/mr_train_1001_image.nii.gz",)
    + ("mr_train/mr_train_1001_label.nii.gz",),
    "nnunet": ("imagesTr/prostate_001_0000.nii.gz", "labelsTr/prostate_001.nii.gz"),
    "folder": ("../images/case0.nii.gz", "../labels/case0.nii.gz"),
}


def broken_link(path):
    path.unlink()
    os.symlink("annex-object-that-was-not-fetched", path)


def folder_of_that_name(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def find(root, layout):
    labels = root.parent / "labels" if layout == "folder" else None
    return making.without_faults(layouts.find(layouts.Request(root, labels)))


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("kind", [0, 1], ids=["image", "label"])
@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (
            broken_link,
            "a link to annex-object-that-was-not-fetched, which does not exist",
        ),
        (folder_of_that_name, "it is a folder"),
        (pipe, "it is not a regular file"),
    ],
)
def test_it_is_a_row_of_the_check(tmp_path, layout, kind, spoil, found):
    root = getattr(miniatures, layout)(tmp_path)
    names = {case.name for case in find(root, layout).cases}
    path = root / FILES[layout][kind]
    spoil(path)
    dataset = find(root, layout)
    assert {case.name for case in dataset.cases} == names
    wanted = os.path.normpath(path)
    (case,) = (
        case
        for case in dataset.cases
        if wanted in map(os.path.normpath, (case.image, str(case.label)))
    )
    (problem,) = integrity.check_case(
        case, dataset, 4, config.PreprocessingConfig()
    ).problems
    assert problem.severity == integrity.ERROR and found in problem.found
    assert os.path.normpath(problem.file) == wanted


def test_the_others_are_prepared_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation.parallel, "run_all", making.run_all_here)
    source = miniatures.folder(tmp_path)
    broken_link(source / "case0.nii.gz")
    request = preparation.PreparationConfig(
        source=str(source),
        labels=str(source.parent / "labels"),
        output=str(tmp_path / "out"),
        skip_bad=True,
        settings=config.PreprocessingConfig((16, 16), 2.0, bias_correction=False),
    )
    folder = preparation.prepare(request)
    assert '"case0"' in (folder / "check.json").read_text()
    assert len(prepared.read_index(folder).volumes) == 3


def test_images_of_another_ending_than_nnunets_are_named(tmp_path):
    root = miniatures.nnunet(tmp_path)
    label = root / "labelsTr" / "prostate_002.nii.gz"
    label.rename(label.with_name("prostate_002.nrrd"))
    with pytest.raises(errors.UserError, match=r"002\.nrrd: name: .* expected file_"):
        find(root, "nnunet")


@pytest.mark.parametrize("layout", FILES)
def test_names_that_are_not_utf8_are_refused_while_listing(tmp_path, layout):
    odd = tmp_path / os.fsdecode(b"M\xfcller")
    root = getattr(miniatures, layout)(tmp_path / "made")
    odd.mkdir()
    (tmp_path / "made").rename(odd / "made")
    root = odd / root.relative_to(tmp_path)
    message = r"The name .*M\\xfcller/.* \(and \d more\) is not UTF-8.*: rename it"
    with pytest.raises(errors.UserError, match=message):
        find(root, layout)


def test_a_name_that_is_not_utf8_is_refused_wherever_it_is_used(tmp_path):
    path = tmp_path / os.fsdecode(b"b\xfc.nii.gz")
    image = making.image_of(making.labels())
    for use in (volumes.read_image, lambda p: image_writing.write_image(image, p)):
        with pytest.raises(errors.UserError, match=r"b\\xfc\.nii\.gz is not UTF-8"):
            use(path)
    path.touch()
    with pytest.raises(errors.UserError, match=r"b\\xfc\.nii\.gz is not UTF-8"):
        predict.find_inputs(tmp_path, tmp_path / "out")


def test_a_file_without_the_right_to_read_is_named(tmp_path, monkeypatch):
    path = making.write(tmp_path / "a.nii.gz", making.labels())

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(volumes.pathlib.Path, "open", refuse)
    message = re.escape(
        f"Cannot read {path} (Permission denied): check its permissions."
    )
    with pytest.raises(errors.UserError, match=message):
        volumes.read_header(path)
