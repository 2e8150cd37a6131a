import csv
import dataclasses
import json
import logging
import pathlib
import types

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from dscl_tf import config, errors, networks, stages
from dscl_tf.cohort import preparation
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.stages import finetune, opening
from dscl_tf.training import checkpoints, loop, place_probe, run_folder, steps
from tests import interrupting, weights
from tests.small_stage import small_stage


@pytest.fixture()
def make_small_stage(cohort, tmp_path):
    """Makes settings of a small stage; fields of StageConfig may be given."""

    def make(stage: str, num_steps: int = 3, **fields) -> config.StageConfig:
        folder = fields.pop("workdir", tmp_path / stage)
        return small_stage(cohort, folder, stage, num_steps, **fields)

    return make


def write_volume(path: pathlib.Path, values: np.ndarray) -> None:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.5, 1.5, 8.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> pathlib.Path:
    """Seven labelled volumes: bright squares that move from slice to slice."""
    folder = tmp_path_factory.mktemp("stages")
    rng = np.random.default_rng(0)
    for number in range(7):
        depth = 5 + number % 2
        label = np.zeros([depth, 20, 18], np.uint8)
        for z in range(depth):
            label[z, 4 + z : 10 + z, 5:12] = 1
            label[z, 6 + z : 8 + z, 7:10] = 2
        image = 100.0 * label + rng.normal(50, 10, label.shape)
        name = f"case{number}.nii.gz"
        write_volume(folder / "images" / name, image.astype(np.float32))
        write_volume(folder / "labels" / name, label)
    return preparation.prepare(
        preparation.PreparationConfig(
            source=str(folder / "images"),
            labels=str(folder / "labels"),
            output=str(folder / "prepared"),
            num_workers=1,
            settings=config.PreprocessingConfig(
                size_px=(16, 16), spacing_mm=1.8, bias_correction=False
            ),
        )
    )


def metrics_of(folder: str, names=("train/loss", "validation/mean")) -> list:
    with (pathlib.Path(folder) / "metrics.csv").open() as file:
        return [row for row in csv.reader(file) if row[1] in names]


def with_strategy(stage: config.StageConfig, name: str) -> config.StageConfig:
    if stage.stage == "encoder":
        part = dataclasses.replace(stage.global_, strategy=config.GlobalStrategy(name))
        return dataclasses.replace(stage, global_=part)
    part = dataclasses.replace(stage.local, strategy=config.LocalStrategy(name))
    return dataclasses.replace(stage, local=part)


@pytest.fixture()
def chain(make_small_stage):
    """All three stages, each taking over the one before."""
    encoder = make_small_stage("encoder")
    decoder = make_small_stage("decoder", init=encoder.workdir)
    return [encoder, decoder, make_small_stage("finetune", init=decoder.workdir)]


def test_all_stages_one_after_the_other(chain, caplog):
    with caplog.at_level(logging.INFO):
        folders = stages.run(chain)
    for folder in folders:
        for name in ("config.json", "result.json", "log.txt", "metrics.csv"):
            assert (folder / name).stat().st_size > 0
    text = caplog.text
    assert "encoder" in text and "taken over" in text and "dropped" in text
    segmenter = run_folder.load_segmenter(folders[-1])
    assert segmenter.label_names == ("background", "class 1", "class 2")
    assert segmenter.model(np.zeros([1, 16, 16, 1], np.float32)).shape == (1, 16, 16, 3)
    # The decoder stage froze the encoder: weights and BatchNorm statistics.
    before, after = (
        weights.weights_of(chain[0].workdir),
        weights.weights_of(chain[1].workdir),
    )
    shared = [name for name in before if name.startswith("parts/encoder/")]
    assert len(shared) == 3 * 2 * 5
    for name in shared:
        if "OPTIMIZER_SLOT" not in name:
            np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.parametrize("kind", config.LossKind)
