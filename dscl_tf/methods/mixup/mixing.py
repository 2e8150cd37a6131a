"""Mixup: pairs of images and of their labels are averaged (Zhang et al., 2018)."""

import tensorflow as tf

# Makes its draws differ from those of augmentation, which has the same seed.
_SALT = 0x6D6978


def mixup(
    images: tf.Tensor, maps: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Each image becomes w image + (1 - w) partner, and its label alike.

    The partners are a random permutation of the batch; w is drawn for each image from
    Beta(alpha, alpha).

    Args:
      images: float32 [N, H, W, channels].
      maps: float32 [N, H, W, C], the labels one-hot; all 0 where a label is unknown.
      seed: int32 [2].
      alpha: > 0; the larger, the more even the mixtures.

    Returns:
      The same shapes. A pixel that is mixed with an unknown one is unknown.
    """
    partners, weights = draw(seed, images.shape[0], alpha)
    weights = weights[:, None, None, None]
    known = tf.reduce_sum(maps, axis=-1, keepdims=True)  # 1 or 0.
    both = known * tf.gather(known, partners)

    def mixed(values: tf.Tensor) -> tf.Tensor:
        return weights * values + (1.0 - weights) * tf.gather(values, partners)

    return mixed(images), mixed(maps) * both


def draw(seed: tf.Tensor, count: int, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The partner of each image, int32 [N], and its own weight, float32 [N]."""
    seeds = tf.random.split(tf.random.experimental.stateless_fold_in(seed, _SALT), 2)
    partners = tf.argsort(tf.random.stateless_uniform([count], seeds[0]))
    # Beta from two gammas, in float64: for a small alpha they are tiny.
    first, second = tf.unstack(
        tf.random.stateless_gamma([2, count], seeds[1], alpha, dtype=tf.float64)
    )
    return partners, tf.cast(tf.math.divide_no_nan(first, first + second), tf.float32)
