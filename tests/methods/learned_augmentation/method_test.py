import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.methods.learned_augmentation import loss, method
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.pipeline import batches, sampling
from dscl_tf.training.stage_context import StageContext

SETTINGS = config.FinetuneConfig(
    batch_size=3,
    learned_augmentation=LearnedAugmentationConfig(True, latent_units=200),
)


@pytest.fixture
def labelled(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1"), 1)
    return batches.finetune_batches(tiny_cohort, table, SETTINGS)


@pytest.fixture
def with_latents(labelled, tiny_cohort):
    stage = config.StageConfig("finetune", "", "", finetune=SETTINGS)
    context = StageContext(stage, tiny_cohort, None, None, None, None)
    return labelled.then(method.change(context))


def test_each_labelled_image_has_a_latent(labelled, with_latents):
    plain, batch = (next(iter(s.open(0, 0, 1))) for s in (labelled, with_latents))
    latent = batch.pop(loss.LATENT).numpy()
    assert latent.shape == (3, 2, 200) and batch.keys() == plain.keys()
    assert abs(latent.mean()) < 0.1 and latent.std() == pytest.approx(1, abs=0.1)
    # Nothing else of the batch changes.
    for name, values in plain.items():
        np.testing.assert_array_equal(batch[name], values)


def test_latents_are_a_function_of_seed_and_step(with_latents):
    def of(seed, first, last):
        return [batch[loss.LATENT] for batch in with_latents.open(seed, first, last)]

    whole = of(0, 0, 3)
    np.testing.assert_array_equal(of(0, 2, 3)[0], whole[2])
    for other in (whole[1], of(1, 2, 3)[0]):
        assert float(tf.reduce_max(tf.abs(other - whole[2]))) > 0.1
