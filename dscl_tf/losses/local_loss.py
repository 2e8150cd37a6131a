"""The local contrastive loss L_l over regions of feature maps (section 3.3)."""

from typing import Optional, Union

import tensorflow as tf

from dscl_tf import config
from dscl_tf.losses import batch_ids, chunks, contrast, global_loss
from dscl_tf.losses.batch_ids import Ids
from dscl_tf.losses.regions import LocalRegions

# The ids that each strategy reads in `local_pairs`.
IDS_OF = {
    config.LocalStrategy.LR: ("image", "view"),
    config.LocalStrategy.LD: ("image", "volume", "partition", "view"),
}


def local_pairs(ids: Ids, strategy: Union[config.LocalStrategy, str]) -> tf.Tensor:
    """The positive pairs of maps of a strategy (section 3.3).

    Args:
      ids: int32 [N] each: "image", "volume", "partition", "view".
      strategy: "lr" or "ld".

    Returns:
      bool [N, N], symmetric.

    Raises:
      ValueError: for any other strategy, including "none".
    """
    strategy = config.LocalStrategy(strategy)
    if strategy is config.LocalStrategy.LR:
        return global_loss.transformed_of_one_slice(ids)
    if strategy is config.LocalStrategy.LD:
        of_one_slice = global_loss.transformed_of_one_slice(ids)
        return of_one_slice | global_loss.pairs_across_volumes(ids)
    raise ValueError(f"Strategy {strategy.value!r} has no loss; expected lr or ld.")


def local_contrastive_terms(
    features: tf.Tensor,
    ids: Ids,
    strategy: Union[config.LocalStrategy, str],
    regions: LocalRegions,
    temperature: float = 0.1,
    num_pairs: Optional[int] = None,
) -> dict[str, tf.Tensor]:
    """The loss, with quantities that tell whether the network learns.

    Args:
      features: floating [N, H, W, C].
      ids: int32 [N] each: "image", "volume", "partition", "view"; "lr" reads "image"
        and "view" alone, and the others may be missing.
      strategy: "lr" or "ld".
      regions: the regions and their negatives.
      temperature: tau > 0.
      num_pairs: ordered positive pairs of maps in the batch, if known in advance; at
        least as many as there are. Memory then grows with it, not with N^2.

    Returns:
      float32 scalars, named as in `global_contrastive_terms`.

    Raises:
      ValueError: another strategy; an id that it reads is missing or is not [N];
        regions that reach beyond the maps.
    """
    strategy = config.LocalStrategy(strategy)
    # A strategy that has no ids here has no pairs either: `local_pairs` refuses it.
    needed = IDS_OF.get(strategy, ())
    ids = batch_ids.checked(ids, needed, strategy.value, features.shape[0], "map")
    units = contrast.unit_vectors(regions.gather(features))  # [N, U, D]
    pairs = _list_pairs(local_pairs(ids, strategy), num_pairs)
    most = num_pairs or (units.shape[0] and units.shape[0] ** 2)
    chunk = chunks.rows_at_once(most, regions.num_regions * units.shape[1])
    loss, top1, similar, count, repelled, num_negatives = tf.unstack(
        chunks.sum_over_rows(_pair_sums(regions, temperature), units, pairs, 6, chunk)
    )
    pair_loss = tf.math.divide_no_nan(loss, count)
    num_repelling = tf.reduce_mean(tf.reduce_sum(regions.counts, axis=-1))
    return {
        "loss": pair_loss,
        "pair_loss": pair_loss,
        "chance": tf.math.log1p(2.0 * num_repelling),
        "top1": tf.math.divide_no_nan(top1, count),
        "positive_similarity": tf.math.divide_no_nan(similar, count),
        "negative_similarity": tf.math.divide_no_nan(repelled, num_negatives),
        "embedding_std": contrast.spread(units[:, : regions.num_regions]),
    }


