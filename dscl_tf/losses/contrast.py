"""The one loss kernel: a positive against a weighted set of negatives.

Everything is float32, whatever the precision policy: with a temperature of 0.1 a
cosine similarity has to be known to far better than the 8 bits of bfloat16.
"""

import tensorflow as tf

# Norms below this are replaced by it. The gradient of a direction grows as one over the
# norm: without this limit it was 1e6 times as large for pixels where ReLU left nothing,
# and float16 overflowed at any loss scale. Useful vectors are far longer.
MIN_NORM = 1e-2
# The log weight of a candidate that is no negative; finite, so that gradients are too.
LOG_ZERO = -1e30


def unit_vectors(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors of length 1, so that a dot product is the cosine similarity.

    Args:
      vectors: floating [..., D].

    Returns:
      float32 [..., D]; vectors shorter than `MIN_NORM` become shorter than 1, and the
      zero vector stays zero.
    """
    return tf.math.l2_normalize(
        tf.cast(vectors, tf.float32), axis=-1, epsilon=MIN_NORM**2
    )


def log_weights(weights: tf.Tensor) -> tf.Tensor:
    """Logarithms of non-negative weights, a large negative number for 0.

    Args:
      weights: bool, integer or float [...]; how often each candidate is a negative.

    Returns:
      float32 [...].
    """
    weights = tf.cast(weights, tf.float32)
    positive = weights > 0
    return tf.where(positive, tf.math.log(tf.where(positive, weights, 1.0)), LOG_ZERO)


def log_sum_of_negatives(logits: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """The logarithm of the sum over negatives of exp(logit), over the last axis."""
    return tf.reduce_logsumexp(logits + log_weight, axis=-1)


def of_anchors(
    similarity: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor, temperature: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Contrasts each candidate, as a positive, with the negatives of the anchor.

    Args:
      similarity: float32 [A, N], cosines of anchors and candidates.
      positive: bool [A, N].
      negative: bool [A, N].
      temperature: tau > 0.

    Returns:
      float32 [A, N], the loss with each candidate as the positive; and bool [A, N], the
      positives that are more similar than all negatives of their anchor.
    """
    logits = similarity / temperature
    log_negatives = log_sum_of_negatives(logits, log_weights(negative))
    is_hit = positive & (similarity > hardest(similarity, negative)[:, None])
    return contrast(logits, log_negatives[:, None]), is_hit


def hardest(similarity: tf.Tensor, negative: tf.Tensor) -> tf.Tensor:
    """The similarity of each anchor's most similar negative; -2 without any.

    Args:
      similarity: float32 [..., N], cosines.
      negative: bool, of a shape that broadcasts with it.

    Returns:
      float32 [...].
    """
    return tf.reduce_max(tf.where(negative, similarity, -2.0), axis=-1)


def spread(units: tf.Tensor) -> tf.Tensor:
    """The mean standard deviation of a unit vector's components, times sqrt(D).

    1 when spread over the sphere, 0 when collapsed.

    Args:
      units: float32 [..., D].
    """
    units = tf.reshape(units, [-1, units.shape[-1]])
    dimension = tf.cast(units.shape[-1], tf.float32)
    return tf.reduce_mean(tf.math.reduce_std(units, axis=0)) * tf.sqrt(dimension)


def contrast(positive: tf.Tensor, log_negatives: tf.Tensor) -> tf.Tensor:
    """-log(e^p / (e^p + sum of e^n)) (paper, equation 1), without overflow.

    Args:
      positive: float32 [...], the logit sim(a, b) / temperature.
      log_negatives: float32, broadcasts to it, log of the sum of e^n.

    Returns:
      float32 [...], at least 0; 0 where there are no negatives.
    """
    return tf.nn.softplus(log_negatives - positive)
