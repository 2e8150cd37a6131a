import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, networks
from dscl_tf.networks import blocks

SMALL = config.NetworkConfig(filters=(4, 6, 8), global_head_units=(10, 5))


def test_encoder_levels():
    encoder = networks.build_encoder(SMALL, (16, 24))
    shapes = [tuple(output.shape[1:]) for output in encoder.outputs]
    assert shapes == [(16, 24, 4), (8, 12, 6), (4, 6, 8)]


@pytest.mark.parametrize(("blocks", "shape"), [(1, (8, 12, 6)), (2, (16, 24, 4))])
def test_decoder_of_any_number_of_blocks(blocks, shape):
    decoder = networks.build_decoder(SMALL, (16, 24), blocks)
    assert tuple(decoder.output.shape[1:]) == shape
    assert decoder.get_layer(f"decoder_block_{blocks}")


def test_paper_network_has_the_design_s_shape():
    unet = networks.build_unet(config.NetworkConfig(), (192, 192), num_classes=4)
    decoder = networks.build_decoder(config.NetworkConfig(), (192, 192), 3)
    # The released feature maps of L^R, with l = 3: 48 x 48 x 64.
    assert tuple(decoder.output.shape[1:]) == (48, 48, 64)
    convolutions = [
        layer
        for part in ("encoder", "decoder")
        for layer in unet.get_layer(part)._flatten_layers()
        if isinstance(layer, tf.keras.layers.Conv2D)
    ]
    # Two a level in the encoder; three a block in the decoder.
    assert len(convolutions) == 6 * 2 + 5 * 3
    classifier = unet.get_layer("classifier")
    assert classifier.kernel_size == (3, 3)
    assert not classifier.use_bias


def test_batch_norm_is_as_it_is_set():
    network = dataclasses.replace(
        SMALL, batch_norm_momentum=0.9, batch_norm_epsilon=1e-4
    )
    layers = networks.build_encoder(network, (16, 16)).layers
    norms = [each for each in layers if hasattr(each, "moving_variance")]
    assert {(each.momentum, each.epsilon) for each in norms} == {(0.9, 1e-4)}


def test_unet_gives_float32_logits_under_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        unet = networks.build_unet(SMALL, (16, 16), num_classes=3)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    logits = unet(np.zeros([2, 16, 16, 1], np.float32))
    assert logits.dtype == tf.float32
    assert logits.shape == (2, 16, 16, 3)
    assert unet.get_layer("encoder").layers[1].compute_dtype == "bfloat16"


def test_refuses_sizes_that_do_not_halve():
    with pytest.raises(errors.UserError, match="multiples of 4"):
        networks.build_encoder(SMALL, (18, 16))


def test_refuses_instance_norm_of_maps_of_one_pixel():
    network = dataclasses.replace(SMALL, norm=config.NormKind.INSTANCE)
    with pytest.raises(errors.UserError, match=r"4x4 pixels.*single pixel.*norm=batch"):
        networks.build_encoder(network, (4, 4))
    network.check_size((4, 8))
    SMALL.check_size((4, 4))


def test_refuses_more_blocks_than_there_are():
    with pytest.raises(errors.UserError, match="1 to 2"):
        networks.build_decoder(SMALL, (16, 16), 3)


def test_global_head():
    head = networks.build_global_head(SMALL, (4, 6, 8))
    assert head.output.shape[1:] == (5,)
    assert [tuple(w.shape) for w in head.weights] == [(4 * 6 * 8, 10), (10, 5)]


def test_local_head_keeps_the_map():
    head = networks.build_local_head(SMALL, (8, 12, 6))
    assert head.output.shape[1:] == (8, 12, 6)


def test_local_head_dense_layer_acts_on_each_flattened_region():
    network = config.NetworkConfig(filters=(4, 6, 8), local_head_units=5)
    head = networks.build_local_head(network, (6, 7, 2), region_size=3)
    assert head.output.shape[1:] == (4, 5, 5)
    plain = tf.keras.Model(head.input, head.layers[-3].output)
    dense = head.layers[-2].kernel.numpy().reshape(-1, 5)
    features = np.random.default_rng(0).normal(size=[1, 6, 7, 2]).astype(np.float32)
    region = plain(features).numpy()[0, 2:5, 1:4].reshape(-1)
    np.testing.assert_allclose(head(features)[0, 2, 1], region @ dense, rtol=1e-4)


