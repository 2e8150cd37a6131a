"""Contrast of pixels by their class: those of one class attract, all others repel."""

import tensorflow as tf

from dscl_tf.losses import chunks, contrast


def class_contrastive_terms(
    vectors: tf.Tensor, classes: tf.Tensor, is_anchor: tf.Tensor, temperature: float
) -> dict[str, tf.Tensor]:
    """The loss, with quantities that tell whether the network learns.

    For an anchor i with positives P(i), the other pixels of its class, and negatives
    N(i), the pixels of other classes:
    l(i) = 1/|P(i)| sum over p in P(i) of
           -log( e^{s(i,p)} / (e^{s(i,p)} + sum over n in N(i) of e^{s(i,n)}) ),
    s = cosine similarity / temperature.

    Args:
      vectors: floating [P, D], of pixels.
      classes: int [P]; negative in rows without a pixel.
      is_anchor: bool [P]; the other pixels are positives and negatives only.
      temperature: tau > 0.

    Returns:
      float32 scalars: "loss" is the mean of l over anchors that have a positive, 0 if
      none has; "top1" the share of positives that are more similar than all their
      anchor's negatives; "positive_similarity" and "negative_similarity" mean cosines.
    """
    units = contrast.unit_vectors(vectors)
    count = units.shape[0]
    loss, num_anchors, top1, similar, num_positives, repelled, num_negatives = (
        tf.unstack(
            chunks.sum_over_rows(
                _row_sums(classes, temperature),
                units,
                [tf.range(tf.shape(units)[0]), is_anchor],
                num_sums=7,
                chunk=chunks.rows_at_once(count, count),
            )
        )
    )
    return {
        "loss": tf.math.divide_no_nan(loss, num_anchors),
        "top1": tf.math.divide_no_nan(top1, num_positives),
        "positive_similarity": tf.math.divide_no_nan(similar, num_positives),
        "negative_similarity": tf.math.divide_no_nan(repelled, num_negatives),
    }


def _row_sums(classes: tf.Tensor, temperature: float) -> chunks.RowSums:
    """The sums over some anchors from which `class_contrastive_terms` takes means."""

    def sums(
        units: tf.Tensor, anchor: tf.Tensor, is_anchor: tf.Tensor, weight: tf.Tensor
    ) -> tf.Tensor:
        own = tf.gather(classes, anchor)[:, None]
        counts = (is_anchor & (weight > 0))[:, None] & (own >= 0) & (classes >= 0)
        itself = anchor[:, None] == tf.range(tf.shape(units)[0])
        positive = counts & (own == classes) & ~itself
        negative = counts & (own != classes)
        similarity = tf.matmul(tf.gather(units, anchor), units, transpose_b=True)
        per_pair, is_hit = contrast.of_anchors(
            similarity, positive, negative, temperature
        )
        found = tf.cast(positive, tf.float32)
        num_positives = tf.reduce_sum(found, axis=1)
        own_loss = tf.math.divide_no_nan(
            tf.reduce_sum(found * per_pair, axis=1), num_positives
        )
        totals = (
            own_loss,
            tf.cast(num_positives > 0, tf.float32),
            tf.cast(is_hit, tf.float32),
            found * similarity,
            num_positives,
            tf.where(negative, similarity, 0.0),
            tf.cast(negative, tf.float32),
        )
        return tf.stack([tf.reduce_sum(total) for total in totals])

    return sums
