"""The result of fine-tuning as an average of the weights over its steps."""

import dataclasses

import numpy as np

from dscl_tf import config, networks, stages
from dscl_tf.methods import rounds
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.training import averaging, run_folder
from tests import interrupting, small_stage, weights


def averaged_stage(make_stage, folder, num_steps, decay=0.75):
    settings = config.FinetuneConfig(
        batch_size=3, validate_every=50, average_decay=decay
    )
    split = config.SplitConfig(num_train=1, num_validation=0, num_test=1)
    return make_stage("finetune", folder, num_steps, finetune=settings, split=split)


def kernel_of(folder, part):
    (name,) = (
        n
        for n in weights.weights_of(folder)
        if n.startswith(f"parts/{part}/") and "OPTIMIZER_SLOT" not in n
    )
    return weights.weights_of(folder)[name]


def test_the_result_is_the_average_of_what_was_learned(make_stage, tmp_path):
    learned = []
    for steps in (1, 2, 3):
        stage = averaged_stage(make_stage, tmp_path / f"s{steps}", steps)
        learned.append(kernel_of(stages.run([stage])[0], "classifier"))
    first, second, third = learned
    expected = 0.5 * first + 0.5 * second  # 1 - 1 / 2 of itself.
    expected = 2 / 3 * expected + 1 / 3 * third
    folder = tmp_path / "s3"
    found = kernel_of(folder, "average_classifier")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found - third).max() > 1e-5
    model = run_folder.load_segmenter(folder).model
    np.testing.assert_array_equal(model.get_layer("classifier").get_weights()[0], found)


def test_statistics_are_averaged_as_weights_are():
    average, source = (
        networks.build_unet(small_stage.TINY_NETWORK, (8, 8), 2) for _ in "12"
    )
    source(np.random.default_rng(0).random([2, 8, 8, 1], np.float32), training=True)
    averaging.follow(average, source, 0.75).after_step(1)
    for found, expected in zip(average.variables, source.variables):
        np.testing.assert_array_equal(found, expected)


def test_interrupted_and_resumed_equals_uninterrupted(make_stage, tmp_path):
    whole, cut = (
        averaged_stage(make_stage, tmp_path / name, 4) for name in ("whole", "cut")
    )
    interrupting.assert_resumed_is_the_same(whole, cut, after=2)


def test_what_goes_on_from_it_starts_as_the_average(make_stage, tmp_path):
    before = stages.run([averaged_stage(make_stage, tmp_path / "before", 3)])[0]
    for decay, name in ((0.0, "plain"), (0.75, "averaged")):
        stage = averaged_stage(make_stage, tmp_path / name, 1, decay)
        still = dataclasses.replace(stage.optimizer, learning_rate=1e-9)
        stage = dataclasses.replace(stage, init=str(before), optimizer=still)
        after = stages.run([stage])[0]
        found = kernel_of(after, "classifier")
        expected = kernel_of(before, "average_classifier")
        np.testing.assert_allclose(found, expected, atol=1e-7)
    # Its own average starts anew, as what it is the average of.
    np.testing.assert_array_equal(kernel_of(after, "average_classifier"), found)


def test_rounds_are_listed_in_order(make_stage, tmp_path):
    settings = config.FinetuneConfig(
        batch_size=3, pseudo_labels=PseudoLabelConfig(None, 0.5, True)
    )
    stage = make_stage("finetune", tmp_path / "finetune", 1, finetune=settings)
    stages.run(rounds.finetune_rounds(stage, 2))
    names = ["finetune_round_0", "finetune_round_1", "finetune"]
    assert list(run_folder.runs_in(tmp_path)) == names