def _list_pairs(is_pair: tf.Tensor, num_pairs: Optional[int]) -> list[tf.Tensor]:
    """The rows and columns of true entries, each [P], and a 1 for each, float32 [P].

    Args:
      is_pair: bool [N, N].
      num_pairs: P, if known. If there are fewer pairs, the last entries have a 0.
    """
    if num_pairs is None:
        # Not by slicing: XLA could not prove that both slices are equally long.
        first, second = tf.unstack(tf.where(is_pair), axis=1)
        return [first, second, tf.ones_like(first, tf.float32)]
    # Under XLA `where` would give N^2 rows. Among equal values top_k takes the first.
    flat = tf.reshape(tf.cast(is_pair, tf.float32), [-1])
    counts, place = tf.math.top_k(flat, num_pairs)
    size = tf.shape(is_pair)[1]
    return [place // size, place % size, counts]


def _pair_sums(regions: LocalRegions, temperature: float) -> chunks.RowSums:
    """Sums over some pairs of maps: of losses, hits, similarities, and counts."""
    counts = tf.convert_to_tensor(regions.counts)
    log_weight = contrast.log_weights(counts)  # [A, U] or [N, A, U]

    def sums(
        units: tf.Tensor,
        first: tf.Tensor,
        second: tf.Tensor,
        is_pair: tf.Tensor,
        weight: tf.Tensor,
    ) -> tf.Tensor:
        weight *= is_pair
        # Sliced before gathering: XLA cannot prove that a slice of P rows still has P.
        heads = units[:, : regions.num_regions]
        anchors, partners = tf.gather(heads, first), tf.gather(heads, second)
        own, other = (  # [P, A, U]
            tf.matmul(anchors, tf.gather(units, maps), transpose_b=True)
            for maps in (first, second)
        )
        positive = tf.reduce_sum(anchors * partners, axis=-1)  # [P, A]
        near_and_maps = ((own, first), (other, second))
        negatives = _log_add(
            *(
                contrast.log_sum_of_negatives(
                    near / temperature, _of_maps(log_weight, maps)
                )
                for near, maps in near_and_maps
            )
        )
        hardest = tf.maximum(
            *(
                contrast.hardest(near, _of_maps(counts, maps) > 0)
                for near, maps in near_and_maps
            )
        )
        is_negative = _of_maps(counts, second) > 0
        repelled = tf.reduce_sum(tf.where(is_negative, other, 0.0), axis=[1, 2])
        num_negatives = tf.math.count_nonzero(is_negative, [-2, -1], dtype=tf.float32)
        weights = tf.expand_dims(weight, 1) * tf.ones_like(positive)  # [P, A]
        loss = contrast.contrast(positive / temperature, negatives)
        return tf.stack(
            [
                tf.reduce_sum(weights * loss),
                tf.reduce_sum(weights * tf.cast(positive > hardest, tf.float32)),
                tf.reduce_sum(weights * positive),
                tf.reduce_sum(weights),
                tf.reduce_sum(weight * repelled),
                tf.reduce_sum(weight * num_negatives),
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
      ids: int32 [N] each: "image", "volume", "partition", "view"; "lr" reads "image"
        and "view" alone, and the others may be missing.
      strategy: "lr" or "ld".
      regions: the regions and their negatives.
      temperature: tau > 0.

    Returns:
      float32 scalar; 0 when the batch has no positive pair.

    Raises:
      ValueError: unknown strategy; an id that it reads is missing or is not [N];
        regions that reach beyond the maps.
    """
    return local_contrastive_terms(features, ids, strategy, regions, temperature)[
        "loss"
    ]


def _of_maps(values: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """The values of each listed map, [P, A, U]; [A, U] if all maps share them."""
    return values if values.shape.rank == 2 else tf.gather(values, maps)


def _log_add(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """log(e^first + e^second), without overflow."""
    return tf.maximum(first, second) + tf.nn.softplus(-tf.abs(first - second))
