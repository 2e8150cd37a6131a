"""The loss of consistency, value by value, and the views that it is of."""

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.methods.consistency import loss, views
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.training import steps

NUM_CLASSES = 3
SHAPE = (2, 4, 4)


@pytest.fixture
def batch():
    """Two slices that are each other's partners; the second view has no box."""
    rng = np.random.default_rng(0)
    # Sharp enough for some pixels to be known, and others not.
    said = tf.constant(2 * rng.normal(size=(*SHAPE, NUM_CLASSES)), tf.float32)
    shown = rng.normal(size=(2 * len(said), *SHAPE[1:], NUM_CLASSES))
    forgot = tf.constant(rng.normal(size=said.shape), tf.float32)
    box = np.zeros(SHAPE, bool)
    box[0, 1:3, :2] = box[1, :3, 3:] = True
    others = {
        "image": tf.zeros([*SHAPE, 1]),
        "volume": tf.constant([0, 1]),
        "step": tf.constant(5),
        "rows_partner": tf.constant([1, 0]),
        "rows_box_1": tf.constant(box),
        "rows_box_2": tf.zeros(SHAPE, tf.bool),
    }
    content = {f"{loss.STREAM}/{name}": each for name, each in others.items()}
    content[steps.logits_of(loss.STREAM)] = tf.constant(shown, tf.float32)
    return content, said, forgot


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def dice_loss(logits, labels):
    """1 minus the mean soft Dice of the classes, over pixels that are known."""
    known = labels < NUM_CLASSES
    p, truth = softmax(logits)[known], np.eye(NUM_CLASSES)[labels[known]]
    return 1 - np.mean(2 * np.minimum(p, truth).sum(0) / (p + truth).sum(0))


def labels_of(said, confidence):
    """The class of each pixel, and the same with NUM_CLASSES where it is not known."""
    p = softmax(said.numpy())
    chosen = p.argmax(-1)
    return chosen, np.where(p.max(-1) >= confidence, chosen, NUM_CLASSES)


@pytest.mark.parametrize("third_view", [False, True])
def test_the_value_by_hand(batch, third_view):
    content, said, forgot = batch
    settings = ConsistencyConfig(
        0.8, ramp_steps=10, confidence=0.7, feature_dropout=0.5 * third_view
    )
    found = loss.consistency_loss(lambda image: said, lambda _: forgot, settings)
    found = found(content)
    chosen, known = labels_of(said, 0.7)
    assert 0 < np.mean(known == NUM_CLASSES) < 1
    # In its box a view is the partner's slice, so are its labels.
    box = content[f"{loss.STREAM}/rows_box_1"].numpy()
    mixed = np.where(box, known[::-1], known)
    assert (mixed != known).any()
    first, second = np.split(content[steps.logits_of(loss.STREAM)].numpy(), 2)
    expected = (dice_loss(first, mixed) + dice_loss(second, known)) / 2
    if third_view:
        expected = (expected + dice_loss(forgot.numpy(), known)) / 2
    assert float(found["consistency_loss"]) == pytest.approx(expected, rel=1e-4)
    # Half of the ramp is behind.
    assert float(found["loss"]) == pytest.approx(0.8 * 0.5 * expected, rel=1e-4)
    share = np.sum((chosen > 0) & (known == chosen)) / np.sum(chosen > 0)
    assert float(found["known_foreground"]) == pytest.approx(share)


@pytest.mark.parametrize("ramp_steps, step", [(4, 5), (0, 0)])
def test_the_ramp_ends_at_the_weight(batch, ramp_steps, step):
    content, said, forgot = batch
    content = {**content, f"{loss.STREAM}/step": tf.constant(step)}
    settings = ConsistencyConfig(0.8, ramp_steps=ramp_steps, confidence=0.7)
    found = loss.consistency_loss(lambda image: said, lambda _: forgot, settings)
    found = found(content)
    assert float(found["loss"]) == pytest.approx(0.8 * float(found["consistency_loss"]))


