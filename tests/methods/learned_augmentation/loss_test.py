import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.methods import opponents
from dscl_tf.methods.adversarial import method as adversarial
from dscl_tf.methods.learned_augmentation import generators
from dscl_tf.methods.learned_augmentation import loss as augmentation
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.training import distribution, optimizers, steps

SIZE = (16, 16)
NETWORK = config.NetworkConfig(filters=(4, 6))
LEARNED = LearnedAugmentationConfig(True, 5, 2.0, 0.25)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def first_pixel(images, training):
    """A discriminator whose logit is the image's first pixel."""
    del training
    return images[:, 0, 0, 0]


def batch_of(count=3, seed=0, units=5):
    rng = np.random.default_rng(seed)
    image, other = rng.normal(size=[2, count, *SIZE, 1]).astype(np.float32)
    return {
        "image": tf.constant(image),
        "label": tf.constant(rng.integers(0, 3, [count, *SIZE]).astype(np.int32)),
        "unlabelled/image": tf.constant(other),
        "unlabelled/volume": tf.zeros([count], tf.int32),
        augmentation.LATENT: tf.constant(
            rng.normal(size=[count, 2, units]).astype(np.float32)
        ),
    }


def test_contest_is_the_mean_cross_entropy_of_both_kinds():
    first, second = np.zeros([2, 2, *SIZE, 1], np.float32)
    first[:, 0, 0, 0], second[:, 0, 0, 0] = [2.0, -1.0], [-3.0, -0.5]
    lost, accuracy = opponents.contest(first_pixel, first, second, 2, distribution.ONE)
    right = [sigmoid(2), sigmoid(-1), 1 - sigmoid(-3), 1 - sigmoid(-0.5)]
    np.testing.assert_allclose(lost, -np.mean(np.log(right)), rtol=1e-6)
    assert float(accuracy) == 0.75


def test_adversarial_loss_is_that_of_calling_the_unlabelled_labelled():
    unet = networks.build_unet(NETWORK, SIZE, 3)
    batch = batch_of()
    asked = []

    def judge(images, training):
        asked.append(images.numpy())
        return first_pixel(images, training)

    logits = unet(batch["image"], training=True)
    loss = adversarial.adversarial_loss(unet, judge, 0.5)
    found = loss({**batch, steps.LOGITS: logits})
    unlabelled = batch["unlabelled/image"].numpy()
    fooling = -np.log(sigmoid(unlabelled[:, 0, 0, 0])).mean()
    np.testing.assert_allclose(found["fooling_loss"], fooling, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], 0.5 * fooling, rtol=1e-5)
    own = np.log(sigmoid(batch["image"][:, 0, 0, 0])).mean()
    other = np.log(1 - sigmoid(unlabelled[:, 0, 0, 0])).mean()
    np.testing.assert_allclose(found["discriminator_loss"], -(own + other) / 2, 1e-5)
    # It sees the image and the probabilities of its classes.
    assert [images.shape for images in asked] == [(3, *SIZE, 4), (6, *SIZE, 4)]
    np.testing.assert_array_equal(asked[0][..., :1], unlabelled)
    np.testing.assert_allclose(asked[1][:3, ..., 1:], tf.nn.softmax(logits), rtol=1e-5)
    np.testing.assert_allclose(asked[1][..., 1:].sum(-1), 1, rtol=1e-5)


def fixed(field):
    """A generator that always makes the same field."""
    return lambda inputs, training: tf.broadcast_to(
        tf.constant(field, tf.float32), [len(inputs[0]), *SIZE, len(field)]
    )


def test_generated_images_and_labels_are_moved_together_then_brightened():
    batch = batch_of()
    maps = tf.one_hot(batch["label"], 3)
    # A displacement of (2, -1) shows the pixel at (row - 2, column + 1).
    made = augmentation.generate(
        augmentation.Generators(fixed([2.0, -1.0]), fixed([0.25])),
        batch["image"],
        maps,
        batch[augmentation.LATENT],
    )
    image = batch["image"].numpy()
    np.testing.assert_allclose(made.deformed[:, 2:, :-1], image[:, :-2, 1:], atol=1e-5)
    np.testing.assert_allclose(made.image, made.deformed + 0.25, atol=1e-6)
    np.testing.assert_allclose(made.label[:, 2:, :-1], maps[:, :-2, 1:], atol=1e-5)


def test_what_is_interpolated_from_unknown_is_unknown():
    batch = batch_of()
    maps = tf.one_hot(tf.zeros_like(batch["label"]), 3).numpy()
    maps[:, 4, :] = 0  # Rows of which no label is known.
    made = augmentation.generate(
        augmentation.Generators(fixed([0.5, 0.0]), fixed([0.0])),
        batch["image"],
        tf.constant(maps),
        batch[augmentation.LATENT],
    )
    total = made.label.numpy().sum(axis=-1)
    unknown = np.isin(np.arange(SIZE[0]), [4, 5])
    np.testing.assert_array_equal(total[:, unknown], 0)
    np.testing.assert_allclose(total[:, ~unknown], 1, rtol=1e-5)


def test_intensities_are_changed_in_sight_of_the_deformed_image():
    batch = batch_of()
    seen = []

    def intensity(inputs, training):
        seen.extend(inputs)
        return tf.zeros_like(inputs[0])

    made = augmentation.generate(
        augmentation.Generators(fixed([1.0, 0.0]), intensity),
        batch["image"],
        tf.one_hot(batch["label"], 3),
        batch[augmentation.LATENT],
    )
    np.testing.assert_array_equal(seen[0], made.deformed)
    np.testing.assert_array_equal(seen[1], batch[augmentation.LATENT][:, 1])


