"""Several channels of a subject, from the files to the masks."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import preparation, prepared
from dscl_tf.inference import channel_inputs, evaluate, export, predict, predictor
from dscl_tf.methods import settings as of_methods
from dscl_tf.methods import unlabelled  # noqa: F401  It registers nothing.
from dscl_tf.training import run_folder
from tests import miniatures
from tests.conftest import TINY_NETWORK

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


def two_channels(root, ends=("_0000", "_0001"), count=3):
    """A folder of images of two channels, and labels; the second is of noise."""
    for number in range(count):
        image, label = miniatures.subject(number, num_structures=2)
        for end, values in zip(ends, (image, 1000 - image)):
            path = root / "images" / f"case{number}{end}.nii.gz"
            miniatures.write(miniatures.volume(values), path)
        path = root / "labels" / f"case{number}.nii.gz"
        miniatures.write(miniatures.volume(label), path)
    return root / "images"


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
        (("T2", "0"), "say each once"),
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
    images = two_channels(tmp_path, ends)
    both = prepare(
        images, tmp_path / "b", channels=channels, labels=str(tmp_path / "labels")
    )
    assert [volume.name for volume in both.volumes] == ["case0", "case1", "case2"]
    assert all(volume.has_label for volume in both.volumes)
    first, second = np.moveaxis(both.slices("case1"), -1, 0)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.5


def test_a_missing_channel_is_a_row(tmp_path):
    images = two_channels(tmp_path)
    (images / "case1_0001.nii.gz").unlink()
    fields = {"channels": ("0", "1"), "labels": str(tmp_path / "labels")}
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
    settings = config.StageConfig(
        stage=name,
        prepared=str(cohort.folder),
        workdir=str(folder),
        network=dataclasses.replace(TINY_NETWORK, batch_norm_momentum=0.9),
        global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
        local=config.LocalConfig(
            num_partitions=2, batch_volumes=2, num_blocks=2, region_size=2, num_regions=4
        ),
        finetune=config.FinetuneConfig(batch_size=4, validate_every=2),
        optimizer=config.OptimizerConfig(num_steps=2),
        runtime=config.RuntimeConfig(
            precision="float32", log_every=1, checkpoint_every=2, panel_every=1
        ),
        split=config.SplitConfig(num_train=2, num_validation=1, num_test=2),
    )
    return dataclasses.replace(settings, **fields)


@pytest.fixture(scope="module")
def chain(cohort, tmp_path_factory):
    """Encoder, decoder and a fine-tuned run of two channels."""
    root = tmp_path_factory.mktemp("runs")
    encoder = stages.run_stage(make_stage(cohort, root / "e", "encoder"))
    decoder = stages.run_stage(
        make_stage(cohort, root / "d", "decoder", init=str(encoder))
    )
    return stages.run_stage(
        make_stage(cohort, root / "f", "finetune", init=str(decoder))
    )
