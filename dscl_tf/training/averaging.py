"""A network whose weights are a moving average of another's."""

import dataclasses
from typing import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Follower:
    """Functions that keep a network the moving average of another."""

    start: Callable[[], None]  # Copies the other network.
    after_step: Callable[[int], None]  # Takes the number of steps done.


def follow(average: tf.keras.Model, source: tf.keras.Model, decay: float) -> Follower:
    """Keeps a network's weights and statistics the moving average of another's.

    The decay rises, so that the average forgets the initial weights: at step t it is
    min(1 - 1 / t, decay), so that after the first step the average equals the source
    (Tarvainen and Valpola, 2017).

    Args:
      average: a network of the same architecture, on the same devices.
      source: the network to average.
      decay: in [0, 1); 0: the average always equals the source.

    Returns:
      Functions to call between steps, not inside one: outside, an assignment reaches
      all devices and sets the mean of what they hold.
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
