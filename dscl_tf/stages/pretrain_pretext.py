"""Pretext stage: the networks learn from a task made of unlabelled slices (Table 2)."""

import pathlib

import tensorflow as tf

from dscl_tf import config, errors, networks
from dscl_tf.pipeline import batches, pretext, sampling
from dscl_tf.stages import fitting
from dscl_tf.stages import session as sessions
from dscl_tf.training import loop, panels, pretext_steps, run_folder
from dscl_tf.training.monitor import Monitor

HEAD = "pretext_head"  # Dropped by the next stage.


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
    if stage.pretext.task is config.PretextTask.NONE:
        raise errors.UserError("The pretext stage needs a task: give --pretext.")
    return fitting.run(stage, assemble)


def assemble(session: sessions.Session) -> fitting.Assembly:
    """Builds the networks, the loss and the batches of the stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stage, cohort = session.config, session.cohort
    names, _ = sessions.hold_out_probe(cohort, session.split.pretrain, stage.num_probe)
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, names, num_partitions=1)
    stream = batches.pretext_batches(cohort, table, stage.pretext)
    build = (
        _rotation if stage.pretext.task is config.PretextTask.ROTATION else _restoration
    )
    parts, loss, restore = build(session)

    def make_hooks(monitor: Monitor, _) -> list[loop.Hook]:
        def show(done: int) -> None:
            batch = fitting.batch_of(session, stream, done)
            monitor.picture(done, "pretext", _panel(batch, restore))

        return [loop.Hook(stage.runtime.panel_every, show)]

    variables = [each for model in parts.values() for each in model.trainable_variables]
    return fitting.Assembly(
        parts=parts,
        players={"loss": variables},
        loss=loss,
        stream=stream,
        make_hooks=make_hooks,
    )


def _rotation(session: sessions.Session):
    if session.size_px[0] != session.size_px[1]:
        raise errors.UserError(
            f"Slices of {session.size_px[0]} x {session.size_px[1]} pixels cannot be "
            "rotated by quarter turns: prepare square ones, or use another --pretext."
        )
    network = session.config.network
    encoder = networks.build_encoder(network, session.size_px)
    head = networks.build_rotation_head(
        encoder.outputs[-1].shape[1:], pretext.NUM_ROTATIONS
    )
    loss = pretext_steps.rotation_loss(encoder, head, session.devices)
    return {"encoder": encoder, HEAD: head}, loss, None


def _restoration(session: sessions.Session):
    unet = networks.build_unet(session.config.network, session.size_px, num_classes=1)
    parts = run_folder.unet_parts(unet)
    parts[HEAD] = parts.pop("classifier")
    restore = tf.function(lambda images: unet(images, training=False))
    return parts, pretext_steps.restoration_loss(unet, session.devices), restore


def _panel(batch: dict, restore):
    if restore is None:
        turned = batch["image"].numpy()
        return panels.image_panel(
            {f"{90 * k}°": turned[batch["label"] == k] for k in range(4)}
        )
    columns = {
        "as it was": batch["label"],
        "changed": batch["image"],
        "restored": restore(batch["image"]),
    }
    return panels.image_panel({name: each.numpy() for name, each in columns.items()})
