"""Opens finished runs of the decoder stage for inspection."""

import dataclasses

import tensorflow as tf

from dscl_tf import errors, networks
from dscl_tf.training import place_probe, run_folder, stage_regions
from dscl_tf.training.records import RunRecord
from dscl_tf.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class DecoderNetworks:
    """The networks of a decoder stage, with fresh weights."""

    parts: dict[str, tf.keras.Model]  # By the names in checkpoints.
    decoder_features: tf.keras.Model  # d_l(e(x)), before the head.
    stage: place_probe.LocalStage


def open_run(folder: str) -> tuple[RunFolder, RunRecord]:
    """A run of the decoder stage.

    Raises:
      UserError: it is of another stage, or takes several channels.
    """
    run = RunFolder(folder)
    record = run.read_record()
    if record.config.stage != "decoder":
        raise errors.UserError(
            f"{run.path} is a run of the stage {record.config.stage!r}, expected one "
            "of the decoder stage."
        )
    if record.preprocessing.num_channels > 1:
        raise errors.UserError(
            f"{run.path} takes {record.preprocessing.num_channels} channels, expected "
            "one: this looks at no others."
        )
    return run, record


def networks_of(record: RunRecord) -> DecoderNetworks:
    """The stage's networks, with fresh weights, and what its loss needs."""
    stage, size_px = record.config, record.preprocessing.size_px
    encoder = networks.build_encoder(stage.network, size_px)
    decoder = networks.build_decoder(stage.network, size_px, stage.local.num_blocks)
    shape = tuple(decoder.output.shape[1:])
    head = networks.build_local_head(stage.network, shape, stage.local.region_size)
    parts = {
        "encoder": encoder,
        **run_folder.decoder_parts(decoder),
        "local_head": head,
    }
    features = tf.keras.Model(encoder.inputs, decoder(encoder.outputs))
    looked_at = place_probe.LocalStage(
        lambda images: head(features(images)),
        stage_regions.region_source(stage, shape[:2]),
        stage.local,
        stage.views,
        shape[:2],
    )
    return DecoderNetworks(parts, features, looked_at)
