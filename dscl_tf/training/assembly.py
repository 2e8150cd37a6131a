"""What a stage gives to be trained."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable

import tensorflow as tf

from dscl_tf.pipeline.streams import Source
from dscl_tf.training import loop, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor

MakeHooks = Callable[[Monitor, Checkpoints], Sequence[loop.Hook]]


@dataclasses.dataclass(frozen=True)
class Assembly:
    """What is particular to a stage."""

    parts: Mapping[str, tf.keras.Model]  # By the names that stages hand over.
    players: steps.Players  # What is trained, by the loss that it lowers.
    loss: steps.LossFunction
    stream: Source
    make_hooks: MakeHooks
    # Parts that are averages of others; they are not taken over.
    followers: Sequence[str] = ()
    # What comes before the first step of a new run, after it has taken over.
    on_start: Sequence[Callable[[], None]] = ()
    # What comes after each step, told how many are done; before any hook.
    after_step: Sequence[Callable[[int], None]] = ()
