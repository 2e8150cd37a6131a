"""What opponents lower: cross-entropies of a discriminator's judgements."""

import tensorflow as tf


def judgement_losses(logits: tf.Tensor, is_first_kind: bool) -> tf.Tensor:
    """The cross-entropy of each judgement with what is said of all of them.

    Args:
      logits: floating [n] of a discriminator, above 0 for the first kind.
      is_first_kind: what is said. A discriminator lowers the losses of the truth,
        its opponent those of saying "first kind" of what it made.

    Returns:
      float32 [n]; ln 2 for a logit of 0.
    """
    logits = tf.cast(logits, tf.float32)
    return tf.nn.softplus(-logits if is_first_kind else logits)
