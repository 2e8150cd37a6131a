"""Decoder stage: d_l and g2 learn the local contrastive loss (section 3.3)."""

import logging

from dscl_tf import config, errors, networks
from dscl_tf.cohort import probe_volumes
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline import batches, sampling
from dscl_tf.pipeline.streams import Stream
from dscl_tf.training import (
    loop,
    panels,
    place_probe,
    run_folder,
    stage_regions,
    steps,
)
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


def check(stage: config.StageConfig) -> None:
    """Refuses a stage without an encoder, or regions that do not fit the slices.

    Raises:
      UserError: no run to take over, too few blocks, too small crops, or no cohort.
    """
    if stage.init is None:
        raise errors.UserError(
            "The decoder stage needs a pre-trained encoder: train --stage=encoder "
            "into the same --workdir first, or name its run with --init."
        )
    cohort = PreparedCohort.open(stage.prepared)
    stage_regions.check(stage, cohort.settings.size_px)


def assemble(context: StageContext) -> Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort, local = context.config, context.cohort, context.config.local
    names, probed = probe_volumes.hold_out(
        cohort, context.split.pretrain, stage.num_probe
    )
    table = sampling.slice_table(cohort, names, local.num_partitions)
    encoder = networks.build_encoder(
        stage.network, context.size_px, context.num_channels
    )
    encoder.trainable = False
    decoder = networks.build_decoder(stage.network, context.size_px, local.num_blocks)
    map_shape = tuple(decoder.output.shape[1:])
    head = networks.build_local_head(stage.network, map_shape, local.region_size)
    regions_of = stage_regions.region_source(stage, map_shape[:2])
    stream = batches.local_batches(cohort, table, local, stage.views, map_shape[:2])
    looked_at = place_probe.LocalStage(
        lambda images: head(decoder(encoder(images))),
        regions_of,
        local,
        stage.views,
        map_shape[:2],
    )
    two = place_probe.two_subjects(cohort, probed, names)

    def make_hooks(monitor: Monitor, _) -> list[loop.Hook]:
        actions = [_panel_action(context, stream, looked_at, monitor)]
        if two:
            probe = place_probe.PlaceProbe(looked_at, cohort, two)
            actions.append(_probe_action(probe, monitor, local.views))
        return [loop.Hook(stage.runtime.panel_every, action) for action in actions]

    return Assembly(
        parts={
            "encoder": encoder,
            **run_folder.decoder_parts(decoder),
            "local_head": head,
        },
        players={"loss": decoder.trainable_variables + head.trainable_variables},
        loss=steps.local_loss(
            steps.decoder_maps(encoder, decoder, head),
            local,
            regions_of,
            context.devices,
            batches.num_local_pairs(table, local),
        ),
        stream=stream,
        make_hooks=make_hooks,
    )


def _panel_action(
    context: StageContext,
    stream: Stream,
    looked_at: place_probe.LocalStage,
    monitor: Monitor,
):
    stride_px = context.size_px[0] / looked_at.map_size[0]

    def show(done: int) -> None:
        batch = context.batch_of(stream, done)
        images, view = batch["image"].numpy(), batch["view"].numpy()
        regions = looked_at.regions_of(batch)
        size = context.config.local.region_size
        picture = panels.region_panel(images, view, regions, size, stride_px)
        monitor.picture(done, "regions", picture)

    return show


_CURES = {
    config.LocalViews.INTENSITY: "use --local_views=crops",
    config.LocalViews.CROPS: "try a smaller --local_crop_side or more --num_regions",
}


def _probe_action(
    probe: place_probe.PlaceProbe, monitor: Monitor, views: config.LocalViews
):
    has_warned = False

    def measure(done: int) -> None:
        nonlocal has_warned
        found = probe.losses()
        monitor.scalars(
            done,
            {
                "probe/two_views_loss": found.two_views,
                "probe/same_places_loss": found.same_places,
                "probe/chance": found.chance,
            },
        )
        _LOG.info(
            "Probe at step %d: loss of two views %.3f, of the same places of different "
            "volumes %.3f (chance %.2f)",
            done,
            found.two_views,
            found.same_places,
            found.chance,
        )
        if found.is_solved_by_place and not has_warned:
            has_warned = True
            _LOG.warning(
                "At step %d regions of different volumes at the same places are told "
                "apart nearly as well as those of two views: the decoder learns where "
                "regions lie, not what they show; %s.",
                done,
                _CURES[views],
            )

    return measure
