"""What all layouts share: recognising, refusing, and what prepare makes of them."""

import json
import os

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import (
    cases,
    geometry,
    layouts,
    orientation,
    preparation,
    prepared,
    splits,
)
from tests import miniatures

SETTINGS = config.PreprocessingConfig(
    size_px=(24, 24), spacing_mm=1.5, bias_correction=False
)


def prepare(source, output, **more):
    more = {"settings": SETTINGS, "num_workers": 1, **more}
    made = preparation.PreparationConfig(str(source), str(output), **more)
    return prepared.PreparedCohort.open(preparation.prepare(made))


@pytest.mark.parametrize("layout", layouts.FORMATS)
def test_an_empty_folder_is_refused_with_what_was_expected(tmp_path, layout):
    request = layouts.Request(tmp_path)
    with pytest.raises(errors.UserError, match=r"Found there: nothing.*\n  "):
        layouts.find(request, layout)


def test_what_was_there_and_every_layout_are_named(tmp_path):
    for number in range(10):
        (tmp_path / f"study{number}").mkdir()
        (tmp_path / f"study{number}" / "IM0001.dcm").touch()
    with pytest.raises(errors.UserError) as error:
        layouts.find(layouts.Request(tmp_path))
    message = str(error.value)
    assert "study0/, study1/, " in message and "and 2 more" in message
    for word in ("Info.cfg", "dataset.json", "mr_train_1001", "channel_names", ".mha"):
        assert word in message


def test_a_folder_that_cannot_be_read_is_left_out_aloud(tmp_path, monkeypatch, caplog):
    miniatures.acdc(tmp_path / "top")
    (tmp_path / "top" / "lost+found").mkdir()
    readable = os.access
    # Tests may run as root, who may read everything.
    monkeypatch.setattr(
        os, "access", lambda p, mode: "lost" not in str(p) and readable(p, mode)
    )
    assert len(layouts.find(layouts.Request(tmp_path / "top")).cases) == 4
    assert "lost+found cannot be read and is left out" in caplog.text


@pytest.mark.parametrize(
    ("make", "request_", "message"),
    [
        (miniatures.acdc, {"channel": 1}, "--channel=1: the layout acdc has one image"),
        (miniatures.mmwhs, {"channel": 1}, "--channel=1: the layout mmwhs"),
        (miniatures.folder, {"channel": 1}, "--channel=1: the layout folder"),
        (miniatures.decathlon, {"acdc_frames": "all"}, "the dataset is decathlon, not"),
        (miniatures.nnunet, {"acdc_frames": "ES"}, "the dataset is nnunet, not ACDC"),
    ],
)
def test_flags_of_other_layouts_are_refused(tmp_path, make, request_, message):
    with pytest.raises(errors.UserError, match=message):
        layouts.find(layouts.Request(make(tmp_path), **request_))


@pytest.mark.parametrize(
    "make",
    [miniatures.acdc, miniatures.decathlon, miniatures.mmwhs, miniatures.nnunet],
)
def test_labels_lie_where_their_images_are(tmp_path, make):
    """The brightest structure of the miniature is where its label says, raw or not."""
    dataset = layouts.find(layouts.Request(make(tmp_path)))
    for case in dataset.cases:
        if not case.label:
            continue
        values = sitk.GetArrayFromImage(cases.read_images(case)[0])
        label = sitk.GetArrayFromImage(cases.read_label(case, dataset))
        means = [values[label == k].mean() for k in range(len(dataset.label_names))]
        # The miniature adds 60 for each label to 80, and up to 10 for frames of ACDC.
        np.testing.assert_allclose(means, 80 + 60 * np.arange(len(means)), atol=15)


def test_each_layout_is_prepared(tmp_path):
    for make, volumes, labelled, names in (
        (miniatures.acdc, 4, 3, ("background", "RV", "MYO", "LV")),
        (miniatures.decathlon, 4, 3, ("background", "PZ", "TZ")),
        (miniatures.nnunet, 4, 3, ("background", "PZ", "TZ")),
        (miniatures.folder, 4, 0, ("background",)),
    ):
        cohort = prepare(make(tmp_path), tmp_path / make.__name__)
        assert len(cohort.volumes) == volumes
        assert sum(volume.has_label for volume in cohort.volumes) == labelled
        assert cohort.label_names[: len(names)] == names
        for volume in cohort.volumes:
            if volume.has_label:
                found = set(np.unique(cohort.label(volume.name)))
                assert found == set(range(len(names)))


def test_another_channel_is_another_cohort(tmp_path):
    task = miniatures.decathlon(tmp_path)
    # Within the field of view: outside of it both are 0.
    inside = config.PreprocessingConfig((20, 16), 0.625, bias_correction=False)
    t2 = prepare(task, tmp_path / "t2", settings=inside)
    adc = prepare(task, tmp_path / "adc", channel=1, settings=inside)
    # The miniature's ADC is 1000 less its T2; normalising keeps the mirror image.
    first, second = t2.image("prostate_01"), adc.image("prostate_01")
    assert np.corrcoef(first[2:4].ravel(), second[2:4].ravel())[0, 1] < -0.99
    assert adc.volume("prostate_01").fourth == 1
    with pytest.raises(errors.UserError, match=r"prepared differently"):
        prepare(task, tmp_path / "t2", channel=1, settings=inside)


