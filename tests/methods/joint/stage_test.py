import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, losses, networks, stages
from dscl_tf.methods import rounds
from dscl_tf.methods.class_contrast import loss as class_loss
from dscl_tf.methods.class_contrast import method as class_contrast
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.joint import method as joint
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.pipeline import batches, streams
from dscl_tf.stages import finetune, opening
from tests import curves, interrupting, weights

JOINT = {"joint": JointConfig(global_weight=0.5, local_weight=2.0)}
CONTRAST = {"class_contrast": ClassContrastConfig(0.5, 0.1, 8)}


@pytest.fixture()
def make(make_stage, tmp_path):
    """A function from fields of FinetuneConfig and StageConfig to a tiny stage."""

    def of(finetune, num_steps=3, folder="finetune", **fields):
        settings = config.FinetuneConfig(batch_size=4, validate_every=2, **finetune)
        return make_stage(
            "finetune", tmp_path / folder, num_steps, finetune=settings, **fields
        )

    return of


def test_joint_loss_is_the_weighted_sum(make):
    folder = stages.run([make(JOINT)])[0]
    names = ("loss", "own_loss", "global_loss", "local_loss")
    total, dice, global_, local = (
        np.array(curves.of_training(folder, n)) for n in names
    )
    np.testing.assert_allclose(total, dice + 0.5 * global_ + 2 * local, rtol=1e-5)
    assert (global_ > 0).all() and (local > 0).all()
    assert (
        len(curves.of_training(folder, "top1"))
        == len(curves.of_training(folder, "local_top1"))
        == 3
    )


@pytest.mark.parametrize(
    "fields, name, steps",
    [
        ({"joint": JointConfig(global_weight=10.0)}, "global_loss", 60),
        ({"joint": JointConfig(local_weight=10.0)}, "local_loss", 60),
        ({"class_contrast": ClassContrastConfig(10.0)}, "class_loss", 60),
    ],
)
def test_the_own_loss_falls(make, fields, name, steps):
    stage = make(fields, steps)
    stage = dataclasses.replace(
        stage,
        optimizer=config.OptimizerConfig(steps, learning_rate=0.01),
        finetune=dataclasses.replace(stage.finetune, validate_every=steps),
    )
    values = curves.of_training(stages.run([stage])[0], name)
    assert np.mean(values[-10:]) < 0.9 * np.mean(values[:10])


def test_the_contrastive_losses_are_those_of_the_stages_on_the_same_network(make):
    with opening.open_stage(make(JOINT)) as opened:
        unet = networks.build_unet(
            opened.config.network, opened.size_px, opened.cohort.num_classes
        )
        extra = joint.added_local(opened, unet)
        batch = next(iter(extra.streams["local"].open(0, 0, 1)))
        found = extra.loss({f"local/{key}": value for key, value in batch.items()})
        levels = unet.get_layer("encoder")(batch["image"], training=True)
        # One block of two: half the size of the slices.
        block = unet.get_layer("decoder").get_layer("decoder_block_1")
        features = block([levels[-1], levels[-2]], training=True)
        assert features.shape[1:3] == (8, 8)
        expected = losses.local_contrastive_loss(
            extra.parts["local_head"](features, training=True),
            batches.loss_ids(batch),
            "lr",
            losses.LocalRegions(2, batch["corners"]),
        )
        np.testing.assert_allclose(found["local_loss"], expected, rtol=1e-5)
        np.testing.assert_allclose(found["loss"], 2 * expected, rtol=1e-5)


def test_streams_of_a_step_draw_apart(make):
    with opening.open_stage(make({**JOINT, **CONTRAST})) as opened:
        assembly = finetune.assemble(opened)
        batch = next(iter(assembly.stream.open(0, 0, 1)))
    assert {key.split("/")[0] for key in batch if "/" in key} == {
        "global",
        "local",
        "classes",
    }
    assert not np.array_equal(batch["classes/image"], batch["image"])
    assert not np.array_equal(batch["global/image_id"][:4], batch["local/image_id"][:4])


def test_without_methods_it_is_the_stage_as_it_was(make):
    """The same weights as of a stage whose settings know none of them."""
    plain = make({}, folder="plain")
    with opening.open_stage(plain) as opened:
        assembly = finetune.assemble(opened)
        assert isinstance(assembly.stream, streams.Stream)
        assert list(assembly.players) == ["loss"]
        batch = next(iter(assembly.stream.open(0, 0, 1)))
        assert batch["label"].dtype == tf.int32
        assert set(assembly.loss(batch)) == {"loss"}
        names = set(assembly.parts)
    assert not names & {"global_head", "local_head", "class_head"}


def test_heads_of_the_stages_before_are_taken_over(make, make_stage, tmp_path, caplog):
    encoder = make_stage("encoder", tmp_path / "encoder", num_steps=1)
    stages.run([encoder])
    caplog.set_level("INFO")
    stages.run([make(JOINT, init=encoder.workdir)])
    rows = [line.split() for line in caplog.text.splitlines()]
    fates = {row[0]: " ".join(row[3:]) for row in rows if len(row) >= 4}
    assert fates["global_head"] == "taken over"
    assert fates["local_head"] == "fresh"


