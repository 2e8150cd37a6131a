"""The views of unlabelled slices: a weak one, and two strong ones made from it."""

import dataclasses
import math

import tensorflow as tf

from dscl_tf.pipeline import boxes, intensity, strong
from dscl_tf.pipeline.streams import Batch, BatchChange

# The warps of UniMatch and similar methods, and a little scale, shift and elasticity.
WEAK = strong.WarpRanges(20.0, 1.0, (0.85, 1.2), 1.0, 0.06, 0.5)
_FACTOR = (0.5, 1.5)  # Of brightness and of contrast.
_FACTOR_PROBABILITY = 0.8
_BLUR_PX = (0.1, intensity.MAX_BLUR_PX)
_BLUR_PROBABILITY = 0.5
_AREA = (0.02, 0.4)  # Of a CutMix box, as a share of the image.
_ASPECT = (0.3, 1 / 0.3)  # Its height divided by its width.
NUMBERS = (1, 2)  # Of the strong views.


def make(flip: bool, elastic_sigma: float, cutmix_probability: float) -> BatchChange:
    """Makes the change from slices to a weak view and two strong ones.

    Args:
      flip: whether some slices are mirrored left-right.
      elastic_sigma: of the elastic warp, as a fraction of the side.
      cutmix_probability: of a strong view to have a box from that of another slice.

    Returns:
      A change of batches that gives "image", the weak view; "rows_strong_1" and
      "rows_strong_2", float32 [N, H, W, C]; "rows_box_1" and "rows_box_2", bool
      [N, H, W], where these show another slice: that in row "rows_partner", int32 [N],
      of the whole batch; "rows_number", int32 [N], the slice's own row; "seed",
      int32 [2].
    """

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        seeds = tf.random.split(seed, 4)
        image = batch["image"]
        count, size = image.shape[0], image.shape[1:3]
        ranges = dataclasses.replace(WEAK, flip=flip, elastic_sigma=elastic_sigma)
        # Dummy labels, since the warp needs some.
        labels = tf.zeros(image.shape[:3], tf.int32)
        weak, _ = strong.warp(image, labels, seeds[0], ranges, 1)
        numbers = tf.range(count)
        # Never the slice itself, if there are two or more.
        step = tf.random.stateless_uniform([], seeds[1], 1, max(count, 2), tf.int32)
        partner = (numbers + step) % count
        found = {"image": weak, "rows_partner": partner, "rows_number": numbers}
        for number in NUMBERS:
            of_view = tf.random.split(seeds[number + 1], 3)
            view = change_intensity(weak, of_view[0])
            box = draw_boxes(of_view[1], count, size, cutmix_probability)
            found[f"rows_box_{number}"] = box
            found[f"rows_strong_{number}"] = tf.where(
                box[..., None], tf.gather(view, partner), view
            )
        return {**batch, **found, "seed": seed}

    return transform


def change_intensity(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast and blur of a strong view, float32 [N, H, W, C].

    The amounts are drawn for each channel by itself. Brightness is a factor: adding to
    intensities of about [0, 1] would move BatchNorm's statistics away from those of the
    labelled slices.
    """
    return intensity.of_channels(images, lambda each: _changed(each, seed))


def _changed(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    count = tf.shape(images)[0]
    seeds = tf.random.split(seed, 3)
    for number, change in enumerate((intensity.brightness, intensity.contrast)):
        factor = strong.drawn(seeds[number], count, _FACTOR_PROBABILITY, _FACTOR, 1.0)
        images = change(images, factor)
    sigma_px = strong.drawn(seeds[2], count, _BLUR_PROBABILITY, _BLUR_PX, 0.0)
    return intensity.blur(images, sigma_px)


def draw_boxes(
    seed: tf.Tensor, count: int, size: tuple[int, int], probability: float
) -> tf.Tensor:
    """CutMix's boxes (Yun et al., 2019), which lie entirely inside the image.

    Args:
      seed: int32 [2].
      count: N.
      size: (H, W).
      probability: of an image to have one.

    Returns:
      bool [N, H, W].
    """
    seeds = tf.random.split(seed, 4)
    area = tf.random.stateless_uniform([count], seeds[0], *_AREA)
    log_aspect = tf.random.stateless_uniform(
        [count], seeds[1], *(math.log(each) for each in _ASPECT)
    )
    area_px, aspect = area * (size[0] * size[1]), tf.exp(log_aspect)
    extents = tf.stack([tf.sqrt(area_px * aspect), tf.sqrt(area_px / aspect)], axis=1)
    limits = tf.constant(tuple(size), tf.float32)
    extents = tf.minimum(extents, limits)
    starts = tf.random.stateless_uniform([count, 2], seeds[2]) * (limits - extents)
    chosen = tf.random.stateless_uniform([count], seeds[3]) < probability
    return boxes.inside(starts, starts + extents, size) & chosen[:, None, None]
