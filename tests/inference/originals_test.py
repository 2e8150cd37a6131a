"""Evaluation reads channels and raw label values as preparation did."""

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import cases, layouts, preparation, prepared
from dscl_tf.inference import originals as files_of
from tests import miniatures
from tests.cohort import making


def originals(source, output, name, **more):
    made = preparation.PreparationConfig(
        str(source),
        str(output),
        num_workers=1,
        settings=config.PreprocessingConfig((16, 16), 1.5, bias_correction=False),
        **more,
    )
    cohort = prepared.PreparedCohort.open(preparation.prepare(made))
    image, truth = files_of.read(cohort, cohort.volume(name))
    request = layouts.Request(source, channel=more.get("channel", 0))
    dataset = layouts.find(request)
    (case,) = [case for case in dataset.cases if case.name == name]
    expected = cases.read_images(case)[0], cases.read_label(case, dataset)
    for found, wanted in zip((image, truth), expected):
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted)
        )
    return sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(truth)


def test_raw_values_of_mmwhs_are_compared_as_classes(tmp_path):
    source = miniatures.mmwhs(tmp_path)
    _, truth = originals(source, tmp_path / "out", "mr_train_1002")
    assert set(np.unique(truth)) == set(range(8))


def test_the_second_channel_is_drawn_where_it_was_prepared(tmp_path):
    source = miniatures.decathlon(tmp_path)
    image, truth = originals(source, tmp_path / "out", "prostate_01", channel=1)
    # The miniature's ADC is 1000 less its T2, which is about 80 + 60 * label.
    assert abs(image[truth == 2].mean() - (1000 - 200)) < 10


@pytest.mark.parametrize("layout", ["acdc", "decathlon", "mmwhs", "nnunet"])
def test_links_to_files_without_suffix_are_read_by_their_own_names(
    tmp_path, monkeypatch, layout
):
    # As stores that name files by their contents keep them, such as git-annex.
    monkeypatch.setattr(preparation.parallel, "run_all", making.run_all_here)
    source = getattr(miniatures, layout)(tmp_path)
    (source / "objects").mkdir()
    for number, path in enumerate(sorted(source.rglob("*.nii.gz"))):
        if not path.name.startswith("."):
            path.rename(source / "objects" / f"SHA256E-{number}")
            path.symlink_to(source / "objects" / f"SHA256E-{number}")
    monkeypatch.chdir(tmp_path)
    name = {
        "acdc": "patient001_frame01",
        "decathlon": "prostate_01",
        "mmwhs": "mr_train_1001",
        "nnunet": "prostate_001",
    }[layout]
    originals(source.relative_to(tmp_path), tmp_path / "out", name)
