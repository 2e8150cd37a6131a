"""Pretext stage: the networks learn from a task made of unlabelled slices (Table 2)."""

import tensorflow as tf

from dscl_tf import config, errors, networks
from dscl_tf.cohort import probe_volumes
from dscl_tf.methods.pretext import changes, losses
from dscl_tf.methods.pretext.head import build_rotation_head
from dscl_tf.pipeline import sampling
from dscl_tf.training import loop, panels, run_folder
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.stage_context import StageContext

HEAD = "pretext_head"  # Dropped by the next stage.


def check(stage: config.StageConfig) -> None:
    """Refuses a stage without a task.

    Raises:
      UserError: naming the flag.
    """
    if stage.pretext.task is config.PretextTask.NONE:
        raise errors.UserError("The pretext stage needs a task: give --pretext.")


def assemble(context: StageContext) -> Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort = context.config, context.cohort
    names, _ = probe_volumes.hold_out(cohort, context.split.pretrain, stage.num_probe)
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, names, num_partitions=1)
    stream = changes.pretext_batches(cohort, table, stage.pretext)
    build = (
        _rotation if stage.pretext.task is config.PretextTask.ROTATION else _restoration
    )
    parts, loss, restore = build(context)

    def make_hooks(monitor: Monitor, _) -> list[loop.Hook]:
        def show(done: int) -> None:
            batch = context.batch_of(stream, done)
            monitor.picture(done, "pretext", _panel(batch, restore))

        return [loop.Hook(stage.runtime.panel_every, show)]

    variables = [each for model in parts.values() for each in model.trainable_variables]
    return Assembly(
        parts=parts,
        players={"loss": variables},
        loss=loss,
        stream=stream,
        make_hooks=make_hooks,
    )


def _rotation(context: StageContext):
    if context.size_px[0] != context.size_px[1]:
        raise errors.UserError(
            f"Slices of {context.size_px[0]} x {context.size_px[1]} pixels cannot be "
            "rotated by quarter turns: prepare square ones, or use another --pretext."
        )
    network = context.config.network
    encoder = networks.build_encoder(network, context.size_px, context.num_channels)
    head = build_rotation_head(encoder.outputs[-1].shape[1:], changes.NUM_ROTATIONS)
    loss = losses.rotation_loss(encoder, head, context.devices)
    return {"encoder": encoder, HEAD: head}, loss, None


def _restoration(context: StageContext):
    unet = networks.build_unet(
        context.config.network,
        context.size_px,
        num_classes=context.num_channels,
        channels=context.num_channels,
    )
    parts = run_folder.unet_parts(unet)
    parts[HEAD] = parts.pop("classifier")
    restore = tf.function(lambda images: unet(images, training=False), autograph=False)
    return parts, losses.restoration_loss(unet, context.devices), restore


def _panel(batch: dict, restore):
    if restore is None:
        turned = batch["image"].numpy()
        return panels.image_panel(
            {f"{90 * k}°": turned[batch["label"] == k] for k in range(4)}
        )
    return panels.image_panel(
        {
            "as it was": batch["label"],
            "changed": batch["image"],
            "restored": restore(batch["image"]),
        }
    )
