"""Fine-tuning: the whole U-Net learns from the labelled volumes (section 3.4)."""

import logging
import pathlib
from collections.abc import Mapping

import numpy as np

from dscl_tf import config, errors, networks
from dscl_tf.pipeline.streams import Stream
from dscl_tf.stages import extras, fitting, methods, teaching
from dscl_tf.stages import session as sessions
from dscl_tf.training import loop, panels, run_folder, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.distribution import Devices
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.validation import Validator

_LOG = logging.getLogger(__name__)


def run(stage: config.StageConfig) -> pathlib.Path:
    """Runs the stage, or goes on with it, or finds it finished.

    Args:
      stage: its settings; `init` names the run to take over, None starts from
        random weights.

    Returns:
      The run folder.

    Raises:
      UserError: a mistake in the settings or the cohort.
      Interrupted: by a signal, after saving.
    """
    return fitting.run(stage, assemble, teaching.make_labels)


def assemble(session: sessions.Session) -> fitting.Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort, split = session.config, session.cohort, session.split
    if not split.train:
        raise errors.UserError(
            "No labelled volume to fine-tune on: give --num_train_volumes of 1 or more."
        )
    with_pseudo = stage.finetune.pseudo_labels.as_targets
    labelled = teaching.labelled_batches(session, stage.finetune, with_pseudo)
    unet = networks.build_unet(stage.network, session.size_px, cohort.num_classes)
    _LOG.info(
        "Training on %s; validating on %s.",
        ", ".join(split.train),
        ", ".join(split.validation) or "nothing (the last weights are kept)",
    )
    shown = Validator(unet, cohort, split.validation or split.train)
    added = extras.make_all(session, unet, methods.ALL)
    stream = added.joined(labelled)

    def make_hooks(monitor: Monitor, saved: Checkpoints) -> list[loop.Hook]:
        hooks = [loop.Hook(stage.runtime.panel_every, _panel_action(shown, monitor))]
        if split.validation:
            validate = _validate_action(shown, monitor, saved, session.devices)
            hooks.append(loop.Hook(stage.finetune.validate_every, validate))
        if added.pictures:
            show = _pictures_action(session, stream, added.pictures, monitor)
            hooks.append(loop.Hook(stage.runtime.panel_every, show))
        return hooks

    return fitting.Assembly(
        parts={**run_folder.unet_parts(unet), **added.parts},
        players={
            **added.players,
            "loss": unet.trainable_variables + list(added.players.get("loss", ())),
        },
        loss=steps.with_added(
            steps.finetune_loss(
                unet, session.devices, with_pseudo, with_logits=bool(added.all)
            ),
            added.losses,
        ),
        stream=stream,
        make_hooks=make_hooks,
    )


def _validate_action(
    shown: Validator, monitor: Monitor, saved: Checkpoints, devices: Devices
):
    def validate(done: int) -> None:
        scores = shown.scores()
        monitor.scalars(done, {f"validation/{k}": v for k, v in scores.items()})
        # One score for all workers: they save together.
        best = saved.keep_if_best(done, devices.chiefs(scores["mean"]))
        _LOG.info(
            "Validation at step %d: Dice %s%s",
            done,
            ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
            " (best so far)" if best else "",
        )

    return validate


def _pictures_action(
    session: sessions.Session,
    stream: Stream,
    pictures: Mapping[str, extras.Picture],
    monitor: Monitor,
):
    def show(done: int) -> None:
        batch = fitting.batch_of(session, stream, done)
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
