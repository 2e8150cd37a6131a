"""A network that labels unlabelled slices for a method: the average of the segmenter's.

It is no part of the result, and is saved so that an interrupted run goes on with it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Callable

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import averaging
from dscl_tf.training.run_folder import RunFolder
from dscl_tf.training.stage_context import StageContext


@dataclasses.dataclass(frozen=True)
class Teacher:
    """What labels, and what `method.AddedLoss` is to know of it."""

    # From images [n, H, W, channels] to logits [n, H, W, C], without a gradient.
    teach: Callable[[tf.Tensor], tf.Tensor]
    parts: Mapping[str, tf.keras.Model]
    followers: Mapping[str, averaging.Follower]


def make(
    context: StageContext, unet: tf.keras.Model, decay: float, name: str
) -> Teacher:
    """The teacher of a segmenter.

    Args:
      context: of the stage.
      unet: the segmenter.
      decay: of the average of its weights; 0: the segmenter itself, in inference mode.
      name: of the part, which no other method has.
    """
    network = unet
    parts, followers = {}, {}
    if decay:
        network = context.build_unet()
        parts = {name: network}
        followers = {name: averaging.follow(network, unet, decay)}

    def teach(images: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(network(images, training=False))

    return Teacher(teach, parts, followers)


def require_first_round(context: StageContext) -> None:
    """Refuses to start from a network that does not segment yet.

    Raises:
      UserError: the stage goes on from no fine-tuned run.
    """
    start, found = context.config.init, "none"
    if start is not None:
        found = RunFolder(start).read_record().config.stage
    if found != "finetune":
        raise errors.UserError(
            "Unlabelled slices can only be used once a network segments: this stage "
            f"must start from a fine-tuned run; found {found!r}. dscl-train trains one "
            "first by itself; or name one with --self_training_first=RUN."
        )
