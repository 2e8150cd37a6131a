"""Encoder stage: e and g1 learn the global contrastive loss (section 3.2)."""

import logging

from dscl_tf import networks
from dscl_tf.cohort import probe_volumes
from dscl_tf.pipeline import batches, sampling
from dscl_tf.pipeline.streams import Stream
from dscl_tf.training import loop, panels, steps
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.probe import PartitionProbe
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


def assemble(context: StageContext) -> Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort = context.config, context.cohort
    names, probed = probe_volumes.hold_out(
        cohort, context.split.pretrain, stage.num_probe
    )
    table = sampling.slice_table(cohort, names, stage.global_.num_partitions)
    encoder = networks.build_encoder(
        stage.network, context.size_px, context.num_channels
    )
    head = networks.build_global_head(stage.network, encoder.outputs[-1].shape[1:])
    stream = batches.global_batches(cohort, table, stage.global_, stage.views)

    def make_hooks(monitor: Monitor, _) -> list[loop.Hook]:
        every = stage.runtime.panel_every
        hooks = [loop.Hook(every, _panel_action(context, stream, monitor))]
        if probed:
            partitions = stage.global_.num_partitions
            # Called for its check, which names a probe volume with too few slices.
            sampling.slice_table(cohort, probed, partitions)
            probe = PartitionProbe(encoder, head, cohort, probed, partitions)
            hooks.append(loop.Hook(every, _probe_action(probe, monitor)))
        return hooks

    return Assembly(
        parts={"encoder": encoder, "global_head": head},
        players={"loss": encoder.trainable_variables + head.trainable_variables},
        loss=steps.encoder_loss(encoder, head, stage.global_, context.devices),
        stream=stream,
        make_hooks=make_hooks,
    )


def _panel_action(context: StageContext, stream: Stream, monitor: Monitor):
    def show(done: int) -> None:
        batch = context.batch_of(stream, done)
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
