import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dscl_tf import config, errors, stages
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.pipeline import batches
from dscl_tf.stages import finetune, opening
from dscl_tf.training import records, run_folder
from tests import curves, interrupting, weights

ADVERSARIAL = {"adversarial": AdversarialConfig(0.01)}
LEARNED = {"learned_augmentation": LearnedAugmentationConfig(True, 5)}
BOTH = {**ADVERSARIAL, **LEARNED}


@pytest.fixture()
def make(make_stage, tmp_path):
    """A function from fields of FinetuneConfig and StageConfig to a tiny stage."""

    def of(finetune, num_steps=3, folder="finetune", **fields):
        settings = config.FinetuneConfig(batch_size=3, validate_every=50, **finetune)
        return make_stage(
            "finetune", tmp_path / folder, num_steps, finetune=settings, **fields
        )

    return of


def test_both_methods_add_their_losses_and_learn(make):
    folder = stages.run([make(BOTH, 25)])[0]
    names = ("loss", "own_loss", "fooling_loss", "generated_loss")
    total, dice, fooling, generated = (
        np.array(curves.of_training(folder, n)) for n in names
    )
    np.testing.assert_allclose(total, dice + 0.01 * fooling + generated, rtol=1e-4)
    assert np.mean(generated[-6:]) < np.mean(generated[:6])
    for name in ("discriminator_loss", "augmentation_discriminator_loss"):
        assert len(curves.of_training(folder, name)) == 25
    assert np.isfinite(curves.of_training(folder, "generator_loss")).all()
    saw = records.from_json(json.loads((folder / "config.json").read_text()), "c")
    assert not saw.volumes_learned_from() & set(saw.split.test)
    # Its opponents are no part of the segmenter.
    assert run_folder.load_segmenter(folder).model.output_shape[-1] == 2


def test_without_methods_it_is_the_stage_as_it_was(make):
    with opening.open_stage(make({})) as opened:
        assembly = finetune.assemble(opened)
        assert isinstance(assembly.stream, batches.Stream)
        assert list(assembly.players) == ["loss"]
        batch = next(iter(assembly.stream.open(0, 0, 1)))
        assert set(assembly.loss(batch)) == {"loss"}


def test_unlabelled_slices_are_of_no_labelled_nor_test_volume(make):
    with opening.open_stage(make(BOTH)) as opened:
        assembly = finetune.assemble(opened)
        split = opened.split
        ids = [assembly.stream.ids(0, step) for step in range(20)]
        seen = {name for found in ids for name in found["volume"]}
    assert seen - set(split.train) <= set(split.pretrain) - set(split.validation)
    assert not seen & set(split.test) and len(seen) > 1
    assert set(assembly.players) == {
        "loss",
        "discriminator_loss",
        "generator_loss",
        "augmentation_discriminator_loss",
    }


@pytest.mark.parametrize("method", [ADVERSARIAL, LEARNED])
def test_no_unlabelled_volume_is_refused(make, method):
    split = config.SplitConfig(num_train=3, num_validation=2, num_test=1)
    with pytest.raises(errors.UserError, match="needs unlabelled volumes, but all 5"):
        stages.run([make(method, split=split)])


def test_pictures_show_image_deformation_and_intensities(make):
    with opening.open_stage(make(LEARNED)) as opened:
        assembly = finetune.assemble(opened)
        shown = {}

        class Shown:
            def picture(self, done, name, pixels):
                shown[name, done] = pixels

        hooks = assembly.make_hooks(Shown(), None)
        hooks[-1].action(2)
    pixels = shown["generated", 2]
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and pixels.std() > 0


def test_interrupted_and_resumed_equals_uninterrupted(make, tmp_path):
    whole = make(BOTH, 4)
    cut = dataclasses.replace(whole, workdir=str(tmp_path / "cut"))
    interrupting.assert_resumed_is_the_same(whole, cut, after=2)
    names = weights.weights_of(cut.workdir)
    assert any("intensity_generator" in name for name in names)


def test_settings_decide_the_run(make):
    stages.run([make(ADVERSARIAL, 1)])
    with pytest.raises(errors.UserError, match=r"adversarial\.weight was 0\.01"):
        stages.run([make({"adversarial": AdversarialConfig(0.1)}, 1)])
    other = config.SplitConfig(
        num_train=1, num_validation=1, num_test=1, num_pretrain=3
    )
    with pytest.raises(errors.UserError, match=r"split\.pretrain"):
        stages.run([make(ADVERSARIAL, 1, split=other)])


def test_config_of_an_earlier_version_is_read(make):
    folder = stages.run([make({}, 1)])[0]
    path = folder / "config.json"
    content = json.loads(path.read_text())
    for name in ("adversarial", "learned_augmentation"):
        del content["config"]["finetune"][name]
    path.write_text(json.dumps(content))
    assert stages.run([make({}, 1)]) == [folder]


@pytest.mark.slow
def test_two_devices_give_what_one_gives(tiny_folder, tmp_path):
    script = pathlib.Path(__file__).with_name("mirrored_opponents.py")
    command = [sys.executable, str(script), str(tiny_folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("loss", "discriminator_loss", "generator_loss", "displacement_px"):
        one, two = (
            curves.of_training(tmp_path / kind, name) for kind in ("none", "mirrored")
        )
        assert len(one) == 3
        np.testing.assert_allclose(two, one, rtol=2e-4, err_msg=name)