@pytest.mark.parametrize(
    "finetune, fields, message",
    [
        (
            {"joint": JointConfig(global_weight=1.0)},
            {"global_": config.GlobalConfig(config.GlobalStrategy.NONE)},
            "--joint_global_weight has no loss",
        ),
        (
            {"joint": JointConfig(local_weight=1.0)},
            {"local": config.LocalConfig(config.LocalStrategy.NONE)},
            "--joint_local_weight has no loss",
        ),
        (
            {"joint": JointConfig(local_weight=1.0)},
            {"local": config.LocalConfig(num_blocks=7)},
            "num_blocks must be 1 to 2",
        ),
    ],
)
def test_refusals(make, finetune, fields, message):
    with pytest.raises(errors.UserError, match=message):
        stages.run([make(finetune, **fields)])


def test_class_contrast_in_rounds(make):
    stage = make({**CONTRAST, "pseudo_labels": PseudoLabelConfig(None, 0.5, False)})
    stages.run(rounds.finetune_rounds(stage, 1))
    last = rounds.finetune_rounds(stage, 1)[1]
    (pathlib.Path(last.workdir) / "result.json").unlink()
    with opening.open_stage(last) as opened:
        unet = networks.build_unet(opened.config.network, opened.size_px, 2)
        extra = class_contrast.added(opened, unet)[0]
        train = set(opened.split.train)
        names = extra.streams["classes"].ids(0, 0)["volume"]
        assert sum(name in train for name in names) == 2 and len(names) == 4
        # The Dice loss has true labels alone.
        plain = finetune.assemble(opened).stream.ids(0, 0)["volume"]
        assert all(name in train for name in plain[:4])
    assert curves.of_training(last.workdir, "class_loss")


def test_labels_that_were_there_before_change_nothing(make, tmp_path):
    # As after an interruption between labelling and the first checkpoint.
    stage = make({**CONTRAST, "pseudo_labels": PseudoLabelConfig(None, 0.5, False)})
    last = rounds.finetune_rounds(stage, 1)[1]
    stages.run(rounds.finetune_rounds(stage, 1))
    again = dataclasses.replace(last, workdir=str(tmp_path / "again"))
    labels = pathlib.Path(last.workdir) / "pseudo_labels"
    shutil.copytree(labels, tmp_path / "again" / "pseudo_labels")
    stages.run([again])
    weights.assert_same(again.workdir, last.workdir)


def test_drawn_pixels_have_their_classes_vectors(make):
    with opening.open_stage(make(CONTRAST)) as opened:
        unet = networks.build_unet(opened.config.network, opened.size_px, 2)
        extra = class_contrast.added(opened, unet)[0]
        batch = next(iter(extra.streams["classes"].open(0, 0, 1)))
        found = extra.loss({f"classes/{key}": v for key, v in batch.items()})
        features = unet.get_layer("decoder")(
            unet.get_layer("encoder")(batch["image"], training=True), training=True
        )
        vectors = extra.parts["class_head"](features).numpy()
        slot, classes = batch["rows_slot"].numpy(), batch["slot_class"].numpy()
        drawn = slot >= 0
        expected = class_loss.class_contrastive_terms(
            vectors[drawn], classes[slot[drawn]], classes[slot[drawn]] > 0, 0.1
        )
    assert drawn.sum() == (classes >= 0).sum() > 8
    np.testing.assert_allclose(found["class_loss"], expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(found["loss"], 0.5 * expected["loss"], rtol=1e-4)


@pytest.mark.parametrize("mixup", [0.0, pytest.param(0.4, marks=pytest.mark.slow)])
def test_interrupted_and_resumed_equals_uninterrupted(make, tmp_path, mixup):
    fields = {**CONTRAST, "mixup": MixupConfig(mixup)}
    fields.update({} if mixup else JOINT)
    whole = make(fields, 5)
    cut = dataclasses.replace(whole, workdir=str(tmp_path / "cut"))
    interrupting.assert_resumed_is_the_same(whole, cut, after=3)


@pytest.mark.parametrize(
    "precision",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_in_mixed_precision(make, precision):
    runtime = config.RuntimeConfig(precision=precision, jit="off", log_every=1)
    stage = make({**JOINT, **CONTRAST, "mixup": MixupConfig(0.3)}, runtime=runtime)
    folder = stages.run([stage])[0]
    for name in ("loss", "global_loss", "local_loss", "class_loss"):
        assert np.isfinite(curves.of_training(folder, name)).all()


def test_settings_of_the_losses_decide_the_run(make):
    stage = make(JOINT)
    stages.run([stage])
    views = dataclasses.replace(stage.views, brightness=0.1)
    with pytest.raises(errors.UserError, match=r"views\.brightness was 0\.3"):
        stages.run([dataclasses.replace(stage, views=views)])


def test_config_of_an_earlier_version_is_read(make):
    folder = stages.run([make({})])[0]
    path = folder / "config.json"
    content = json.loads(path.read_text())
    for name in ("mixup", "pseudo_labels", "joint", "class_contrast"):
        del content["config"]["finetune"][name]
    path.write_text(json.dumps(content))
    assert stages.run([make({})]) == [folder]
