import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.methods.pretext import changes
from dscl_tf.training import distribution

SEED = tf.constant([3, 4])
TASK = config.PretextTask


def settings(task, **fields):
    return config.PretextConfig(task=task, batch_size=8, **fields)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 2, (3, 40, 40, 1)).astype(np.float32)
    return {"image": tf.constant(images), "volume": tf.constant([5, 6, 7])}


def test_rotation_has_each_slice_in_all_four(batch):
    found = changes.change(batch, SEED, settings(TASK.ROTATION))
    images, label = found["image"].numpy(), found["label"].numpy()
    assert sorted(zip(found["volume"].numpy(), label)) == [
        (volume, turns) for volume in (5, 6, 7) for turns in range(4)
    ]
    for image, turns, source in zip(images, label, found["volume"].numpy() - 5):
        expected = np.rot90(batch["image"].numpy()[source], turns)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("num_replicas", [2, 3])
def test_each_device_gets_all_rotations(batch, num_replicas):
    # BatchNorm of a device that has one rotation alone would tell which it is.
    label = changes.change(batch, SEED, settings(TASK.ROTATION))["label"].numpy()
    bounds = distribution.row_bounds(len(label), num_replicas)
    for start, end in zip(bounds, bounds[1:]):
        assert set(label[start:end]) == {0, 1, 2, 3}


def test_rotation_needs_a_multiple_of_four():
    assert changes.num_slices(settings(TASK.ROTATION)) == 2
    assert changes.num_slices(settings(TASK.INPAINTING)) == 8
    bad = dataclasses.replace(settings(TASK.ROTATION), batch_size=6)
    with pytest.raises(errors.UserError, match=r"--pretext_batch_size .* found 6"):
        changes.num_slices(bad)


def test_inpainting_empties_boxes_and_nothing_else(batch):
    found = changes.change(batch, SEED, settings(TASK.INPAINTING, num_boxes=1))
    weight = found["rows_weight"].numpy()
    np.testing.assert_array_equal(found["label"], batch["image"])
    expected = np.where(weight == 1, 0, batch["image"].numpy())
    np.testing.assert_array_equal(found["image"], expected)
    for mask in weight[..., 0]:
        # One box: its rows and columns, 15 to 30 % of 40 pixels, are all of the mask.
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        np.testing.assert_array_equal(mask, np.outer(rows, columns))
        assert 5 <= rows.sum() <= 13 and 5 <= columns.sum() <= 13
    assert not np.array_equal(weight[0], weight[1])


def test_boxes_reach_all_of_the_slice():
    sizes = config.PretextConfig(box_fraction=(0.3, 0.3), num_boxes=1)
    masks = changes.random_boxes(SEED, tf.TensorShape([600, 20, 20, 1]), sizes)
    share = masks.numpy().mean(axis=0)[..., 0]
    assert share[0, 0] > 0 and share[-1, -1] > 0
    # The middle is in a box of 6 of 20 pixels for 6 of the 14 starts, each way.
    np.testing.assert_allclose(share[10, 10], (6 / 14) ** 2, atol=0.06)
    np.testing.assert_allclose(masks.numpy().sum(axis=(1, 2, 3)), 36, atol=13)


def test_context_restoration_swaps_pairs_of_patches(batch):
    # Patches of 4 of 40 pixels: 20 of them changed places, none lost or copied.
    found = changes.change(batch, SEED, settings(TASK.CONTEXT_RESTORATION))
    np.testing.assert_array_equal(found["label"], batch["image"])
    np.testing.assert_array_equal(found["rows_weight"], np.ones((3, 40, 40, 1)))
    for before, after in zip(batch["image"].numpy(), found["image"].numpy()):
        assert (before != after).sum() == 20 * 16
        np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
        moved = np.argwhere(before[..., 0] != after[..., 0])
        where = {tuple(before[r, c]): (r, c) for r, c in moved}
        for row, column in moved:
            # Where its new content came from, its old content went to.
            source = where[tuple(after[row, column])]
            assert after[source] == before[row, column]


def test_the_grid_of_patches_is_moved_for_each_image():
    # Each pixel is unlike all others; patches of 10 of 40 pixels.
    image = np.arange(1600, dtype=np.float32).reshape(40, 40, 1)
    sizes = settings(TASK.CONTEXT_RESTORATION, num_swaps=1, patch_fraction=0.25)
    images = np.stack([image] * 300)
    found = changes.swap_patches(tf.constant(images), SEED, sizes).numpy()
    moved = [np.argwhere(each) for each in (found != images)[..., 0]]
    assert [len(each) for each in moved] == [200] * 300
    for axis in (0, 1):
        assert {each[:, axis].min() % 10 for each in moved} == {*range(10)}
        assert min(each[:, axis].min() for each in moved) == 0
        assert max(each[:, axis].max() for each in moved) == 39


def test_changes_are_functions_of_the_seed(batch):
    for task in (TASK.INPAINTING, TASK.CONTEXT_RESTORATION):
        first = changes.change(batch, SEED, settings(task))["image"]
        again = changes.change(batch, SEED, settings(task))["image"]
        other = changes.change(batch, SEED + 1, settings(task))["image"]
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_more_swaps_than_patches_is_refused():
    with pytest.raises(errors.UserError, match=r"50 swaps .* have 81 of 4"):
        changes.grid_of_patches(
            settings(TASK.CONTEXT_RESTORATION, num_swaps=50), (40, 40)
        )
    # 9 by 10 patches are enough for 45.
    enough = settings(TASK.CONTEXT_RESTORATION, num_swaps=45)
    assert changes.grid_of_patches(enough, (40, 44)) == (4, 9, 10)