def test_labels_are_no_way_for_gradients(batch):
    _, said, _ = batch
    with tf.GradientTape() as tape:
        tape.watch(said)
        chosen, known = loss.hard_labels(said, ConsistencyConfig(confidence=0.7))
        total = tf.reduce_sum(tf.cast(chosen + known, tf.float32))
    assert tape.gradient(total, said) is None


def test_what_lies_apart_from_the_main_piece_is_background():
    labels = np.zeros((1, 8, 10), int)
    labels[0, 1:4, 1:4], labels[0, 1:4, 4:6], labels[0, 6:8, 6:] = 1, 2, 1
    said = np.eye(NUM_CLASSES)[labels] * 9.0
    said[0, 1, 1] = 0.1, 0.2, 0.0  # Of the main piece, and not known.
    said[0, 7, 9] = 0.1, 0.2, 0.0  # Of the other one.
    settings = ConsistencyConfig(confidence=0.7, one_piece=True)
    chosen, known = loss.hard_labels(tf.constant(said, tf.float32), settings)
    np.testing.assert_array_equal(chosen, labels)
    expected = labels.copy()
    expected[0, 1, 1], expected[0, 6:] = NUM_CLASSES, 0
    np.testing.assert_array_equal(known, expected)
    _, known = loss.hard_labels(
        tf.constant(said, tf.float32), ConsistencyConfig(confidence=0.7)
    )
    expected = labels.copy()
    expected[0, 1, 1] = expected[0, 7, 9] = NUM_CLASSES
    np.testing.assert_array_equal(known, expected)


@pytest.mark.parametrize("sure", [0.52, 0.99])
@pytest.mark.parametrize("row", [2, 40])
def test_a_speck_makes_no_structure_background(row, sure):
    """It may be all that the slice has of its own structure."""
    labels, probability = np.zeros((1, 48, 48), int), np.full((1, 48, 48), 0.99)
    labels[0, 14:34, 14:34], labels[0, row, 3], probability[0, row, 3] = 3, 1, sure
    others = (1 - probability[..., None]) / 3
    said = np.where(np.eye(4)[labels] == 1, probability[..., None], others)
    settings = ConsistencyConfig(confidence=0.95, one_piece=True)
    _, known = loss.hard_labels(tf.constant(np.log(said), tf.float32), settings)
    np.testing.assert_array_equal(known.numpy() == 3, labels == 3)


@pytest.fixture(scope="module")
def viewed():
    """Views of slices that tell themselves apart by their intensity."""
    levels = tf.constant([1.0, 10.0, 100.0, 1000.0])[:, None, None, None]
    batch = {"image": levels * tf.ones([4, 48, 48, 1])}
    transform = tf.function(views.make(False, 0.0, 1.0))
    return transform(batch, tf.constant([3, 4]))


def test_a_box_shows_the_partners_view_and_the_rest_its_own(viewed):
    partner = viewed["rows_partner"].numpy()
    assert sorted(partner) == [0, 1, 2, 3] and (partner != np.arange(4)).all()
    for number in views.NUMBERS:
        image = viewed[f"rows_strong_{number}"].numpy()[..., 0]
        box = viewed[f"rows_box_{number}"].numpy()
        for row in range(4):
            # Factors of brightness are 0.5 to 1.5: the decade tells the slice. The
            # borders of weak views may be darker, since warps show what is outside.
            inside, outside = image[row][box[row]], image[row][~box[row]]
            assert np.floor(np.log10(inside.max() / 0.45)) == partner[row]
            assert np.floor(np.log10(outside.max() / 0.45)) == row


def test_a_box_shows_the_strong_view_not_the_weak_one(viewed):
    partner = viewed["rows_partner"].numpy()
    for number in views.NUMBERS:
        image = viewed[f"rows_strong_{number}"].numpy()[..., 0]
        box = viewed[f"rows_box_{number}"].numpy()
        # Outside the partner's own box, its strong view is what it shows there.
        seen = box & ~box[partner]
        assert seen.any()
        np.testing.assert_array_equal(image[seen], image[partner][seen])