def test_losses_of_unchanged_images_are_those_of_the_images():
    unet = networks.build_unet(NETWORK, SIZE, 3)
    batch = batch_of()
    # Displacements of 0 and a change of nothing: the sizes are 0.
    still = augmentation.Generators(fixed([0.0, 0.0]), fixed([0.0]))
    found = augmentation.augmentation_loss(unet, still, first_pixel, LEARNED)(batch)
    dice = steps.finetune_loss(unet)(batch)["loss"]
    np.testing.assert_allclose(found["loss"], dice, rtol=1e-5)
    np.testing.assert_allclose(found["generated_loss"], dice, rtol=1e-5)
    fooling = -np.log(sigmoid(batch["image"][:, 0, 0, 0])).mean()
    np.testing.assert_allclose(found["generator_loss"], dice + 2 * fooling, rtol=1e-5)
    real = np.log(sigmoid(batch["unlabelled/image"][:, 0, 0, 0])).mean()
    made = np.log(1 - sigmoid(batch["image"][:, 0, 0, 0])).mean()
    lost = found["augmentation_discriminator_loss"]
    np.testing.assert_allclose(lost, -(real + made) / 2, rtol=1e-5)


def test_large_changes_are_rewarded():
    unet = networks.build_unet(NETWORK, SIZE, 3)
    found = [
        augmentation.augmentation_loss(
            unet,
            augmentation.Generators(fixed([3.0, -1.0]), fixed([-0.5])),
            first_pixel,
            LearnedAugmentationConfig(True, 5, 0.0, weight),
        )(batch_of())
        for weight in (0.0, 0.25)
    ]
    # The mean of |3| and |-1| pixels, and |-0.5|.
    assert float(found[0]["displacement_px"]) == pytest.approx(2.0)
    assert float(found[0]["intensity_change"]) == pytest.approx(0.5)
    difference = found[0]["generator_loss"] - found[1]["generator_loss"]
    assert float(difference) == pytest.approx(0.25 * 2.5, rel=1e-4)


def test_labels_may_be_maps():
    unet = networks.build_unet(NETWORK, SIZE, 3)
    batch = batch_of()
    maps = {**batch, "label": tf.one_hot(batch["label"], 3)}
    still = augmentation.Generators(fixed([1.5, 0.5]), fixed([0.0]))
    loss = augmentation.augmentation_loss(unet, still, first_pixel, LEARNED)
    np.testing.assert_array_equal(loss(batch)["loss"], loss(maps)["loss"])


def game(jit=False, precision="float32"):
    """A step of both methods at once, its models by name, and its players."""
    tf.keras.utils.set_random_seed(1)
    unet = networks.build_unet(NETWORK, SIZE, 3)
    made_by = augmentation.Generators(
        generators.build_deformation_generator(SIZE, 5),
        generators.build_intensity_generator(SIZE, 5),
    )
    judges = [opponents.build_discriminator(SIZE, c, f"judge_{c}") for c in (4, 1)]
    loss = steps.with_added(
        steps.finetune_loss(unet, with_logits=True),
        [
            adversarial.adversarial_loss(unet, judges[0], 0.01),
            augmentation.augmentation_loss(unet, made_by, judges[1], LEARNED),
        ],
    )
    makers = (made_by.deformation, made_by.intensity)
    players = {
        "discriminator_loss": judges[0].trainable_variables,
        "augmentation_discriminator_loss": judges[1].trainable_variables,
        "generator_loss": [v for m in makers for v in m.trainable_variables],
        "loss": unet.trainable_variables,
    }
    optimizer = optimizers.build(config.OptimizerConfig(), precision)
    return steps.make_step(loss, players, optimizer, jit), players, optimizer, loss


def test_each_player_moves_and_the_norm_is_of_the_segmenter():
    step, players, _, loss = game()
    batch = batch_of()
    with tf.GradientTape() as tape:
        total = loss(batch)["loss"]
    norm = tf.linalg.global_norm(tape.gradient(total, players["loss"]))
    step, players, _, _ = game()
    before = {name: [v.numpy() for v in of] for name, of in players.items()}
    scalars = step(batch)
    for name, variables in players.items():
        moved = [not np.array_equal(a, b) for a, b in zip(before[name], variables)]
        assert all(moved), name
    np.testing.assert_allclose(scalars["grad_norm"], norm, rtol=1e-4)
    assert not [name for name, value in scalars.items() if value.shape.rank]


def test_players_lower_their_own_losses():
    step, _, _, _ = game()
    found = [step(batch_of(seed=k % 2)) for k in range(30)]
    # Discriminators see the same few images again and again.
    for name in ("own_loss", "generated_loss", "augmentation_discriminator_loss"):
        values = [float(scalars[name]) for scalars in found]
        assert np.mean(values[-6:]) < np.mean(values[:6]), name


@pytest.mark.slow
def test_xla_gives_the_same_losses():
    plain, compiled = (game(jit)[0](batch_of()) for jit in (False, True))
    assert plain.keys() == compiled.keys()
    for name in plain:
        np.testing.assert_allclose(compiled[name], plain[name], rtol=2e-3, err_msg=name)


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def precision(request):
    tf.keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    tf.keras.mixed_precision.set_global_policy("float32")


def test_in_mixed_precision(precision):
    step, players, optimizer, _ = game(precision=precision)
    if precision == "mixed_float16":
        # At the first scale, 2^15, a network of random weights may overflow.
        optimizer._loss_scale._current_loss_scale.assign(64.0)
    before = [v.numpy() for v in players["generator_loss"]]
    scalars = step(batch_of())
    for name in players:
        assert scalars[name].dtype == tf.float32 and np.isfinite(scalars[name])
    moved = [
        not np.array_equal(a, b) for a, b in zip(before, players["generator_loss"])
    ]
    assert sum(moved) > 0.8 * len(moved)
