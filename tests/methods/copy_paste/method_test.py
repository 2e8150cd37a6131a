import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.methods.copy_paste import method
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.training import checkpoints, run_folder, steps
from tests import curves, interrupting


@pytest.fixture(scope="module")
def make(make_stage, tmp_path_factory):
    """A function to stages that go on from a fine-tuned run."""
    root = tmp_path_factory.mktemp("copy_paste")
    plain = config.FinetuneConfig(batch_size=3, validate_every=50)
    folder = stages.run([make_stage("finetune", root / "first", 6, finetune=plain)])[0]

    def of(name, num_steps=3, **settings):
        finetune = config.FinetuneConfig(
            batch_size=3,
            validate_every=50,
            copy_paste=CopyPasteConfig(1.0, **settings),
        )
        return make_stage(
            "finetune", root / name, num_steps, init=str(folder), finetune=finetune
        )

    return of


def test_boxes_of_two_thirds_change_sides_with_the_row():
    batch = {"image": tf.zeros([6, 12, 18, 1])}
    seen = set()
    for seed in range(20):
        found = method.with_boxes(2 / 3)(batch, tf.constant([seed, 3]))
        shown = found["rows_labelled"].numpy()
        boxes = np.where(np.arange(6)[:, None, None] % 2 == 1, ~shown, shown)
        for box in boxes:
            rows, columns = box.any(axis=1), box.any(axis=0)
            assert rows.sum() == 8 and columns.sum() == 12 and box.sum() == 96
            seen.add((rows.argmax(), columns.argmax()))
    assert {r for r, _ in seen} == set(range(5))
    assert {c for _, c in seen} == set(range(7))


def test_the_loss_is_of_true_labels_here_and_of_the_teachers_there():
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=[2, 4, 4, 3]), tf.float32)
    label = tf.constant(rng.integers(0, 3, [2, 4, 4]), tf.int32)
    said = tf.constant(rng.normal(size=[2, 4, 4, 3]), tf.float32)
    shown = tf.constant(rng.random([2, 4, 4]) < 0.5)
    batch = {
        "label": label,
        steps.logits_of(method.STREAM): logits,
        f"{method.STREAM}/image": tf.zeros([2, 4, 4, 1]),
        f"{method.STREAM}/rows_labelled": shown,
    }
    settings = CopyPasteConfig(2.0, pseudo_weight=0.25)
    found = method.copy_paste_loss(lambda images: said, 3, settings)(batch)

    def expected(labels, known):
        known = known.numpy()
        p = tf.nn.softmax(logits).numpy()[known]
        truth = np.eye(3)[labels.numpy()[known]]
        overlap, total = np.minimum(p, truth).sum(0), (p + truth).sum(0)
        entropy = -np.log((p * truth).sum(-1)).mean()
        return 0.5 * (1 - np.mean(2 * overlap / total) + entropy)

    of_true = expected(label, shown)
    of_said = expected(tf.argmax(said, -1), ~shown)
    assert float(found["pasted_labelled_loss"]) == pytest.approx(of_true, rel=1e-4)
    assert float(found["pasted_pseudo_loss"]) == pytest.approx(of_said, rel=1e-4)
    assert float(found["loss"]) == pytest.approx(
        2 * (of_true + 0.25 * of_said), rel=1e-4
    )


def test_it_learns_in_a_run(make):
    folder = stages.run([make("learns", 12)])[0]
    total, own, true, said = (
        np.array(curves.of_training(folder, name))
        for name in ("loss", "own_loss", "pasted_labelled_loss", "pasted_pseudo_loss")
    )
    np.testing.assert_allclose(total, own + true + 0.5 * said, rtol=1e-4)
    assert true[-4:].mean() < true[:4].mean()
    final = run_folder.RunFolder(folder).final_checkpoint()
    assert "copy_paste_teacher" in checkpoints.variables_by_part(final)


def test_interrupted_and_resumed_equals_uninterrupted(make):
    interrupting.assert_resumed_is_the_same(make("whole", 4), make("cut", 4), after=2)


def test_a_network_that_does_not_segment_is_refused(make_stage, tmp_path):
    added = config.FinetuneConfig(copy_paste=CopyPasteConfig(1.0))
    with pytest.raises(errors.UserError, match="start from a fine-tuned run; found"):
        stages.run([make_stage("finetune", tmp_path / "f", finetune=added)])
