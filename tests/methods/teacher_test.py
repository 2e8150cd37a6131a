import numpy as np

from dscl_tf import networks
from dscl_tf.methods import teacher
from tests import small_stage


def test_it_labels_in_inference_mode():
    unet = networks.build_unet(small_stage.TINY_NETWORK, (8, 8), 2)
    images = np.random.default_rng(0).random([2, 8, 8, 1], np.float32)
    before = unet.get_weights()
    found = teacher.make(None, unet, 0.0, "teacher").teach(images)
    for value, kept in zip(unet.get_weights(), before):
        np.testing.assert_array_equal(value, kept)
    np.testing.assert_array_equal(found, unet(images, training=False))
    assert np.abs(found - unet(images, training=True)).max() > 0.01
