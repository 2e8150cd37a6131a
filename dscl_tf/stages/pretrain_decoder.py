"""Decoder stage: d_l and g2 learn the local contrastive loss (section 3.3)."""

import pathlib

from dscl_tf import config, errors, networks
from dscl_tf.losses import regions as local_regions
from dscl_tf.pipeline import batches, sampling
from dscl_tf.stages import session as sessions
from dscl_tf.training import handover, loop, optimizers, panels, run_folder, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor


def run(stage: config.StageConfig) -> pathlib.Path:
    """Runs the stage, or goes on with it, or finds it finished.

    Args:
      stage: its settings; `init` names the run of the encoder stage.

    Returns:
      The run folder.

    Raises:
      UserError: a mistake in the settings or the cohort, or no encoder to start
        from.
      Interrupted: by a signal, after saving.
    """
    if stage.init is None:
        raise errors.UserError(
            "The decoder stage needs a pre-trained encoder: train --stage=encoder "
            "into the same --workdir first, or name its run with --init."
        )
    stage.network.check_blocks(stage.local.num_blocks)
    with sessions.open_session(stage) as session:
        if session is not None:
            _train(session)
    return pathlib.Path(stage.workdir)


def _train(session: sessions.Session) -> None:
    stage, cohort, local = session.config, session.cohort, session.config.local
    names, _ = sessions.hold_out_probe(session.split.pretrain, stage.num_probe)
    table = sampling.slice_table(cohort, names, local.num_partitions)
    encoder = networks.build_encoder(stage.network, session.size_px)
    decoder = networks.build_decoder(stage.network, session.size_px, local.num_blocks)
    encoder.trainable = False
    map_shape = decoder.output.shape[1:]
    head = networks.build_local_head(stage.network, map_shape, local.region_size)
    regions = make_regions(stage, map_shape[:2])
    optimizer = optimizers.build(stage.optimizer, session.runtime.precision)
    step = steps.make_step(
        steps.decoder_loss(encoder, decoder, head, local, regions),
        decoder.trainable_variables + head.trainable_variables,
        optimizer,
        session.runtime.jit,
    )
    blocks = run_folder.decoder_parts(decoder)
    parts = {"encoder": encoder, **blocks, "local_head": head}
    saved = Checkpoints(session.run.path, parts, optimizer)
    first = saved.restore()
    if not first:
        source = run_folder.RunFolder(stage.init).final_checkpoint()
        handover.take_over(source, parts)
    monitor = Monitor(session.run.path, first)
    stream = batches.local_batches(cohort, table, local, stage.views)
    stride_px = session.size_px[0] / map_shape[0]
    show = _panel_hook(session, stream, monitor, regions, stride_px)
    sessions.describe(session, monitor)
    hooks = [loop.Hook(stage.runtime.panel_every, show)]
    done = loop.train(loop.Training(stage, stream, step, saved, monitor, hooks))
    monitor.close()
    session.run.finish(saved.result(), done, {})


def make_regions(
    stage: config.StageConfig, map_size: tuple[int, int]
) -> local_regions.LocalRegions:
    """The regions of a stage on its feature map.

    Raises:
      UserError: the map is too small for them.
    """
    local = stage.local
    try:
        regions = local_regions.make_regions(
            map_size, local.region_size, local.grid, local.num_negatives
        )
    except ValueError as error:
        raise errors.UserError(
            f"{error} Use more decoder blocks (--num_blocks), a smaller "
            "--region_size, or larger slices."
        ) from None
    if stage.network.local_head_units:
        # g2's last layer has already made each region one vector.
        return local_regions.single_positions(regions)
    return regions


def _panel_hook(session, stream, monitor: Monitor, regions, stride_px: float):
    def show(done: int) -> None:
        batch = next(iter(stream.open(session.config.seed, done - 1, done)))
        picture = panels.region_panel(
            batch["image"].numpy(), batch["view"].numpy(), regions, stride_px
        )
        monitor.picture(done, "regions", picture)

    return show