def test_strong_views_are_drawn_apart(viewed):
    first, second = (viewed[f"rows_strong_{k}"].numpy()[..., 0] for k in (1, 2))
    boxes = [viewed[f"rows_box_{k}"].numpy() for k in (1, 2)]
    for row in range(4):
        own = ~boxes[0][row] & ~boxes[1][row]
        assert (boxes[0][row] != boxes[1][row]).any()
        assert not np.allclose(first[row][own], second[row][own], rtol=0.01)


def test_weak_views_keep_intensities(viewed):
    weak = viewed["image"].numpy()[:, 16:32, 16:32, 0]
    for row, level in enumerate((1, 10, 100, 1000)):
        np.testing.assert_allclose(weak[row], level, rtol=1e-5)


def test_boxes_are_of_the_stated_areas_and_whole():
    boxes = views.draw_boxes(tf.constant([1, 2]), 400, (40, 60), 0.5).numpy()
    drawn = boxes[boxes.any(axis=(1, 2))]
    assert 160 < len(drawn) < 240
    shares, aspects = [], []
    for box in drawn:
        rows, columns = box.any(axis=1), box.any(axis=0)
        assert (box == rows[:, None] & columns).all()  # One rectangle.
        for side in (rows, columns):
            filled = np.flatnonzero(side)
            assert len(filled) == filled[-1] - filled[0] + 1
        shares.append(box.mean())
        aspects.append(rows.sum() / columns.sum())
    # 2 to 40 % of the image, but for the rounding of sides.
    assert 0.012 < min(shares) < 0.06 and 0.34 < max(shares) < 0.43
    # Height by width is 0.3 to 3.3, and as often above 1 as below.
    assert 0.2 < min(aspects) < 0.4 and 2.5 < max(aspects) < 5
    assert 0.4 < np.mean(np.array(aspects) > 1) < 0.6


def test_intensities_change_by_factors_within_their_range():
    images = tf.ones([600, 8, 8, 1])  # Contrast and blur change nothing here.
    found = views.change_intensity(images, tf.constant([5, 6])).numpy()[:, 0, 0, 0]
    same = np.isclose(found, 1)
    assert 0.15 < same.mean() < 0.25
    assert found.min() > 0.499 and found.max() < 1.501
    assert found.min() < 0.52 and found.max() > 1.48
    rng = np.random.default_rng(0)
    two = tf.constant(rng.random([300, 16, 16, 2]), tf.float32)
    changed = views.change_intensity(two, tf.constant([5, 6])).numpy()
    spread = changed.std(axis=(1, 2)) / changed.mean(axis=(1, 2))
    # Contrast moves the spread either way; channels are drawn each by itself.
    usual = two.numpy().std() / two.numpy().mean()
    assert (spread < 0.9 * usual).any() and (spread > 1.1 * usual).any()
    assert not np.allclose(spread[:, 0], spread[:, 1], rtol=0.2)


def test_brightness_and_contrast_are_drawn_apart():
    # Two halves, which blur changes only where they meet.
    halves = np.where(np.arange(40) < 20, 0.9, 1.1)[None, None, :, None]
    images = tf.constant(halves * np.ones([600, 8, 40, 1]), tf.float32)
    found = views.change_intensity(images, tf.constant([5, 6])).numpy()[:, 4, :, 0]
    brightness = (found[:, 5] + found[:, 35]) / 2
    contrast = (found[:, 35] - found[:, 5]) / 0.2 / brightness
    assert brightness.std() > 0.2 and contrast.std() > 0.2
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.15


def test_half_of_the_strong_views_are_blurred():
    rng = np.random.default_rng(0)
    texture = tf.constant(rng.random([300, 16, 16, 1]), tf.float32)
    changed = views.change_intensity(texture, tf.constant([5, 6]))

    def roughness(images):
        # Brightness and contrast change both in the same proportion.
        return tf.image.total_variation(images) / tf.math.reduce_std(images, [1, 2, 3])

    ratio = (roughness(changed) / roughness(texture)).numpy()
    assert ratio.max() < 1.001
    # Widths of less than about 0.4 of the 0.1 to 2 pixels cannot be seen.
    assert 0.35 < (ratio < 0.95).mean() < 0.55