# Nearly isotropic, as MM-WHS is, and a stack of thick slices.
@pytest.mark.parametrize("slice_mm", [1.8, 8.0])
def test_one_subject_in_every_axis_order_gives_the_same_slices(tmp_path, slice_mm):
    image, label = miniatures.subject(7, num_structures=7, shape=(8, 30, 28))
    raw = np.array(miniatures.MMWHS_VALUES, np.uint16)[label]
    orders = ("LPS", "RAS", "PIR", "ASL", "SRA", "ILP")
    for number, order in enumerate(orders, 1001):
        stem = tmp_path / "mr_train" / f"mr_train_{number}"
        for kind, values in ("image", image), ("label", raw):
            miniatures.write(
                miniatures.volume(values, spacing_mm=(1.5, 1.5, slice_mm), order=order),
                stem.with_name(f"{stem.name}_{kind}.nii.gz"),
            )
    cohort = prepare(tmp_path / "mr_train", tmp_path / "out")
    names = [volume.name for volume in cohort.volumes]
    assert len(names) == len({v.direction for v in cohort.volumes}) == len(orders)
    for name in names[1:]:
        np.testing.assert_allclose(
            cohort.image(name), cohort.image(names[0]), atol=2e-5
        )
        np.testing.assert_array_equal(cohort.label(name), cohort.label(names[0]))
    # And they are the slices that were written: axial, each structure in its rows.
    assert cohort.image(names[0]).shape == (8, 24, 24)
    present = [set(np.unique(cohort.label(names[0])[q])) for q in range(8)]
    assert present[0] == {0} and len(present[4]) > 5


@pytest.mark.parametrize(
    ("code", "spacing_mm", "expected"),
    [("PIR", (1.5, 1.5, 1.8), "LPS"), ("RAS", (1.5, 1.5, 8.0), "LPS")],
)
def test_the_frame_that_cases_are_turned_to(code, spacing_mm, expected):
    values = np.zeros((4, 5, 6), np.float32)
    image = miniatures.volume(values, spacing_mm=spacing_mm, order=code)
    found = geometry.orient(image)
    assert orientation.letters_of(found.GetDirection()) == expected


def test_mmwhs_is_prepared_and_compared_by_class(tmp_path):
    cohort = prepare(miniatures.mmwhs(tmp_path), tmp_path / "out")
    assert set(np.unique(cohort.label("mr_train_1002"))) == set(range(8))
    assert dict(cohort.volume("mr_train_1002").label_map)[421] == 2
    assert cohort.volume("mr_test_2001").label_map is None


def test_ct_keeps_its_units_in_a_window(tmp_path):
    window = config.PreprocessingConfig(
        size_px=(24, 24), spacing_mm=1.5, bias_correction=False, window=(-200, 600)
    )
    source = miniatures.mmwhs(tmp_path, "ct")
    cohort = prepare(source, tmp_path / "out", format="mmwhs_ct", settings=window)
    dataset = layouts.find(layouts.Request(source), "mmwhs_ct")
    for name in ("ct_train_1001", "ct_train_1003"):
        case = next(case for case in dataset.cases if case.name == name)
        found = cohort.image(name)
        assert found.min() == 0 and found.max() == 1
        oriented = geometry.orient(cases.read_images(case)[0])
        label = geometry.orient(cases.read_label(case, dataset))
        inside = sitk.GetArrayFromImage(label) == 3
        # Label 3: 80 + 60 * 3 in the miniature's MR, three times that less 400 in HU.
        expected = (3 * 260 - 400 + 200) / 800
        mean = sitk.GetArrayFromImage(oriented)[inside].mean()
        assert (mean + 200) / 800 == pytest.approx(expected, abs=0.05)
        prepared_mean = found[cohort.label(name) == 3].mean()
        assert prepared_mean == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize(
    ("name", "counts"),
    [("acdc", (52, 20)), ("prostate", (17, 15)), ("mmwhs", (10, 10))],
)
def test_the_papers_lists_fit_the_whole_dataset(tmp_path, name, counts):
    training = {
        "acdc": range(1, 101),
        "mmwhs": range(1001, 1021),
        # The labelled subjects of Task05_Prostate.
        "prostate": [0, 1, 2, 4, 6, 7, 10, 13, 14, 16, 17, 18, 20, 21, 24, 25, 28, 29]
        + [31, 32, 34, 35, *range(37, 45), 46, 47],
    }[name]
    pattern = {
        "acdc": "patient{:03d}",
        "mmwhs": "mr_train_{}",
        "prostate": "prostate_{:02d}",
    }[name]
    subjects = [pattern.format(number) for number in training]
    place = {"size": (), "spacing_mm": (), "origin": (), "direction": ()}
    volumes = tuple(
        prepared.PreparedVolume(each, each, "", 6, "image", "label", **place)
        for each in subjects
    )
    index = prepared.Index(2, "", "", SETTINGS, ("background", "a"), volumes)
    cohort = prepared.PreparedCohort(tmp_path, index)
    content = json.loads(
        (splits._PAPER_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    )
    for draw in content["finetune"]:
        found = splits.resolve(
            cohort, config.SplitConfig(file=f"paper:{name}", name=draw)
        )
        assert (len(found.pretrain), len(found.test)) == counts
        assert not set(found.test) & {*found.pretrain, *found.train, *found.validation}
