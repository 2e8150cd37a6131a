"""The global contrastive loss L_g over whole slices (paper, sections 3.1 and 3.2)."""

import dataclasses
from typing import Union

import tensorflow as tf

from dscl_tf import config
from dscl_tf.losses import batch_ids, chunks, contrast
from dscl_tf.losses.batch_ids import Ids

# The ids that each strategy reads in `global_pairs`.
IDS_OF = {
    config.GlobalStrategy.GR: ("image", "view"),
    config.GlobalStrategy.GD_MINUS: ("image", "partition", "view"),
    config.GlobalStrategy.GD: ("image", "volume", "partition", "view"),
    config.GlobalStrategy.POSITIONAL: ("image", "view", "position"),
}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Which ordered pairs (a, b) of a batch attract and which repel: bool [N, N]."""

    positive: tf.Tensor  # Symmetric.
    negative: tf.Tensor  # Symmetric; row a is the set of a's negatives.


def _same(ids: tf.Tensor) -> tf.Tensor:
    return ids[:, None] == ids[None, :]


def transformed_pairs(ids: Ids) -> tf.Tensor:
    """True where one of a pair is a view x-tilde (1) and the other x-hat (2)."""
    view = ids["view"]
    return (view[:, None] + view[None, :] == 3) & (view[:, None] * view[None, :] == 2)


def _views_of_one_slice(ids: Ids) -> tf.Tensor:
    return _same(ids["image"]) & ~_same(ids["view"])


def transformed_of_one_slice(ids: Ids) -> tf.Tensor:
    """True where a pair is the two transformed views of one slice."""
    return _same(ids["image"]) & transformed_pairs(ids)


def pairs_across_volumes(ids: Ids) -> tf.Tensor:
    """(x_i, x_j) and (x-tilde_i, x-hat_j) of one partition, volumes i != j.

    The pairs that the domain strategies G^D and L^D add (sections 3.2 and 3.3).

    Args:
      ids: int32 [N] each: "volume", "partition", "view".

    Returns:
      bool [N, N], symmetric.
    """
    view = ids["view"]
    untransformed = (view[:, None] == 0) & (view[None, :] == 0)
    across = _same(ids["partition"]) & ~_same(ids["volume"])
    return across & (untransformed | transformed_pairs(ids))


def global_pairs(
    ids: Ids,
    strategy: Union[config.GlobalStrategy, str],
    position_threshold: float = 0.1,
) -> Pairs:
    """The sets of positive and negative pairs of a strategy (section 3.2).

    Args:
      ids: int32 [N] each: "image", "volume", "partition", "view" (0, 1 or 2).
        "positional" only reads "image", "view" and "position", float32 in [0, 1].
      strategy: "gr", "gd_minus", "gd" or "positional".
      position_threshold: for "positional": the distance from which on slices repel.

    Raises:
      ValueError: for any other strategy, including "none".
    """
    strategy = config.GlobalStrategy(strategy)
    if strategy is config.GlobalStrategy.GR:
        return Pairs(transformed_of_one_slice(ids), ~_same(ids["image"]))
    if strategy is config.GlobalStrategy.GD_MINUS:
        return Pairs(_views_of_one_slice(ids), ~_same(ids["partition"]))
    if strategy is config.GlobalStrategy.GD:
        positive = _views_of_one_slice(ids) | pairs_across_volumes(ids)
        return Pairs(positive, ~_same(ids["partition"]))
    if strategy is config.GlobalStrategy.POSITIONAL:
        position = ids["position"]
        distance = tf.abs(position[:, None] - position[None, :])
        # The margin makes all pairs at the threshold repel, whatever float32 rounds to.
        near = distance < position_threshold - 1e-6
        itself = _same(ids["image"]) & _same(ids["view"])
        return Pairs(near & ~itself, ~near)
    raise ValueError(f"Strategy {strategy.value!r} has no loss; expected another.")


def global_contrastive_terms(
    embeddings: tf.Tensor,
    ids: Ids,
    strategy: Union[config.GlobalStrategy, str],
    temperature: float = 0.1,
    position_threshold: float = 0.1,
) -> dict[str, tf.Tensor]:
    """The loss, with quantities that tell whether the network learns.

    Args:
      embeddings: floating [N, D].
      ids: as `global_pairs`; those that the strategy does not read may be missing.
      strategy: "gr", "gd_minus", "gd" or "positional".
      temperature: tau > 0.
      position_threshold: as `global_pairs`.

    Returns:
      float32 scalars: "loss" is L_g; "pair_loss" the mean l(a, b), half of it;
      "chance" the pair loss of random embeddings, ln(1 + mean number of negatives);
      "top1" the share of positives more similar than all their anchor's negatives;
      "positive_similarity" and "negative_similarity" mean cosines;
      "embedding_std" the mean standard deviation of a unit embedding's components
      times sqrt(D): 1 when spread over the sphere, 0 when collapsed.

    Raises:
      ValueError: another strategy; an id that it reads is missing or is not [N].
    """
    strategy = config.GlobalStrategy(strategy)
    units = contrast.unit_vectors(embeddings)
    count = units.shape[0]
    # A strategy that has no ids here has no pairs either: `global_pairs` refuses it.
    needed = IDS_OF.get(strategy, ())
    ids = batch_ids.checked(ids, needed, strategy.value, count, "embedding")
    pairs = global_pairs(ids, strategy, position_threshold)
    loss, chance, top1, similar, num_pairs, repelled, num_negatives = tf.unstack(
        chunks.sum_over_rows(
            _row_sums(pairs, temperature),
            units,
            [tf.range(tf.shape(units)[0])],
            num_sums=7,
            chunk=chunks.rows_at_once(count, count),
        )
    )
    pair_loss = tf.math.divide_no_nan(loss, num_pairs)
    return {
        # Each unordered pair gives l(a, b) + l(b, a): twice the mean of ordered pairs.
        "loss": 2.0 * pair_loss,
        "pair_loss": pair_loss,
        "chance": tf.math.log1p(tf.math.divide_no_nan(chance, num_pairs)),
        "top1": tf.math.divide_no_nan(top1, num_pairs),
        "positive_similarity": tf.math.divide_no_nan(similar, num_pairs),
        "negative_similarity": tf.math.divide_no_nan(repelled, num_negatives),
        "embedding_std": contrast.spread(units),
    }


def _row_sums(pairs: Pairs, temperature: float) -> chunks.RowSums:
    """Sums over some anchors: of losses, negatives, hits, similarities, and counts."""

    def sums(units: tf.Tensor, anchor: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        counts = weight[:, None] > 0
        positive = tf.gather(pairs.positive, anchor) & counts
        negative = tf.gather(pairs.negative, anchor) & counts
        similarity = tf.matmul(tf.gather(units, anchor), units, transpose_b=True)
        per_pair, is_hit = contrast.of_anchors(
            similarity, positive, negative, temperature
        )
        num_positives = tf.reduce_sum(tf.cast(positive, tf.float32), axis=1)
        num_negatives = tf.reduce_sum(tf.cast(negative, tf.float32), axis=1)
        return tf.stack(
            [
                tf.reduce_sum(tf.where(positive, per_pair, 0.0)),
                tf.reduce_sum(num_positives * num_negatives),
                tf.reduce_sum(tf.cast(is_hit, tf.float32)),
                tf.reduce_sum(tf.where(positive, similarity, 0.0)),
                tf.reduce_sum(num_positives),
                tf.reduce_sum(tf.where(negative, similarity, 0.0)),
                tf.reduce_sum(num_negatives),
            ]
        )

    return sums


def global_contrastive_loss(
    embeddings: tf.Tensor,
    ids: Ids,
    strategy: Union[config.GlobalStrategy, str],
    temperature: float = 0.1,
    position_threshold: float = 0.1,
) -> tf.Tensor:
    """L_g = 1/|P+| sum over unordered pairs (a, b) of l(a, b) + l(b, a) (equation 2).

    Args:
      embeddings: floating [N, D], in any order; the ids tell what each one is.
      ids: int32 [N] each: "image" (slice), "volume", "partition", "view" (0 is the
        slice itself, 1 and 2 its transformed views). For "positional" see
        `global_pairs`. Those that the strategy does not read may be missing.
      strategy: "gr", "gd_minus", "gd" or "positional".
      temperature: tau > 0.
      position_threshold: as `global_pairs`.

    Returns:
      float32 scalar; 0 when the batch has no positive pair.

    Raises:
      ValueError: unknown strategy; an id that it reads is missing or is not [N].
    """
    return global_contrastive_terms(
        embeddings, ids, strategy, temperature, position_threshold
    )["loss"]
