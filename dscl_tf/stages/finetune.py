"""Fine-tuning: the whole U-Net learns from the labelled volumes (section 3.4)."""

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import components
from dscl_tf.methods import labelled, method
from dscl_tf.pipeline.streams import Source
from dscl_tf.training import averaging, loop, panels, run_folder, steps
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.distribution import Devices
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.stage_context import StageContext
from dscl_tf.training.validation import Validator, classes_in

_LOG = logging.getLogger(__name__)


def prepare(context: StageContext) -> None:
    """Warns of structures without labels, then lets methods make their files.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    _warn_of_unseen(context.cohort, context.split)
    for part in method.parts_of(context.config):
        if part.prepare is not None:
            part.prepare(context)


def _warn_of_unseen(cohort: PreparedCohort, split: splits.Split) -> None:
    """Warns of structures that occur in no label of the training or validation set."""
    for subset, names, so in (
        ("training", split.train, "masks will not contain it"),
        ("validation", split.validation, "it does not affect which weights are kept"),
    ):
        seen = classes_in(cohort, names)
        unseen = [
            name
            for k, name in enumerate(cohort.label_names)
            if k > 0 and k not in seen and names
        ]
        if unseen:
            _LOG.warning(
                "The labelled %s volumes (%s) have no voxel of %s: %s. Draw others "
                "(--split, --split_seed), or label more of them.",
                subset,
                ", ".join(names),
                ", ".join(unseen),
                so,
            )


def assemble(context: StageContext) -> Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort, split = context.config, context.cohort, context.split
    parts = method.parts_of(stage)
    more = _more_labels(context, parts)
    changes = [each.change(context) for each in parts if each.change is not None]
    unet = context.build_unet()
    _LOG.info(
        "Training on %s; validating on %s.",
        ", ".join(split.train),
        ", ".join(split.validation) or "nothing (the last weights are kept)",
    )
    average = _average(context, unet)
    shown = Validator(average.network, cohort, split.validation or split.train)
    made = [each.losses(context, unet) for each in parts if each.losses is not None]
    added = method.Together([each for losses in made for each in losses])
    stream = added.joined(labelled.labelled_batches(context, more, changes))
    own_loss = steps.finetune_loss(
        unet,
        context.devices,
        stage.finetune.loss,
        has_unknown=more is not None or cohort.unknown is not None,
        along=added.along,
        with_logits=bool(added.all),
    )

    return Assembly(
        parts={**run_folder.unet_parts(unet), **average.parts, **added.parts},
        players={
            **added.players,
            "loss": unet.trainable_variables + list(added.players.get("loss", ())),
        },
        loss=steps.with_added(own_loss, added.losses),
        stream=stream,
        make_hooks=functools.partial(_hooks, context, shown, stream, added.pictures),
        followers={**average.followers, **added.followers},
    )


@dataclasses.dataclass(frozen=True)
class _Result:
    """The network that is validated: the segmenter, or the average of its weights."""

    network: tf.keras.Model
    parts: Mapping[str, tf.keras.Model]
    followers: Mapping[str, averaging.Follower]


def _average(context: StageContext, unet: tf.keras.Model) -> _Result:
    decay = context.config.finetune.average_decay
    if not decay:
        return _Result(unet, {}, {})
    network = context.build_unet()
    parts = run_folder.averaged(run_folder.unet_parts(network))
    follower = averaging.follow(network, unet, decay)
    return _Result(network, parts, dict.fromkeys(parts, follower))


def _hooks(
    context: StageContext,
    shown: Validator,
    stream: Source,
    pictures: Mapping[str, method.Picture],
    monitor: Monitor,
    saved: Checkpoints,
) -> list[loop.Hook]:
    stage = context.config
    hooks = [loop.Hook(stage.runtime.panel_every, _panel_action(shown, monitor))]
    if context.split.validation:
        validate = _validate_action(shown, monitor, saved, context.devices)
        hooks.append(loop.Hook(stage.finetune.validate_every, validate))
    if pictures:
        show = _pictures_action(context, stream, pictures, monitor)
        hooks.append(loop.Hook(stage.runtime.panel_every, show))
    return hooks


def conclude(context: StageContext, checkpoint: pathlib.Path) -> dict[str, Any]:
    """Chooses, on validation volumes, where masks keep one connected component.

    Nothing is chosen unless the settings ask for it.

    Raises:
      UserError: the checkpoint cannot be read.
    """
    names, cohort = context.split.validation, context.cohort
    if not context.config.finetune.largest_component:
        return {}
    if not names:
        _LOG.warning(
            "Masks keep all pieces: without validation volumes it is unknown for "
            "which structures only the largest should be kept."
        )
        return {}
    network = run_folder.load_network(context.run.read_record(), checkpoint)
    shown = Validator(network, cohort, names)
    found = components.chosen(
        [np.asarray(cohort.label(name)) for name in names],
        [shown.predict(name) for name in names],
        cohort.num_classes,
    )
    said = dict(enumerate(cohort.label_names))
    said[components.ALL_STRUCTURES] = "all structures together"
    _LOG.info(
        "Masks keep one piece of: %s.",
        ", ".join(said[label] for label in found) or "no structure",
    )
    return {"largest_component": list(found)}


def _more_labels(
    context: StageContext, parts: Sequence[method.Method]
) -> Optional[method.MoreLabels]:
    """The extra labels of the first method that has any, or None."""
    asked = (each.more_labels for each in parts if each.more_labels is not None)
    found = (more_labels(context) for more_labels in asked)
    return next((more for more in found if more is not None), None)


def _validate_action(
    shown: Validator, monitor: Monitor, saved: Checkpoints, devices: Devices
):
    def validate(done: int) -> None:
        scores = shown.scores()
        monitor.scalars(done, {f"validation/{k}": v for k, v in scores.items()})
        # All workers use the chief's score, since saving is collective.
        best = saved.keep_if_best(done, devices.chiefs(scores["mean"]))
        _LOG.info(
            "Validation at step %d: Dice %s%s",
            done,
            ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
            " (best so far)" if best else "",
        )

    return validate


def _pictures_action(
    context: StageContext,
    stream: Source,
    pictures: Mapping[str, method.Picture],
    monitor: Monitor,
):
    def show(done: int) -> None:
        batch = context.batch_of(stream, done)
        for name, draw in pictures.items():
            monitor.picture(done, name, draw(batch))

    return show


def _panel_action(shown: Validator, monitor: Monitor):
    def show(done: int) -> None:
        name, cohort = shown.names[0], shown.cohort
        picture = panels.segmentation_panel(
            np.asarray(cohort.image(name)),
            np.asarray(cohort.label(name)),
            shown.predict(name),
            cohort.num_classes,
        )
        monitor.picture(done, "segmentation", picture)

    return show
