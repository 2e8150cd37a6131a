"""Encoder stage: e and g1 learn the global contrastive loss (section 3.2)."""

import logging
import pathlib

from dscl_tf import config, networks
from dscl_tf.pipeline import batches, sampling
from dscl_tf.pipeline.streams import Stream
from dscl_tf.stages import fitting
from dscl_tf.stages import session as sessions
from dscl_tf.training import loop, panels, steps
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
    return fitting.run(stage, assemble)


def assemble(session: sessions.Session) -> fitting.Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort = session.config, session.cohort
    names, probed = sessions.hold_out_probe(
        cohort, session.split.pretrain, stage.num_probe
    )
    table = sampling.slice_table(cohort, names, stage.global_.num_partitions)
    encoder = networks.build_encoder(stage.network, session.size_px)
    head = networks.build_global_head(stage.network, encoder.outputs[-1].shape[1:])
    stream = batches.global_batches(cohort, table, stage.global_, stage.views)

    def make_hooks(monitor: Monitor, _) -> list[loop.Hook]:
        every = stage.runtime.panel_every
        hooks = [loop.Hook(every, _panel_action(session, stream, monitor))]
        if probed:
            partitions = stage.global_.num_partitions
            # Refuses by name a probe volume with too few slices.
            sampling.slice_table(cohort, probed, partitions)
            probe = PartitionProbe(encoder, head, cohort, probed, partitions)
            hooks.append(loop.Hook(every, _probe_action(probe, monitor)))
        return hooks

    return fitting.Assembly(
        parts={"encoder": encoder, "global_head": head},
        players={"loss": encoder.trainable_variables + head.trainable_variables},
        loss=steps.encoder_loss(encoder, head, stage.global_, session.devices),
        stream=stream,
        make_hooks=make_hooks,
    )


def _panel_action(session: sessions.Session, stream: Stream, monitor: Monitor):
    def show(done: int) -> None:
        batch = fitting.batch_of(session, stream, done)
        picture = panels.view_panel(batch["image"].numpy(), batch["view"].numpy())
        monitor.picture(done, "views", picture)

    return show


def _probe_action(probe: PartitionProbe, monitor: Monitor):
    def measure(done: int) -> None:
        accuracy = probe.accuracy()
        monitor.scalars(done, {"probe/partition_accuracy": accuracy})
        _LOG.info(
            "Probe at step %d: nearest neighbour in the same partition %.2f",
            done,
            accuracy,
        )

    return measure