def test_doubling_convolution_is_upsampling_and_a_convolution():
    tf.keras.utils.set_random_seed(0)
    below = tf.random.normal([2, 3, 4, 5])
    layer = blocks.DoubledConv2D(6)
    with tf.GradientTape() as tape:
        tape.watch(below)
        found = layer(below)
        loss = tf.reduce_sum(found**2)
    gradients = tape.gradient(loss, [below, layer.kernel])
    with tf.GradientTape() as tape:
        tape.watch(below)
        large = tf.keras.layers.UpSampling2D()(below)
        expected = tf.nn.conv2d(large, layer.kernel, 1, "SAME")
        loss = tf.reduce_sum(expected**2)
    assert found.shape == (2, 6, 8, 6)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for one, other in zip(gradients, tape.gradient(loss, [below, layer.kernel])):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def _cloned(model, folder):
    return tf.keras.models.clone_model(model)


def _of_json(model, folder):
    return tf.keras.models.model_from_json(model.to_json())


def _saved_as(name):
    def loaded(model, folder):
        model.save(folder / name)
        return tf.keras.models.load_model(folder / name)

    return loaded


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
@pytest.mark.parametrize("norm", config.NormKind)
@pytest.mark.parametrize(
    "copy",
    [_cloned, _of_json, _saved_as("m.keras"), _saved_as("m.h5"), _saved_as("m")],
    ids=["clone", "json", "keras", "h5", "SavedModel"],
)
def test_keras_copies_and_saves_the_unet(copy, norm, tmp_path):
    unet = networks.build_unet(dataclasses.replace(SMALL, norm=norm), (16, 16), 3)
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    unet(images, training=True)  # Moves the statistics, too.
    found = copy(unet, tmp_path)
    if copy in (_cloned, _of_json):
        found.set_weights(unet.get_weights())
    np.testing.assert_array_equal(found(images), unet(images))
    names = [variable.name for variable in unet.variables]
    assert [variable.name for variable in found.variables] == names


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_loaded_unet_is_trained_and_saved_again(tmp_path):
    unet = networks.build_unet(SMALL, (16, 16), 3)
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    truth = (images[..., 0] > 0.5).astype(np.int32)
    unet.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(True))
    for path in (tmp_path / "first.keras", tmp_path / "second.h5"):
        before = unet.get_weights()
        unet.fit(images, truth, verbose=0)
        assert not np.array_equal(unet.get_weights()[0], before[0])
        unet.save(path)
        loaded = tf.keras.models.load_model(path)
        for one, other in zip(loaded.get_weights(), unet.get_weights()):
            np.testing.assert_array_equal(one, other)
        unet = loaded


def test_doubling_convolution_keeps_its_settings():
    layer = blocks.DoubledConv2D(
        6, name="up", trainable=False, dtype="mixed_bfloat16", kernel_initializer="ones"
    )
    layer.build([None, 3, 4, 5])
    copy = tf.keras.layers.deserialize(tf.keras.layers.serialize(layer))
    assert type(copy) is blocks.DoubledConv2D
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.trainable, copy.filters) == ("up", False, 6)
    assert copy.compute_dtype == "bfloat16"
    copy.build([None, 3, 4, 5])
    np.testing.assert_array_equal(copy.kernel, np.ones([2, 2, 5, 6]))


def test_names_of_variables_are_those_of_earlier_versions():
    block = tf.keras.Sequential([blocks.DoubledConv2D(6)])
    block.build([None, 3, 4, 5])
    (kernel,) = block.variables
    assert re.fullmatch(r"doubled_conv2d(_\d+)?/kernel:0", kernel.name)
    assert kernel.shape == (2, 2, 5, 6)


def test_with_instance_norm_an_image_is_alone():
    network = dataclasses.replace(SMALL, norm=config.NormKind.INSTANCE)
    unet = networks.build_unet(network, (16, 16), 3)
    assert not unet.non_trainable_variables
    images = np.random.default_rng(0).random((3, 16, 16, 1), np.float32)
    together = unet(images, training=True).numpy()
    np.testing.assert_allclose(unet(images, training=False), together, atol=1e-5)
    np.testing.assert_allclose(unet(images[1:2]), together[1:2], atol=1e-5)
    # Brightness and contrast of a whole image are nothing to it.
    np.testing.assert_allclose(unet(3 * images), together, atol=1e-2)


def test_instance_norm_of_a_blank_slice_has_a_gradient_in_half_precision():
    network = dataclasses.replace(SMALL, norm=config.NormKind.INSTANCE)
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        unet = networks.build_unet(network, (16, 16), 2)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    images[1] = 0
    with tf.GradientTape() as tape:
        loss = 1024.0 * tf.reduce_mean(tf.square(unet(images, training=True) - 1))
    for gradient in tape.gradient(loss, unet.trainable_variables):
        assert np.isfinite(gradient).all()
