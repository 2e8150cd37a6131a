"""What a stage hands to the training loop."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable

import tensorflow as tf

from dscl_tf.pipeline.streams import Source
from dscl_tf.training import loop, optimizers, steps
from dscl_tf.training.averaging import Follower
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.stage_context import StageContext

MakeHooks = Callable[[Monitor, Checkpoints], Sequence[loop.Hook]]


@dataclasses.dataclass(frozen=True)
class Assembly:
    """What distinguishes a stage from the others."""

    parts: Mapping[str, tf.keras.Model]  # By their names in checkpoints.
    players: steps.Players  # The trained variables, by the loss that they lower.
    loss: steps.LossFunction
    stream: Source
    make_hooks: MakeHooks
    # The followers of parts that are moving averages of others, by the parts' names.
    # These parts are not taken over from other runs.
    followers: Mapping[str, Follower] = dataclasses.field(default_factory=dict)

    def make_step(
        self, context: StageContext
    ) -> tuple[tf.keras.optimizers.Optimizer, Callable[[steps.Batch], steps.Scalars]]:
        """The stage's optimizer, and its training step (`steps.make_step`)."""
        runtime, devices = context.runtime, context.devices
        with devices.scope():
            optimizer = optimizers.build(
                context.config.own_optimizer, runtime.precision
            )
        return optimizer, steps.make_step(
            self.loss, self.players, optimizer, runtime.jit, devices
        )
