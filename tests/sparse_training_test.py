"""What is unknown takes no part in fine-tuning: real steps on sparse labels."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import preparation, prepared, splits
from dscl_tf.methods import labelled, rounds, unlabelled
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste import method as copy_paste
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.learned_augmentation import loss as learned
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.stages import opening
from dscl_tf.training import panels, run_folder, steps
from dscl_tf.training.stage_context import StageContext
from tests import curves
from tests.cohort import making

LABELLED = (1, 3)
IGNORED = 9


def make_cohort(root):
    """Volumes of which two slices are labelled, but for their left columns."""
    rng = np.random.default_rng(0)
    for k in range(6):
        label = np.zeros((5, 16, 16), np.uint8)
        label[:, 4:10, 5 + k % 3 : 12] = 1
        image = 100 * label + 30 * rng.random(label.shape).astype(np.float32)
        is_known = np.zeros(label.shape, bool)
        is_known[list(LABELLED), :, 7:] = True
        label[~is_known] = IGNORED
        for kind, values in (("images", image), ("labels", label)):
            path = root / kind / f"p{k}.nii.gz"
            making.write(path, values, spacing_mm=(2.0, 2.0, 8.0))
    return preparation.prepare(
        preparation.PreparationConfig(
            source=str(root / "images"),
            labels=str(root / "labels"),
            output=str(root / "out"),
            label_names=("disc",),
            ignore_label=IGNORED,
            num_workers=1,
            settings=config.PreprocessingConfig(
                size_px=(16, 16), spacing_mm=2.0, bias_correction=False
            ),
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("sparse"))


@pytest.fixture(scope="module")
def cohort(folder):
    return prepared.PreparedCohort.open(folder)


def test_unlabelled_slices_are_not_drawn(cohort, make_stage, folder, tmp_path):
    stage = make_stage("finetune", tmp_path, prepared=str(folder))
    split = splits.Split(pretrain=(), train=("p0", "p1"), validation=(), test=())
    context = StageContext(stage, cohort, split, None, None, None)
    stream = labelled.labelled_batches(context)
    drawn = {index for step in range(20) for index in stream.ids(0, step)["slice"]}
    assert drawn == set(LABELLED)
    for batch in stream.open(0, 0, 5):
        assert (batch["label"].numpy() <= 2).all()
        assert (batch["label"].numpy() == 2).any()


def test_unlabelled_slices_of_training_volumes_are_unlabelled_data(
    cohort, make_stage, folder, tmp_path
):
    uses_them = config.FinetuneConfig(batch_size=3, adversarial=AdversarialConfig(0.1))
    stage = make_stage("finetune", tmp_path, prepared=str(folder), finetune=uses_them)
    split = splits.Split(("p0", "p1", "p2"), ("p0", "p1"), (), ("p3",))

    def drawn(split):
        context = StageContext(stage, cohort, split, None, None, None)
        stream = unlabelled.unlabelled_batches(context)
        found = [stream.ids(0, step) for step in range(60)]
        return {pair for ids in found for pair in zip(ids["volume"], ids["slice"])}

    others = set(range(5)) - set(LABELLED)
    beside = {(name, k) for name in ("p0", "p1") for k in others}
    assert drawn(split) == beside | {("p2", k) for k in range(5)}
    # Of a validation volume nothing is drawn.
    assert drawn(dataclasses.replace(split, validation=("p2",))) == beside


def test_methods_do_with_unlabelled_slices_where_no_volume_is_unlabelled(
    make_stage, folder, tmp_path
):
    stage = make_stage(
        "finetune",
        tmp_path / "run",
        3,
        prepared=str(folder),
        finetune=config.FinetuneConfig(
            batch_size=3, consistency=ConsistencyConfig(1.0)
        ),
        split=config.SplitConfig(num_train=3, num_validation=2, num_test=1),
    )
    assert opening.without_methods_in_want(stage, lambda flag: False) == stage
    run = stages.run(rounds.with_rounds([stage], 0))[-1]
    assert np.isfinite(curves.of_training(run, "consistency_loss")).all()
    taught = config.FinetuneConfig(pseudo_labels=PseudoLabelConfig(as_targets=True))
    stage = dataclasses.replace(stage, finetune=taught, workdir=str(tmp_path / "other"))
    with pytest.raises(errors.UserError, match="--self_training_rounds needs unlabel"):
        stages.run(rounds.with_rounds([stage], 1))


def test_a_draw_without_a_labelled_slice_is_refused(
    cohort, make_stage, tmp_path, monkeypatch
):
    stage = make_stage("finetune", tmp_path)
    split = splits.Split(pretrain=(), train=("p0",), validation=(), test=())
    unknown = np.full((5, 16, 16), 2, np.uint8)
    monkeypatch.setattr(cohort, "label", lambda name: unknown)
    context = StageContext(stage, cohort, split, None, None, None)
    with pytest.raises(errors.UserError, match="No slice of p0 is labelled"):
        labelled.labelled_batches(context)


@pytest.mark.parametrize("kind", list(config.LossKind))
def test_the_gradient_is_0_where_nobody_labelled(kind):
    labels = tf.constant(np.random.default_rng(0).integers(0, 4, [2, 8, 8]), tf.int32)
    logits = tf.Variable(tf.random.stateless_normal([2, 8, 8, 3], [1, 2]))
    loss = steps.finetune_loss(
        lambda images, training: logits + 0 * images, kind=kind, has_unknown=True
    )
    with tf.GradientTape() as tape:
        lost = loss({"image": tf.zeros([2, 8, 8, 1]), "label": labels})["loss"]
    gradient = tape.gradient(lost, logits).numpy()
    is_unknown = labels.numpy() == 3
    assert not gradient[is_unknown].any()
    assert (np.abs(gradient[~is_unknown]).max(axis=-1) > 0).all()


METHODS = {
    "plain": {},
    "dice_ce": {"loss": config.LossKind.DICE_CE},
    "strong": {
        "augmentation": config.AugmentationConfig(
            kind=config.AugmentationKind.STRONGEST
        )
    },
    "mixup": {"mixup": MixupConfig(0.4)},
    "joint": {"joint": JointConfig(global_weight=0.5, local_weight=0.5)},
    "class_contrast": {"class_contrast": ClassContrastConfig(0.5)},
    "adversarial": {"adversarial": AdversarialConfig(0.1)},
    "learned_augmentation": {
        "learned_augmentation": LearnedAugmentationConfig(True, latent_units=8)
    },
    "consistency": {"consistency": ConsistencyConfig(1.0)},
    "copy_paste": {"copy_paste": CopyPasteConfig(1.0)},
    "average": {"average_decay": 0.9, "largest_component": True},
}


@pytest.fixture(scope="module")
def first(make_stage, folder, tmp_path_factory):
    """A fine-tuned run, that teachers start from."""
    root = tmp_path_factory.mktemp("first")
    plain = config.FinetuneConfig(batch_size=3, validate_every=2)
    stage = make_stage("finetune", root / "run", 2, finetune=plain)
    return stages.run([dataclasses.replace(stage, prepared=str(folder))])[0]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_from_sparse_labels(
    name, make_stage, folder, first, tmp_path
):
    finetune = config.FinetuneConfig(batch_size=3, validate_every=2, **METHODS[name])
    run = _run(make_stage, folder, tmp_path / name, finetune, init=str(first))
    losses = curves.of_training(run, "loss")
    assert len(losses) == 3 and np.isfinite(losses).all()
    assert run_folder.RunFolder(run).final_checkpoint()


def test_self_training_from_sparse_labels(make_stage, folder, first, tmp_path):
    finetune = config.FinetuneConfig(
        batch_size=3,
        validate_every=2,
        pseudo_labels=PseudoLabelConfig(str(first), 0.5, True),
        class_contrast=ClassContrastConfig(0.5),
    )
    run = _run(make_stage, folder, tmp_path / "students", finetune)
    assert np.isfinite(curves.of_training(run, "loss")).all()


def _run(make_stage, folder, workdir, finetune, **more):
    stage = make_stage("finetune", workdir, 3, finetune=finetune, **more)
    return stages.run([dataclasses.replace(stage, prepared=str(folder))])[0]


def test_pasted_pixels_that_nobody_labelled_have_no_gradient():
    labels = tf.constant(np.random.default_rng(0).integers(0, 4, [2, 8, 8]), tf.int32)
    logits = tf.Variable(tf.random.stateless_normal([2, 8, 8, 3], [1, 2]))
    batch = {
        "label": labels,
        f"{copy_paste.STREAM}/image": tf.zeros([2, 8, 8, 1]),
        f"{copy_paste.STREAM}/rows_labelled": tf.ones([2, 8, 8], tf.bool),
    }
    loss = copy_paste.copy_paste_loss(
        lambda images: tf.zeros([2, 8, 8, 3]), 3, CopyPasteConfig(1.0)
    )
    with tf.GradientTape() as tape:
        said = {steps.logits_of(copy_paste.STREAM): logits + 0}
        lost = loss({**batch, **said})["pasted_labelled_loss"]
    gradient = tape.gradient(lost, logits).numpy()
    is_unknown = labels.numpy() == 3
    assert not gradient[is_unknown].any() and gradient[~is_unknown].any()


def test_a_pixel_deformed_from_unknown_ones_is_unknown():
    def half_a_pixel(inputs, training):
        return 0.5 * tf.ones([1, 8, 8, 2])

    generators = learned.Generators(half_a_pixel, lambda inputs, training: 0.0)
    label = np.zeros([1, 8, 8], np.int32)
    label[..., 4:] = 2
    maps = tf.one_hot(label, 2)
    latent = tf.zeros([1, 2, 4])
    made = learned.generate(generators, tf.zeros([1, 8, 8, 1]), maps, latent)
    weights = made.label.numpy().sum(axis=-1)
    assert set(np.unique(weights.round(3))) == {0, 1}


def test_panels_show_what_is_unknown_in_grey():
    images = np.zeros([1, 16, 16], np.float32)
    prediction = np.zeros([1, 16, 16], np.int32)
    drawn = [
        panels.segmentation_panel(images, np.full_like(prediction, k), prediction, 2)
        for k in (0, 1, 2)
    ]
    grey = (drawn[2] == 105).all(axis=-1).sum()
    assert grey > 1000 and (drawn[1] == 105).all(axis=-1).sum() < 100