def test_fine_tuning_lowers_the_loss_that_was_chosen(make_small_stage, kind):
    settings = config.FinetuneConfig(batch_size=3, loss=kind)
    with opening.open_stage(make_small_stage("finetune", finetune=settings)) as opened:
        assembly = finetune.assemble(opened)
        batch = opened.batch_of(assembly.stream, 1)
        parts = assembly.parts
        levels = parts["encoder"](batch["image"], training=True)
        decoder = types.SimpleNamespace(get_layer=parts.get)
        features = networks.apply_blocks(decoder, levels, 2, training=True)
        expected = steps.loss_of_labels(
            parts["classifier"](features), batch["label"], opened.devices, kind
        )
        found = assembly.loss(batch)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_finished_stages_are_not_run_again(chain, monkeypatch, caplog):
    stages.run(chain[:1])
    monkeypatch.setattr(loop, "train", lambda training: pytest.fail("ran again"))
    with caplog.at_level(logging.INFO):
        stages.run(chain[:1])
    assert "is finished" in caplog.text


@pytest.mark.parametrize("strategy", ["gr", "gd_minus", "positional"])
def test_other_global_strategies(make_small_stage, strategy):
    stage = with_strategy(make_small_stage("encoder", num_steps=2), strategy)
    stages.run([stage])
    assert len(metrics_of(stage.workdir)) == 2


def test_ld_on_a_gr_encoder_and_finetuning_without_validation(make_small_stage):
    encoder = with_strategy(make_small_stage("encoder", num_steps=2), "gr")
    decoder = make_small_stage("decoder", num_steps=2, init=encoder.workdir)
    network = dataclasses.replace(decoder.network, local_head_units=5)
    decoder = dataclasses.replace(with_strategy(decoder, "ld"), network=network)
    finetune = make_small_stage(
        "finetune",
        num_steps=2,
        init=decoder.workdir,
        split=config.SplitConfig(num_train=2, num_validation=0, num_test=2),
    )
    stages.run([encoder, decoder, finetune])
    result = json.loads((pathlib.Path(finetune.workdir) / "result.json").read_text())
    # Without a validation volume the last weights are the result.
    assert result["checkpoint"] == "checkpoints/ckpt-2"


@pytest.mark.parametrize("name", ["encoder", "decoder", "finetune"])
def test_interrupted_and_resumed_equals_uninterrupted(
    make_small_stage, name, monkeypatch, tmp_path
):
    init = None
    if name != "encoder":
        encoder = make_small_stage("encoder", workdir=str(tmp_path / "before"))
        init = str(stages.run([encoder])[0])
    whole = make_small_stage(name, num_steps=5, init=init)
    cut = dataclasses.replace(whole, workdir=str(tmp_path / "cut"))
    interrupting.assert_resumed_is_the_same(whole, cut, after=3)
    assert metrics_of(cut.workdir) == metrics_of(whole.workdir)


@pytest.mark.parametrize(
    ("before", "after"), [("mixed_float16", "float32"), ("float32", "mixed_float16")]
)
def test_a_run_goes_on_in_another_precision(
    make_small_stage, before, after, monkeypatch, caplog
):
    """As the program advises where a loss is not finite."""
    stage = make_small_stage("encoder", num_steps=4)

    def in_precision(name):
        runtime = dataclasses.replace(stage.runtime, precision=name)
        return dataclasses.replace(stage, runtime=runtime)

    save = checkpoints.Checkpoints.save

    def save_and_fail(self, step):
        save(self, step)
        raise errors.UserError("stopped here")

    monkeypatch.setattr(checkpoints.Checkpoints, "save", save_and_fail)
    with pytest.raises(errors.UserError, match="stopped here"):
        stages.run([in_precision(before)])
    monkeypatch.setattr(checkpoints.Checkpoints, "save", save)
    record = json.loads((pathlib.Path(stage.workdir) / "config.json").read_text())
    assert record["computing"] == {"precision": before, "jit": False, "num_devices": 1}
    with caplog.at_level(logging.INFO):
        stages.run([in_precision(after)])
    assert "Going on at step 2 of 4" in caplog.text
    said = (
        f"The run began in {before}, XLA off, on 1 device(s), and goes on in {after},"
    )
    assert said in caplog.text
    assert "Cannot restore" not in caplog.text
    assert len(metrics_of(stage.workdir)) == 4


