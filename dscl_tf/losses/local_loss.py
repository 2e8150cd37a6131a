"""The local contrastive loss L_l over regions of feature maps (section 3.3)."""

from typing import Union

import tensorflow as tf

from dscl_tf import config
from dscl_tf.losses import contrast, global_loss
from dscl_tf.losses.global_loss import Ids
from dscl_tf.losses.regions import LocalRegions


def local_pairs(ids: Ids, strategy: Union[config.LocalStrategy, str]) -> tf.Tensor:
    """The positive pairs of maps of a strategy (section 3.3).

    Args:
      ids: int32 [N] each: "image", "volume", "partition", "view".
      strategy: "lr" or "ld".

    Returns:
      bool [N, N], symmetric.

    Raises:
      ValueError: for any other strategy.
    """
    strategy = config.LocalStrategy(strategy)
    if strategy is config.LocalStrategy.NONE:
        raise ValueError("Strategy 'none' has no loss; expected lr or ld.")
    same_image = ids["image"][:, None] == ids["image"][None, :]
    positive = same_image & global_loss.transformed_pairs(ids)
    if strategy is config.LocalStrategy.LD:
        positive |= global_loss.pairs_across_volumes(ids)
    return positive


def local_contrastive_terms(
    features: tf.Tensor,
    ids: Ids,
    strategy: Union[config.LocalStrategy, str],
    regions: LocalRegions,
    temperature: float = 0.1,
) -> dict[str, tf.Tensor]:
    """The loss with the quantities that tell whether it learns.

    Args:
      features: floating [N, H, W, C].
      ids: int32 [N] each: "image", "volume", "partition", "view".
      strategy: "lr" or "ld".
      regions: the regions and their negatives.
      temperature: tau > 0.

    Returns:
      float32 scalars, named as in `global_contrastive_terms`.
    """
    units = contrast.unit_vectors(regions.gather(features))  # [N, U, D]
    anchors = units[:, : len(regions.corners)]  # [N, A, D]
    log_weight = contrast.log_weights(regions.counts)  # [A, U]
    own = tf.matmul(anchors, units, transpose_b=True)  # [N, A, U]
    pairs = tf.where(local_pairs(ids, strategy))  # [P, 2], both orders of each.
    # Not by slices, whose lengths XLA cannot prove equal.
    first, second = tf.unstack(pairs, axis=1)
    other = tf.matmul(
        tf.gather(anchors, first), tf.gather(units, second), transpose_b=True
    )  # [P, A, U]
    # Not the diagonal of a part of `other`: XLA cannot prove that a slice of a
    # tensor of P rows still has P.
    positive = tf.reduce_sum(
        tf.gather(anchors, first) * tf.gather(anchors, second), axis=-1
    )  # [P, A]
    own_negatives = contrast.log_sum_of_negatives(own / temperature, log_weight)
    negatives = _log_add(
        tf.gather(own_negatives, first),
        contrast.log_sum_of_negatives(other / temperature, log_weight),
    )
    loss = _mean(contrast.contrast(positive / temperature, negatives))
    return {
        "loss": loss,
        "pair_loss": loss,
        **_statistics(own, other, positive, first, regions),
        "embedding_std": _spread(anchors),
    }


def local_contrastive_loss(
    features: tf.Tensor,
    ids: Ids,
    strategy: Union[config.LocalStrategy, str],
    regions: LocalRegions,
    temperature: float = 0.1,
) -> tf.Tensor:
    """L_l = mean over pairs of 1/(2A) sum over regions r of both directions (eq. 4).

    l(a, b, r) has region r of map a as anchor, region r of map b as positive, and
    the negatives of r in both maps (equation 3).

    Args:
      features: floating [N, H, W, C], in any order; the ids tell what each one is.
      ids: int32 [N] each: "image", "volume", "partition", "view".
      strategy: "lr" or "ld".
      regions: the regions and their negatives.
      temperature: tau > 0.

    Returns:
      float32 scalar; 0 when the batch has no positive pair.

    Raises:
      ValueError: unknown strategy, or regions that reach beyond the maps.
    """
    return local_contrastive_terms(features, ids, strategy, regions, temperature)[
        "loss"
    ]


def _statistics(own, other, positive, first, regions: LocalRegions) -> dict:
    is_negative = tf.constant(regions.counts > 0)
    num_negatives = 2.0 * regions.counts.sum(axis=1).mean()
    hardest_own = tf.reduce_max(tf.where(is_negative, own, -2.0), axis=-1)
    hardest = tf.maximum(
        tf.gather(hardest_own, first),
        tf.reduce_max(tf.where(is_negative, other, -2.0), axis=-1),
    )
    return {
        "chance": tf.math.log1p(tf.constant(num_negatives, tf.float32)),
        "top1": _mean(tf.cast(positive > hardest, tf.float32)),
        "positive_similarity": _mean(positive),
        "negative_similarity": _mean(tf.boolean_mask(other, is_negative, axis=1)),
    }


def _spread(units: tf.Tensor) -> tf.Tensor:
    dimension = tf.cast(tf.shape(units)[-1], tf.float32)
    deviation = tf.math.reduce_std(units, axis=[0, 1])
    return tf.reduce_mean(deviation) * tf.sqrt(dimension)


def _log_add(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """log(e^first + e^second), without overflow."""
    return tf.maximum(first, second) + tf.nn.softplus(-tf.abs(first - second))


def _mean(values: tf.Tensor) -> tf.Tensor:
    """The mean; 0, with a gradient of 0, when there are no values."""
    count = tf.cast(tf.size(values), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(values), count)
