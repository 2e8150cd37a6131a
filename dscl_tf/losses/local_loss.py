"""The local contrastive loss L_l over regions of feature maps (section 3.3)."""

from typing import Union

import tensorflow as tf

from dscl_tf import config
from dscl_tf.losses import chunks, contrast, global_loss
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
    pairs = tf.where(local_pairs(ids, strategy))  # [P, 2], both orders of each.
    # Not by slices, whose lengths XLA cannot prove equal.
    first, second = tf.unstack(pairs, axis=1)
    num_regions, num_candidates = regions.counts.shape
    chunk = chunks.rows_at_once(units.shape[0], num_regions * num_candidates)
    loss, top1, similar, num_pairs, repelled, num_negatives = tf.unstack(
        chunks.sum_over_rows(
            _pair_sums(regions, temperature), units, [first, second], 6, chunk
        )
    )
    pair_loss = tf.math.divide_no_nan(loss, num_pairs)
    return {
        "loss": pair_loss,
        "pair_loss": pair_loss,
        "chance": tf.math.log1p(2.0 * tf.constant(regions.counts.sum(1).mean())),
        "top1": tf.math.divide_no_nan(top1, num_pairs),
        "positive_similarity": tf.math.divide_no_nan(similar, num_pairs),
        "negative_similarity": tf.math.divide_no_nan(repelled, num_negatives),
        "embedding_std": _spread(units[:, :num_regions]),
    }


def _pair_sums(regions: LocalRegions, temperature: float) -> chunks.RowSums:
    """Sums over some pairs of maps: of losses, hits, similarities, and counts."""
    num_regions = len(regions.corners)
    log_weight = contrast.log_weights(regions.counts)  # [A, U]
    is_negative = tf.constant(regions.counts > 0)

    def sums(
        units: tf.Tensor, first: tf.Tensor, second: tf.Tensor, weight: tf.Tensor
    ) -> tf.Tensor:
        # Cut before gathering: XLA cannot prove that a slice of P rows still has P.
        heads = units[:, :num_regions]
        anchors, partners = tf.gather(heads, first), tf.gather(heads, second)
        own, other = (  # [P, A, U]
            tf.matmul(anchors, tf.gather(units, maps), transpose_b=True)
            for maps in (first, second)
        )
        positive = tf.reduce_sum(anchors * partners, axis=-1)  # [P, A]
        negatives = _log_add(
            contrast.log_sum_of_negatives(own / temperature, log_weight),
            contrast.log_sum_of_negatives(other / temperature, log_weight),
        )
        hardest = tf.maximum(*(_hardest(near, is_negative) for near in (own, other)))
        repelled = tf.reduce_sum(tf.where(is_negative, other, 0.0), axis=[1, 2])
        weights = tf.expand_dims(weight, 1) * tf.ones_like(positive)  # [P, A]
        loss = contrast.contrast(positive / temperature, negatives)
        return tf.stack(
            [
                tf.reduce_sum(weights * loss),
                tf.reduce_sum(weights * tf.cast(positive > hardest, tf.float32)),
                tf.reduce_sum(weights * positive),
                tf.reduce_sum(weights),
                tf.reduce_sum(weight * repelled),
                tf.reduce_sum(weight) * float((regions.counts > 0).sum()),
            ]
        )

    return sums


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


def _hardest(similarity: tf.Tensor, is_negative: tf.Tensor) -> tf.Tensor:
    """The similarity of each region's most similar negative: [P, A]."""
    return tf.reduce_max(tf.where(is_negative, similarity, -2.0), axis=-1)


def _spread(units: tf.Tensor) -> tf.Tensor:
    dimension = tf.cast(tf.shape(units)[-1], tf.float32)
    deviation = tf.math.reduce_std(units, axis=[0, 1])
    return tf.reduce_mean(deviation) * tf.sqrt(dimension)


def _log_add(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """log(e^first + e^second), without overflow."""
    return tf.maximum(first, second) + tf.nn.softplus(-tf.abs(first - second))
