"""What a method may add to fine-tuning: its parts, each a function of the stage."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf import config
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline.streams import (
    BatchChange,
    JoinedStream,
    LabelOf,
    Source,
    Stream,
)
from dscl_tf.training import averaging, steps
from dscl_tf.training.stage_context import StageContext

Picture = Callable[[steps.Batch], np.ndarray]


@dataclasses.dataclass(frozen=True)
class MoreLabels:
    """Labels that no person drew; half of the slices of a labelled batch have them."""

    names: tuple[str, ...]  # Of volumes.
    label_of: LabelOf  # Of these volumes; the number of classes stands for unknown.


@dataclasses.dataclass(frozen=True)
class AddedLoss:
    """A loss beside the Dice loss of labelled slices, and what it needs.

    The function `loss` returns "loss", weighted, which is added to the segmenter's, and
    the loss of each player under its name. The player "loss" is for variables that
    learn together with the segmenter.
    """

    loss: steps.LossFunction
    # Batches beside the labelled one, by name; equal names are the same stream.
    streams: Mapping[str, Stream] = dataclasses.field(default_factory=dict)
    players: steps.Players = dataclasses.field(default_factory=dict)
    # Networks that are trained along, by name; no later run takes them over.
    parts: Mapping[str, tf.keras.Model] = dataclasses.field(default_factory=dict)
    # Images that the segmenter sees in one pass with the labelled ones, by name; `loss`
    # finds the logits of them under `steps.logits_of(name)`.
    along: Mapping[str, steps.Images] = dataclasses.field(default_factory=dict)
    # What keeps some of the parts averages of the segmenter, by the parts' names.
    followers: Mapping[str, averaging.Follower] = dataclasses.field(
        default_factory=dict
    )
    # What to show of a batch, by name: uint8 [H, W, 3].
    pictures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Method:
    """The parts of a method; None: it has no such part.

    They are called in this order, and only if the method's settings are on. Each may
    raise UserError.
    """

    # Refuses a stage, before any stage of the chain starts; the runs of earlier stages
    # may not exist yet.
    check: Optional[Callable[[config.StageConfig, PreparedCohort], None]] = None
    # Makes files in the run folder, with networks on one device; or refuses the run
    # that the stage starts from. Not called when the stage's time is estimated, since
    # that run need not exist then.
    prepare: Optional[Callable[[StageContext], None]] = None
    # Gives the Dice loss more volumes beside the labelled ones; None: no more.
    more_labels: Optional[Callable[[StageContext], Optional[MoreLabels]]] = None
    # Changes labelled batches after augmentation, or adds to them.
    change: Optional[Callable[[StageContext], BatchChange]] = None
    # Adds losses to the Dice loss of the U-Net that it is given.
    losses: Optional[Callable[[StageContext, tf.keras.Model], list[AddedLoss]]] = None


def parts_of(stage: config.StageConfig) -> list[Method]:
    """The methods that the settings turn on, in the order of the registry."""
    if stage.stage != "finetune":
        return []
    # Imported by name, so that settings can be read without TensorFlow.
    return [
        importlib.import_module(f"dscl_tf.methods.{name}.method").METHOD
        for name in stage.finetune.methods_on
    ]


@dataclasses.dataclass(frozen=True)
class Together:
    """The losses that all methods add."""

    all: Sequence[AddedLoss]

    @property
    def losses(self) -> list[steps.LossFunction]:
        """Their functions."""
        return [added.loss for added in self.all]

    @property
    def parts(self) -> dict[str, tf.keras.Model]:
        """Their networks by name."""
        return self._of_all("parts")

    @property
    def along(self) -> dict[str, steps.Images]:
        """The images that the segmenter is to see for them, by name."""
        return self._of_all("along")

    @property
    def followers(self) -> dict[str, averaging.Follower]:
        """What keeps parts averages of the segmenter, by the parts' names."""
        return self._of_all("followers")

    @property
    def pictures(self) -> dict[str, Picture]:
        """What they show, by name."""
        return self._of_all("pictures")

    @property
    def players(self) -> dict[str, Sequence[tf.Variable]]:
        """Their players; those that learn with the segmenter are joined."""
        joined: dict[str, list[tf.Variable]] = {}
        for added in self.all:
            for name, variables in added.players.items():
                joined.setdefault(name, []).extend(variables)
        return joined

    def joined(self, labelled: Stream) -> Source:
        """The labelled batches, joined with the streams that the methods need."""
        others = self._of_all("streams")
        return JoinedStream(labelled, others) if others else labelled

    def _of_all(self, field: str) -> dict:
        """The entries of one field of all losses, by name."""
        return {k: it for each in self.all for k, it in getattr(each, field).items()}
