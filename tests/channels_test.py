"""Several channels of a subject, from the files to the masks."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import preparation, prepared
from dscl_tf.config import AugmentationKind
from dscl_tf.inference import channel_inputs, evaluate, export, predict, predictor
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.pipeline import augmentation, strong, views
from dscl_tf.training import run_folder
from tests import miniatures
from tests.small_stage import small_stage

SETTINGS = config.PreprocessingConfig(
    size_px=(16, 16), spacing_mm=1.8, bias_correction=False
)


def prepare(source, output, **fields):
    settings = preparation.PreparationConfig(
        str(source), str(output), num_workers=1, settings=SETTINGS
    )
    folder = preparation.prepare(dataclasses.replace(settings, **fields))
    return prepared.PreparedCohort.open(folder)


def check(source, **fields):
    settings = preparation.PreparationConfig(
        str(source), None, num_workers=1, settings=SETTINGS
    )
    return preparation.check(dataclasses.replace(settings, **fields))[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("channels")
    return miniatures.nnunet(root, training=range(1, 8), testing=(8,))


@pytest.fixture(scope="module")
def cohort(source, tmp_path_factory):
    return prepare(source, tmp_path_factory.mktemp("p") / "c", channels=("T2", "adc"))


@pytest.mark.parametrize("make", [miniatures.nnunet, miniatures.decathlon])
@pytest.mark.parametrize("bias", [False, True])
def test_each_channel_is_prepared_by_itself(tmp_path, make, bias):
    base = make(tmp_path)
    settings = dataclasses.replace(SETTINGS, bias_correction=bias, bias_iterations=2)
    both = prepare(base, tmp_path / "b", channels=("adc", "0"), settings=settings)
    names = [channel.name for channel in both.settings.channels]
    assert names == ["ADC", "T2"]
    for place, channel in enumerate((1, 0)):
        output = tmp_path / f"one{channel}"
        one = prepare(base, output, channel=channel, settings=settings)
        for volume in both.volumes:
            slices = both.slices(volume.name)
            assert slices.shape[-1] == 2
            expected = one.image(volume.name)
            np.testing.assert_array_equal(slices[..., place], expected)
            if volume.has_label:
                np.testing.assert_array_equal(
                    both.label(volume.name), one.label(volume.name)
                )


def test_one_channel_is_remembered_beside_arrays_as_before(tmp_path):
    base = miniatures.nnunet(tmp_path)
    one = prepare(base, tmp_path / "one", channel=1)
    assert one.settings.channels == (config.ChannelConfig("ADC", 1),)
    name = one.volumes[0].name
    assert np.load(prepared.array_path(one.folder, name, "image")).ndim == 3
    index = json.loads((one.folder / prepared.INDEX).read_text())
    assert all("more_images" not in volume for volume in index["volumes"])
    request = json.loads((one.folder / "request.json").read_text())
    assert "channels" not in request["settings"]


def test_a_dataset_of_one_image_says_nothing_of_channels(tmp_path):
    one = prepare(miniatures.folder(tmp_path), tmp_path / "one")
    index = json.loads((one.folder / prepared.INDEX).read_text())
    assert "channels" not in index["settings"]


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (("T2", "flair"), "'flair'.* 0 .T2., 1 .ADC."),
        (("0", "2"), "'2'"),
        (("T2", "0"), "give each only once"),
    ],
)
def test_unknown_channels_are_refused_with_the_known_ones(tmp_path, channels, said):
    base = miniatures.decathlon(tmp_path)
    with pytest.raises(errors.UserError, match=said):
        check(base, channels=channels)


def test_a_name_that_two_channels_have_is_refused(tmp_path):
    base = miniatures.nnunet(tmp_path)
    miniatures.edit_json(base / "dataset.json", channel_names={"0": "MR", "1": "MR"})
    with pytest.raises(errors.UserError, match="by its number"):
        check(base, channels=("MR",))
    both = prepare(base, tmp_path / "b", channels=("0", "1"))
    assert [it.name for it in both.settings.channels] == ["MR (0)", "MR (1)"]


@pytest.mark.parametrize(
    ("ends", "channels"),
    [(("_0000", "_0001"), ("0", "1")), (("_t2", "-ADC"), ("t2", "adc"))],
)
def test_a_folder_with_a_file_for_each_channel(tmp_path, ends, channels):
    images = miniatures.channels(tmp_path, ends, num_volumes=3)
    both = prepare(
        images,
        tmp_path / "b",
        channels=channels,
        labels=str(tmp_path / "mr" / "labels"),
    )
    assert [volume.name for volume in both.volumes] == ["case0", "case1", "case2"]
    assert all(volume.has_label for volume in both.volumes)
    first, second = np.moveaxis(both.slices("case1"), -1, 0)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.5


def test_a_missing_channel_is_a_row(tmp_path):
    images = miniatures.channels(tmp_path, ("_0000", "_0001"), num_volumes=3)
    (images / "case1_0001.nii.gz").unlink()
    fields = {"channels": ("0", "1"), "labels": str(tmp_path / "mr" / "labels")}
    (row,) = [it for it in check(images, **fields).problems if it.is_error]
    assert row.case == "case1" and row.file.endswith("case1_0001.nii.gz")
    both = prepare(images, tmp_path / "b", skip_bad=True, **fields)
    assert [volume.name for volume in both.volumes] == ["case0", "case2"]


def test_a_missing_channel_of_nnunet_is_a_row(tmp_path):
    base = miniatures.nnunet(tmp_path)
    (base / "imagesTr" / "prostate_002_0001.nii.gz").unlink()
    report = check(base, channels=("T2", "ADC"))
    files = [row.file for row in report.problems if row.is_error]
    assert any(name.endswith("prostate_002_0001.nii.gz") for name in files)


def test_a_missing_channel_of_nnunets_first_format_is_a_row(tmp_path):
    base = miniatures.decathlon(tmp_path)
    for path in (base / "imagesTr").glob("[!.]*.nii.gz"):
        image = sitk.ReadImage(str(path))
        for k in (0, 1):
            end = f"_{k:04d}.nii.gz"
            name = path.name.replace(".nii.gz", end)
            sitk.WriteImage(image[..., k], str(path.parent / name))
        path.unlink()
    (base / "imagesTr" / "prostate_01_0001.nii.gz").unlink()
    rows = [row for row in check(base, channels=("T2", "ADC")).problems if row.is_error]
    assert [row.case for row in rows] == ["prostate_01"]
    assert "prostate_01_0001.nii.gz" in rows[0].found
    left = prepare(base, tmp_path / "b", channels=("T2", "ADC"), skip_bad=True)
    names = [volume.name for volume in left.volumes]
    assert "prostate_00" in names and "prostate_01" not in names


def test_a_file_in_four_dimensions_that_lacks_a_channel_is_a_row(tmp_path):
    base = miniatures.decathlon(tmp_path)
    path = base / "imagesTr" / "prostate_01.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(path))[..., 0], str(path))
    rows = [row for row in check(base, channels=("T2", "ADC")).problems if row.is_error]
    assert [(row.case, row.file) for row in rows] == [("prostate_01", str(path))]
    assert "image 1 along a fourth axis is wanted" in rows[0].found


def test_labels_of_cases_with_channels_hint_at_the_flag(tmp_path):
    images = miniatures.channels(tmp_path, num_volumes=2)
    with pytest.raises(errors.UserError, match=r"case0.* is a channel, see --channels"):
        check(images, labels=str(tmp_path / "mr" / "labels"))


def test_names_of_channels_that_differ_by_case_alone_are_told_apart(tmp_path):
    base = miniatures.nnunet(tmp_path)
    miniatures.edit_json(base / "dataset.json", channel_names={"0": "MR", "1": "mr"})
    both = prepare(base, tmp_path / "b", channels=("0", "1"))
    assert [it.name for it in both.settings.channels] == ["MR (0)", "mr (1)"]


def moved(image):
    image.SetOrigin([value + 5 for value in image.GetOrigin()])
    return image


def turned(image):
    image.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    return image


def respaced(image):
    image.SetSpacing([1.6, 1.5, 8.0])
    return image


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (moved, "origin (mm)"),
        (turned, "direction"),
        (respaced, "spacing (mm)"),
        (lambda image: image[1:], "size"),
    ],
)
def test_a_channel_that_lies_elsewhere_is_a_row(tmp_path, change, field):
    base = miniatures.nnunet(tmp_path)
    path = base / "imagesTr" / "prostate_002_0001.nii.gz"
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(path))
    rows = [row for row in check(base, channels=("0", "1")).problems if row.is_error]
    assert rows[0].field == field and rows[0].file == str(path)
    assert "resample it to channel 0" in rows[0].cure
    left = prepare(base, tmp_path / "b", channels=("0", "1"), skip_bad=True)
    assert "prostate_002" not in [volume.name for volume in left.volumes]


def make_stage(cohort, folder, name, **fields):
    shown = config.RuntimeConfig(
        precision="float32", log_every=1, checkpoint_every=2, panel_every=1
    )
    split = config.SplitConfig(num_train=2, num_validation=1, num_test=2)
    fields = {"runtime": shown, "split": split, **fields}
    return small_stage(cohort.folder, folder, name, 2, **fields)


@pytest.fixture(scope="module")
def chain(cohort, tmp_path_factory):
    """Encoder, decoder and a fine-tuned run of two channels."""
    root = tmp_path_factory.mktemp("runs")
    consistent = config.FinetuneConfig(
        batch_size=4, validate_every=2, consistency=ConsistencyConfig(0.5)
    )
    encoder, decoder = str(root / "encoder"), str(root / "decoder")
    first = str(root / "first")
    return stages.run(
        [
            make_stage(cohort, encoder, "encoder"),
            make_stage(cohort, decoder, "decoder", init=encoder),
            make_stage(cohort, first, "finetune", init=decoder),
            make_stage(cohort, root / "f", "finetune", init=first, finetune=consistent),
        ]
    )


@pytest.fixture(scope="module", params=["run", "export"])
def opened(request, chain, tmp_path_factory):
    """The fine-tuned run, and its export."""
    if request.param == "run":
        return predictor.open_predictor(chain[-1])
    folder = tmp_path_factory.mktemp("export") / "model"
    export.export_model(run_folder.load_segmenter(chain[-1]), folder)
    return predictor.open_predictor(folder)


def segment(opened, source, output):
    """As the binary does."""
    channel_inputs.check_flags(opened.settings, None, False)
    inputs = predict.find_inputs(source, output, settings=opened.settings)
    cases = channel_inputs.group(source, inputs, opened.settings)
    return predict.predict_files(opened, list(cases), output, of_channels=cases)


def test_files_of_channels_are_cases(opened, source, tmp_path):
    assert [channel.name for channel in opened.settings.channels] == ["T2", "ADC"]
    assert segment(opened, source / "imagesTr", tmp_path / "m") == 7
    masks = sorted(path.name for path in (tmp_path / "m").glob("*.nii.gz"))
    assert masks == [f"prostate_{k:03d}.nii.gz" for k in range(1, 8)]
    mask = sitk.ReadImage(str(tmp_path / "m" / masks[0]))
    image = sitk.ReadImage(str(source / "imagesTr" / "prostate_001_0000.nii.gz"))
    assert mask.GetSize() == image.GetSize()
    np.testing.assert_allclose(mask.GetOrigin(), image.GetOrigin())


def test_files_in_four_dimensions_give_the_same_masks(opened, source, tmp_path):
    parts = [source / "imagesTr" / f"prostate_001_{k:04d}.nii.gz" for k in (0, 1)]
    whole = sitk.JoinSeries([sitk.ReadImage(str(path)) for path in parts])
    miniatures.write(whole, tmp_path / "in" / "prostate_001.nii.gz")
    for place in (tmp_path / "in", tmp_path / "in" / "prostate_001.nii.gz"):
        segment(opened, place, tmp_path / "a" / place.stem)
    segment(opened, source / "imagesTr", tmp_path / "b")
    masks = list((tmp_path / "a").rglob("prostate_001.nii.gz"))
    assert len(masks) == 2
    for found in masks:
        np.testing.assert_array_equal(
            *(
                sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
                for path in (found, tmp_path / "b" / "prostate_001.nii.gz")
            )
        )


def test_a_bad_case_is_named_and_the_others_go_on(opened, source, tmp_path):
    for number in (1, 2, 3):
        for k in (0, 1):
            name = f"prostate_{number:03d}_{k:04d}.nii.gz"
            image = sitk.ReadImage(str(source / "imagesTr" / name))
            if (number, k) == (2, 1):
                image = moved(image)
            if (number, k) != (3, 1):
                miniatures.write(image, tmp_path / "in" / name)
    with pytest.raises(errors.UserError, match="2 of 3 inputs have no mask"):
        segment(opened, tmp_path / "in", tmp_path / "m")
    masks = [path.name for path in (tmp_path / "m").glob("*.nii.gz")]
    assert masks == ["prostate_001.nii.gz"]


def test_one_file_of_a_case_is_refused(opened, source, tmp_path):
    path = source / "imagesTr" / "prostate_001_0000.nii.gz"
    with pytest.raises(errors.UserError, match=r"T2, ADC: put the files .* a folder"):
        segment(opened, path, tmp_path / "m")


@pytest.mark.parametrize(("channel", "seg"), [(1, False), (None, True)])
def test_flags_of_one_image_are_refused(opened, channel, seg):
    with pytest.raises(errors.UserError, match=r"channels T2, ADC.*leave"):
        channel_inputs.check_flags(opened.settings, channel, seg)


def test_the_network_sees_both_channels(opened, cohort):
    slices = np.array(cohort.slices(cohort.volumes[0].name))
    before = opened.probabilities(slices)
    for channel in (0, 1):
        changed = slices.copy()
        changed[..., channel] = 1 - changed[..., channel]
        assert np.abs(opened.probabilities(changed) - before).max() > 1e-4


def test_an_evaluation(opened, cohort, tmp_path):
    settings = evaluate.EvaluationConfig(
        str(cohort.folder), str(tmp_path / "test"), subset="all"
    )
    evaluate.evaluate(opened, settings)
    assert (tmp_path / "test" / "contact_sheet.png").stat().st_size


def test_a_cohort_of_other_channels_is_refused(opened, chain, source, tmp_path):
    other = prepare(source, tmp_path / "o", channels=("ADC",))
    settings = evaluate.EvaluationConfig(
        str(other.folder), str(tmp_path / "test"), subset="all"
    )
    with pytest.raises(errors.UserError, match=r"other channels .T2, ADC. .*.ADC."):
        evaluate.evaluate(opened, settings)
    stage = make_stage(other, tmp_path / "f", "finetune", init=str(chain[0]))
    with pytest.raises(errors.UserError, match=r"other channels .T2, ADC. .*.ADC."):
        stages.run([stage])


def test_a_run_with_other_channels_is_another_run(chain, cohort, source, tmp_path):
    other = prepare(source, tmp_path / "o", channels=("ADC", "T2"))
    stage = make_stage(other, chain[0], "encoder")
    with pytest.raises(errors.UserError, match=r"channels was \['T2', 'ADC'\]"):
        stages.run([stage])


METHODS = {
    "mixup": {"mixup": MixupConfig(0.4)},
    "joint": {"joint": JointConfig(1.0, 1.0)},
    "class_contrast": {"class_contrast": ClassContrastConfig(1.0, 0.1, 8)},
    "adversarial": {"adversarial": AdversarialConfig(0.1)},
    "learned": {"learned_augmentation": LearnedAugmentationConfig(True, 4)},
    "copy_paste": {"copy_paste": CopyPasteConfig(1.0)},
    "strong": {"augmentation": config.AugmentationConfig(kind=AugmentationKind.STRONG)},
    "strongest": {
        "augmentation": config.AugmentationConfig(kind=AugmentationKind.STRONGEST)
    },
    "pseudo": {},
}


@pytest.mark.parametrize("name", METHODS)
def test_each_method_takes_a_step(chain, cohort, tmp_path, name):
    parts = METHODS[name]
    if name == "pseudo":
        parts = {"pseudo_labels": PseudoLabelConfig(str(chain[2]), 0.1)}
    finetune = config.FinetuneConfig(batch_size=4, validate_every=1, **parts)
    stage = make_stage(
        cohort,
        tmp_path / "f",
        "finetune",
        init=str(chain[2]),
        finetune=finetune,
        optimizer=config.OptimizerConfig(num_steps=1),
    )
    (folder,) = stages.run([stage])
    assert run_folder.load_segmenter(folder).model.input_shape[-1] == 2


@pytest.mark.parametrize("task", ["rotation", "inpainting", "context_restoration"])
def test_each_pretext_task_takes_a_step(cohort, tmp_path, task):
    pretext = config.PretextConfig(
        task=config.PretextTask(task), batch_size=4, num_swaps=2
    )
    stage = make_stage(
        cohort,
        tmp_path / "p",
        "pretext",
        pretext=pretext,
        optimizer=config.OptimizerConfig(num_steps=1),
    )
    stages.run([stage])
    after = make_stage(cohort, tmp_path / "f", "finetune", init=str(tmp_path / "p"))
    stages.run([after])


@pytest.mark.parametrize("kind", list(AugmentationKind))
def test_geometry_is_alike_and_intensities_are_drawn_for_each(kind):
    rng = np.random.default_rng(0)
    one = tf.constant(rng.random((8, 16, 16, 1)), tf.float32)
    both = tf.concat([one, one], axis=-1)
    labels = tf.zeros([8, 16, 16], tf.int32)
    seed, still = tf.constant([1, 2]), {"brightness": 0.0, "contrast": (1.0, 1.0)}
    settings = config.AugmentationConfig(kind=kind)
    changed, _ = augmentation.augment(both, labels, seed, settings, 2)
    assert np.abs(changed[..., 0] - changed[..., 1]).max() > 0.01
    if kind is AugmentationKind.PAPER:
        settings = config.AugmentationConfig(kind=kind, **still)
        warped, _ = augmentation.augment(both, labels, seed, settings, 2)
    else:
        warped, _ = strong.warp(both, labels, seed, strong.FEW_SLICES.warp, 2)
    np.testing.assert_allclose(warped[..., 0], warped[..., 1], atol=1e-5)
    assert np.abs(warped - both).max() > 0.01


@pytest.mark.parametrize("change", [views.global_view, views.local_view])
def test_views_are_drawn_for_each_channel(change):
    one = tf.random.stateless_uniform([4, 16, 16, 1], [0, 1], 0.2, 0.8)
    both = tf.concat([one, one], axis=-1)
    view = change(both, tf.constant([3, 4]), config.ViewConfig())
    assert np.abs(view[..., 0] - view[..., 1]).max() > 0.01


def test_runs_of_other_channels_are_no_ensemble(chain, source, tmp_path):
    other = prepare(source, tmp_path / "o", channels=("ADC", "T2"))
    stage = make_stage(
        other, tmp_path / "f", "finetune", optimizer=config.OptimizerConfig(num_steps=1)
    )
    (folder,) = stages.run([stage])
    said = r"has channels T2, ADC, .* has ADC, T2; name runs of one prepared cohort"
    with pytest.raises(errors.UserError, match=said):
        predictor.open_predictor(f"{chain[-1]},{folder}")


def test_a_model_of_one_channel_takes_its_own(source, tmp_path):
    one = prepare(source, tmp_path / "one", channel=1)
    (folder,) = stages.run([make_stage(one, tmp_path / "f", "finetune")])
    opened = predictor.open_predictor(folder)
    found = predict.find_inputs(
        source / "imagesTr", tmp_path / "m", settings=opened.settings
    )
    assert len(found) == 7
    assert all(path.name.endswith("_0001.nii.gz") for path in found)
    whole = miniatures.decathlon(tmp_path) / "imagesTs" / "prostate_03.nii.gz"
    predict.predict_files(opened, [whole], tmp_path / "m")
    assert (tmp_path / "m" / whole.name).is_file()
