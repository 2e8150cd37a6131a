"""A network that labels unlabelled slices for a method: an average of the segmenter.

It is not part of the result, but saved so that an interrupted run can continue with it.
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
    """The teacher, and what `method.AddedLoss` needs to know about it."""

    # From images [n, H, W, channels] to logits [n, H, W, C], without a gradient.
    teach: Callable[[tf.Tensor], tf.Tensor]
    parts: Mapping[str, tf.keras.Model]
    followers: Mapping[str, averaging.Follower]


def make(
    context: StageContext, unet: tf.keras.Model, decay: float, name: str
) -> Teacher:
    """Makes the teacher of a segmenter.

    Args:
      context: of the stage.
      unet: the segmenter.
      decay: of the average of its weights; 0: the segmenter itself, in inference mode.
      name: of the teacher among the run's parts; no other method may use it.
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
      UserError: the stage does not start from a fine-tuned run.
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
