"""Encoder stage: e and g1 learn the global contrastive loss (section 3.2)."""

import logging
import pathlib

from dscl_tf import config, networks
from dscl_tf.pipeline import batches, sampling
from dscl_tf.stages import session as sessions
from dscl_tf.training import loop, optimizers, panels, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.probe import PartitionProbe

_LOG = logging.getLogger(__name__)


def run(stage: config.StageConfig) -> pathlib.Path:
    """Runs the stage, or goes on with it, or finds it finished.

    Args:
      stage: its settings.

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
    stage, cohort = session.config, session.cohort
    names, probed = sessions.hold_out_probe(session.split.pretrain, stage.num_probe)
    table = sampling.slice_table(cohort, names, stage.global_.num_partitions)
    encoder = networks.build_encoder(stage.network, session.size_px)
    head = networks.build_global_head(stage.network, encoder.outputs[-1].shape[1:])
    variables = encoder.trainable_variables + head.trainable_variables
    optimizer = optimizers.build(stage.optimizer, session.runtime.precision)
    step = steps.make_step(
        steps.encoder_loss(encoder, head, stage.global_),
        variables,
        optimizer,
        session.runtime.jit,
    )
    saved = Checkpoints(
        session.run.path, {"encoder": encoder, "global_head": head}, optimizer
    )
    monitor = Monitor(session.run.path, saved.restore())
    stream = batches.global_batches(cohort, table, stage.global_, stage.views)
    hooks = [
        loop.Hook(stage.runtime.panel_every, _panel_hook(session, stream, monitor))
    ]
    if probed:
        probe = PartitionProbe(
            encoder, head, cohort, probed, stage.global_.num_partitions
        )
        hooks.append(loop.Hook(stage.runtime.panel_every, _probe_hook(probe, monitor)))
    sessions.describe(session, monitor)
    done = loop.train(loop.Training(stage, stream, step, saved, monitor, hooks))
    monitor.close()
    session.run.finish(saved.result(), done, {})


def _panel_hook(session: sessions.Session, stream, monitor: Monitor):
    def show(done: int) -> None:
        batch = next(iter(stream.open(session.config.seed, done - 1, done)))
        picture = panels.view_panel(batch["image"].numpy(), batch["view"].numpy())
        monitor.picture(done, "views", picture)

    return show


def _probe_hook(probe: PartitionProbe, monitor: Monitor):
    def measure(done: int) -> None:
        accuracy = probe.accuracy()
        monitor.scalars(done, {"probe/partition_accuracy": accuracy})
        _LOG.info(
            "Probe at step %d: nearest neighbour in the same partition %.2f",
            done,
            accuracy,
        )

    return measure