@pytest.mark.parametrize("same_places, warns", [(0.2, True), (2.0, False)])
def test_decoder_stage_tells_place_from_content(
    make_small_stage, monkeypatch, caplog, same_places, warns
):
    encoder = make_small_stage("encoder", num_steps=1)
    decoder = make_small_stage("decoder", num_steps=3, init=encoder.workdir)
    runtime = dataclasses.replace(decoder.runtime, panel_every=1)
    found = place_probe.PlaceLosses(0.1, same_places, 2.5)
    looked = place_probe.PlaceProbe.losses
    real = []

    def losses(self):
        real.append(looked(self))
        return found

    monkeypatch.setattr(place_probe.PlaceProbe, "losses", losses)
    with caplog.at_level(logging.INFO):
        stages.run([encoder, dataclasses.replace(decoder, runtime=runtime)])
    names = ("probe/two_views_loss", "probe/same_places_loss", "probe/chance")
    rows = metrics_of(decoder.workdir, names)
    assert [row[0] for row in rows] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    assert {row[1]: float(row[2]) for row in rows} == dict(
        zip(names, (0.1, same_places, 2.5))
    )
    # Said once, with the cure for the views that the run has.
    assert caplog.text.count("where regions lie, not what they show") == int(warns)
    assert ("--local_crop_side" in caplog.text) == warns
    assert all(0 < each.two_views < 10 and each.chance > 1 for each in real)


def test_best_weights_by_validation_dice_are_kept(make_small_stage, monkeypatch):
    scores, measured = iter([0.2, 0.9, 0.4]), set()

    def score(self):
        measured.add(self.names)
        return {"mean": next(scores)}

    monkeypatch.setattr("dscl_tf.training.validation.Validator.scores", score)
    stage = make_small_stage("finetune", num_steps=6)
    folder = stages.run([stage])[0]
    assert measured == {run_folder.RunFolder(folder).read_record().split.validation}
    result = json.loads((folder / "result.json").read_text())
    assert result == {
        "checkpoint": "best/ckpt-4",
        "steps": 6,
        "best_step": 4,
        "validation_dice": 0.9,
    }


def test_tensorboard_has_numbers_pictures_and_settings(make_small_stage):
    folder = stages.run([make_small_stage("finetune", num_steps=2)])[0]
    events = event_accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"train/loss", "train/grad_norm", "train/images_per_second"} <= tags
    assert {"train/learning_rate", "validation/class 1", "segmentation"} <= tags
    text = events.Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert '"num_train": 1' in text


def test_loss_that_is_not_finite_names_step_and_batch(make_small_stage, monkeypatch):
    original = loop._Meter.add

    def add(self, step, batches):
        original(self, step, batches)
        if len(self._training.monitor.seen) == 1:
            is_loss = [name == "loss" for name in self._names]
            self._steps[-1] = tf.where(is_loss, np.nan, self._steps[-1])
        self._training.monitor.seen.append(1)

    monkeypatch.setattr("dscl_tf.training.monitor.Monitor.seen", [], raising=False)
    monkeypatch.setattr(loop._Meter, "add", add)
    stage = make_small_stage("encoder")
    with pytest.raises(errors.UserError, match=r"nan at step 2\. .*case\d\[\d\]"):
        stages.run([stage])
    assert not (pathlib.Path(stage.workdir) / "result.json").exists()


