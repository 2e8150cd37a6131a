"""Fine-tuning: the whole U-Net learns from the labelled volumes (section 3.4)."""

import logging
import pathlib

import numpy as np

from dscl_tf import config, errors, networks
from dscl_tf.pipeline import batches, sampling
from dscl_tf.stages import session as sessions
from dscl_tf.training import handover, loop, optimizers, panels, run_folder, steps
from dscl_tf.training.checkpoints import Checkpoints
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
    with sessions.open_session(stage) as session:
        if session is not None:
            _train(session)
    return pathlib.Path(stage.workdir)


def _train(session: sessions.Session) -> None:
    stage, cohort, split = session.config, session.cohort, session.split
    if not split.train:
        raise errors.UserError(
            "No labelled volume to fine-tune on: give --num_train_volumes of 1 or more."
        )
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, split.train, num_partitions=1)
    unet = networks.build_unet(stage.network, session.size_px, cohort.num_classes)
    parts = run_folder.unet_parts(unet)
    optimizer = optimizers.build(stage.optimizer, session.runtime.precision)
    step = steps.make_step(
        steps.finetune_loss(unet),
        unet.trainable_variables,
        optimizer,
        session.runtime.jit,
    )
    saved = Checkpoints(session.run.path, parts, optimizer)
    first = saved.restore()
    if not first and stage.init is not None:
        handover.take_over(run_folder.RunFolder(stage.init).final_checkpoint(), parts)
    monitor = Monitor(session.run.path, first)
    _LOG.info(
        "Training on %s; validating on %s.",
        ", ".join(split.train),
        ", ".join(split.validation) or "nothing (the last weights are kept)",
    )
    sessions.describe(session, monitor)
    stream = batches.finetune_batches(cohort, table, stage.finetune)
    hooks = _hooks(session, saved, monitor, unet)
    done = loop.train(loop.Training(stage, stream, step, saved, monitor, hooks))
    monitor.close()
    scores = {}
    if split.validation:
        scores = {
            "best_step": int(saved.best_step),
            "validation_dice": float(saved.best_score),
        }
    session.run.finish(saved.result(), done, scores)


def _hooks(
    session: sessions.Session, saved: Checkpoints, monitor: Monitor, unet
) -> list[loop.Hook]:
    stage, split = session.config, session.split
    shown = Validator(unet, session.cohort, split.validation or split.train)

    def validate(done: int) -> None:
        scores = shown.scores()
        monitor.scalars(done, {f"validation/{k}": v for k, v in scores.items()})
        best = saved.keep_if_best(done, scores["mean"])
        _LOG.info(
            "Validation at step %d: Dice %s%s",
            done,
            ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
            " (best so far)" if best else "",
        )

    def show(done: int) -> None:
        name = (split.validation or split.train)[0]
        cohort = session.cohort
        picture = panels.segmentation_panel(
            np.asarray(cohort.image(name)),
            np.asarray(cohort.label(name)),
            shown.predict(name),
            cohort.num_classes,
        )
        monitor.picture(done, "segmentation", picture)

    hooks = [loop.Hook(stage.runtime.panel_every, show)]
    if split.validation:
        hooks.append(loop.Hook(stage.finetune.validate_every, validate))
    return hooks
