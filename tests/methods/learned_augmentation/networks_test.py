import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.methods import opponents
from dscl_tf.methods.learned_augmentation import generators

BUILDERS = {
    2: generators.build_deformation_generator,
    1: generators.build_intensity_generator,
}


def inputs(count, size, units=5, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.random([count, *size, 1]).astype(np.float32)
    return image, rng.normal(size=[count, units]).astype(np.float32)


def scaled_up(model, factor):
    """The same model with a larger last convolution."""
    kernel = model.trainable_variables[-1]
    kernel.assign(kernel * factor)
    return model


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", [(16, 16), (24, 40)])
def test_fields_have_the_images_size_and_depend_on_image_and_latent(channels, size):
    model = BUILDERS[channels](size, 5)
    image, latent = inputs(3, size)
    field = model([image, latent])
    assert field.shape == (3, *size, channels) and field.dtype == tf.float32
    assert float(tf.reduce_max(tf.abs(field))) > 0
    for other in ([image[::-1], latent], [image, latent[::-1]]):
        assert not np.allclose(model(other)[0], field[0], rtol=1e-3, atol=0)
    # Nothing of one image's field comes from another image.
    np.testing.assert_allclose(
        model([image[:1], latent[:1]])[0], field[0], rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("channels", [1, 2])
def test_the_first_changes_are_small(channels):
    # So that the segmenter starts on nearly unchanged images.
    field = np.abs(BUILDERS[channels]((32, 32), 5)(list(inputs(4, (32, 32)))))
    limit = {1: generators.MAX_INTENSITY_CHANGE, 2: generators.MAX_DISPLACEMENT * 32}
    assert 0 < field.max() < 0.2 * limit[channels]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_change_is_as_likely_as_its_opposite(channels):
    # So that no weights make the same change of every image.
    model = scaled_up(BUILDERS[channels]((16, 16), 5), 1e3)
    image, latent = inputs(3, (16, 16))
    field = model([image, latent])
    assert float(tf.reduce_mean(tf.abs(field))) > 0.1
    np.testing.assert_array_equal(model([image, -latent]), -field)


@pytest.mark.parametrize("channels", [1, 2])
def test_fields_are_bounded_whatever_the_weights(channels):
    size = (16, 64)
    model = scaled_up(BUILDERS[channels](size, 5), 1e4)
    field = np.abs(model(list(inputs(4, size)))).max(axis=(0, 1, 2))
    limit = generators.MAX_INTENSITY_CHANGE
    if channels == 2:
        limit = generators.MAX_DISPLACEMENT * np.array(size)
    # Cubic interpolation exceeds what it goes through by at most 5/4 each way.
    assert (field <= limit * 1.25**2).all() and (field > 0.5 * limit).all()


def test_deformations_are_smooth():
    size = (96, 96)
    model = scaled_up(generators.build_deformation_generator(size, 5), 1e4)
    field = model(list(inputs(2, size))).numpy()
    # From one limit to the other takes a cell of the grid, 16 pixels.
    limit = generators.MAX_DISPLACEMENT * 96
    steepest = 3.75 * limit / 16
    assert np.abs(np.diff(field, axis=1)).max() <= steepest * 1.01
    assert np.abs(np.diff(field, axis=1)).max() > 0.05 * steepest


def test_enlarging_is_cubic_interpolation():
    small = np.random.default_rng(0).normal(size=[2, 3, 5, 2]).astype(np.float32)
    found = generators.Enlarged((12, 10))(small)
    expected = tf.image.resize(small, [12, 10], "bicubic")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    same = generators.Enlarged((3, 5))(small)
    np.testing.assert_allclose(same, small, rtol=1e-6)


def test_discriminator_judges_each_image_alone():
    model = opponents.build_discriminator((16, 12), 3, "judge")
    images = np.random.default_rng(0).random([4, 16, 12, 3]).astype(np.float32)
    logits = model(images, training=True)
    assert logits.shape == (4,) and logits.dtype == tf.float32
    assert len(model.variables) == len(model.trainable_variables) == 10
    alone = model(images[2:3], training=True)
    np.testing.assert_allclose(alone[0], logits[2], rtol=1e-4, atol=1e-6)
    assert len(set(logits.numpy().round(7))) == 4


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def low_precision(request):
    tf.keras.mixed_precision.set_global_policy(request.param)
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


def test_what_leaves_in_low_precision_is_float32(low_precision):
    size = (16, 16)
    data = list(inputs(2, size))
    for channels, build in BUILDERS.items():
        field = build(size, 5)(data)
        assert field.dtype == tf.float32 and field.shape[-1] == channels
    judge = opponents.build_discriminator(size, 1, "judge")
    assert judge(data[0]).dtype == tf.float32
    assert judge.layers[1].compute_dtype != "float32"