def test_other_settings_in_a_run_folder_are_refused_with_the_difference(
    make_small_stage,
):
    stage = make_small_stage("encoder", num_steps=2)
    stages.run([stage])
    other = dataclasses.replace(stage, seed=7)
    with pytest.raises(errors.UserError, match=r"config\.seed was 0, is now 7"):
        stages.run([other])
    runtime = dataclasses.replace(stage.runtime, log_every=2)
    stages.run([dataclasses.replace(stage, runtime=runtime)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_blocks": 1, "region_size": 3}, "use --local_crop_side above"),
        (
            {"num_blocks": 1, "region_size": 9, "views": config.LocalViews.INTENSITY},
            "too small for regions of 9",
        ),
    ],
)
def test_regions_that_do_not_fit_are_refused_before_the_encoder_is_trained(
    chain, changes, message
):
    encoder, decoder, _ = chain
    local = dataclasses.replace(decoder.local, **changes)
    with pytest.raises(errors.UserError, match=message):
        stages.run([encoder, dataclasses.replace(decoder, local=local)])
    assert not pathlib.Path(encoder.workdir).exists()


def test_joint_regions_that_do_not_fit_are_refused_before_any_work(make_small_stage):
    encoder = make_small_stage("encoder")
    joint = config.FinetuneConfig(joint=JointConfig(local_weight=1.0))
    stage = make_small_stage("finetune", finetune=joint)
    local = dataclasses.replace(stage.local, num_blocks=1, region_size=3)
    with pytest.raises(errors.UserError, match="use --local_crop_side above"):
        stages.run([encoder, dataclasses.replace(stage, local=local)])
    assert not pathlib.Path(encoder.workdir).exists()


def test_decoder_stage_needs_an_encoder(make_small_stage, tmp_path):
    with pytest.raises(errors.UserError, match="needs a pre-trained encoder"):
        stages.run([make_small_stage("decoder")])
    missing = make_small_stage("decoder", init=str(tmp_path / "nowhere"))
    with pytest.raises(errors.UserError, match="not a finished run"):
        stages.run([missing])


def test_run_that_saw_test_volumes_is_refused(make_small_stage):
    all_volumes = config.SplitConfig(num_train=1, num_validation=1, num_test=0)
    encoder = make_small_stage("encoder", num_steps=2, split=all_volumes)
    stages.run([encoder])
    with pytest.raises(errors.UserError, match="2 volumes that are for testing"):
        stages.run([make_small_stage("finetune", init=encoder.workdir)])


def test_network_of_other_filters_is_refused(make_small_stage):
    encoder = make_small_stage("encoder", num_steps=2)
    stages.run([encoder])
    network = dataclasses.replace(encoder.network, filters=(4, 6, 10))
    finetune = make_small_stage("finetune", init=encoder.workdir, network=network)
    with pytest.raises(errors.UserError, match="do not fit this network"):
        stages.run([finetune])


def test_more_partitions_than_slices_names_the_volume(make_small_stage):
    part = config.GlobalConfig(num_partitions=6, batch_volumes=2)
    with pytest.raises(errors.UserError, match=r"Volume case\d has 5 slices"):
        stages.run([make_small_stage("encoder", global_=part)])
    # The mended command is not refused for the settings of the one that failed.
    stages.run([make_small_stage("encoder", num_steps=1)])


def test_segmenter_of_an_encoder_run_is_refused(make_small_stage):
    folder = stages.run([make_small_stage("encoder", num_steps=2)])[0]
    with pytest.raises(errors.UserError, match="only a fine-tuned run"):
        run_folder.load_segmenter(folder)


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(
    make_small_stage, caplog
):
    stage = make_small_stage("encoder", num_steps=4)
    folder = stages.run([stage])[0]
    (folder / "result.json").unlink()
    (folder / "checkpoints" / "ckpt-4.index").write_bytes(b"damaged")
    with caplog.at_level(logging.INFO):
        stages.run([stage])
    assert "Cannot restore" in caplog.text
    assert "Going on at step 2 of 4" in caplog.text


def test_a_volume_that_vanishes_during_a_run_is_named(make_small_stage, monkeypatch):
    def vanish(self, name):
        raise errors.UserError(f"Cannot read {name}.image.npy")

    monkeypatch.setattr("dscl_tf.cohort.prepared.PreparedCohort.slices", vanish)
    with pytest.raises(errors.UserError, match=r"Cannot read case\d"):
        stages.run([make_small_stage("encoder")])
