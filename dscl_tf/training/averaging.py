"""A network whose weights are a moving average of another's."""

import dataclasses
from typing import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Follower:
    """What keeps a network the average of another."""

    start: Callable[[], None]  # Makes it the other itself.
    after_step: Callable[[int], None]  # Told how many steps are done.


def follow(average: tf.keras.Model, source: tf.keras.Model, decay: float) -> Follower:
    """Keeps a network's weights and statistics the average of another's.

    The average forgets its beginning as it is made: after step t it keeps
    min(1 - 1 / t, decay) of itself, so after the first it is the source itself
    (Tarvainen and Valpola, 2017).

    Args:
      average: a network of the same architecture, on the same devices.
      source: what is averaged.
      decay: in [0, 1); 0: always the source itself.

    Returns:
      What is to be called between steps, outside of them: there an assignment is one
      of all devices, of the mean of what they hold.
    """
    pairs = list(zip(average.variables, source.variables))

    @tf.function(autograph=False)
    def move(kept: tf.Tensor) -> None:
        for to_move, towards in pairs:
            to_move.assign(kept * to_move + (1.0 - kept) * towards)

    return Follower(
        start=lambda: move(tf.constant(0.0)),
        after_step=lambda done: move(tf.constant(min(1 - 1 / done, decay), tf.float32)),
    )
