"""What methods add to fine-tuning beside the Dice loss of labelled slices."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable, Optional, Union

import numpy as np
import tensorflow as tf

from dscl_tf.pipeline.streams import JoinedStream, Stream
from dscl_tf.stages.session import Session
from dscl_tf.training import steps

Picture = Callable[[steps.Batch], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Extra:
    """One method's part of the stage.

    Its loss function gives "loss", weighted, which is added to the segmenter's; and
    the losses of its players by their names. A player "loss" are variables that learn
    together with the segmenter.
    """

    loss: steps.LossFunction
    # Batches beside the labelled one, by name; equal names are the same stream.
    streams: Mapping[str, Stream] = dataclasses.field(default_factory=dict)
    players: steps.Players = dataclasses.field(default_factory=dict)
    # Networks that are trained along, by name; they are not handed over.
    parts: Mapping[str, tf.keras.Model] = dataclasses.field(default_factory=dict)
    # What to show of a batch, by name: uint8 [H, W, 3].
    pictures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Extras:
    """All of them together."""

    all: Sequence[Extra]

    @property
    def losses(self) -> list[steps.LossFunction]:
        """Their loss functions."""
        return [extra.loss for extra in self.all]

    @property
    def parts(self) -> dict[str, tf.keras.Model]:
        """Their networks by name."""
        return {k: model for extra in self.all for k, model in extra.parts.items()}

    @property
    def pictures(self) -> dict[str, Picture]:
        """What they show, by name."""
        return {k: draw for extra in self.all for k, draw in extra.pictures.items()}

    @property
    def players(self) -> dict[str, Sequence[tf.Variable]]:
        """Their players; those that learn with the segmenter are joined."""
        joined: dict[str, list[tf.Variable]] = {}
        for extra in self.all:
            for name, variables in extra.players.items():
                joined.setdefault(name, []).extend(variables)
        return joined

    def joined(self, labelled: Stream) -> Union[Stream, JoinedStream]:
        """The labelled batches with what the methods need beside them."""
        others = {
            k: stream for extra in self.all for k, stream in extra.streams.items()
        }
        return JoinedStream(labelled, others) if others else labelled


# Gives its part of the stage, or None where the settings do not ask for it.
Method = Callable[[Session, tf.keras.Model], Optional[Extra]]


def make_all(
    session: Session, unet: tf.keras.Model, methods: Sequence[Method]
) -> Extras:
    """What the settings of a fine-tuning stage ask for.

    Args:
      session: the opened stage.
      unet: its network.
      methods: all that there are.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    made = [method(session, unet) for method in methods]
    return Extras([extra for extra in made if extra is not None])
