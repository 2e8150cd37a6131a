"""Joint training: L = Dice + a L_g + b L_l in the fine-tuning stage (section 3.4)."""

from typing import Optional

import tensorflow as tf

from dscl_tf import config, errors, networks
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.pipeline import batches, sampling, streams
from dscl_tf.training import stage_regions, steps
from dscl_tf.training.stage_context import StageContext

# Make their draws differ from those of the labelled batches, and from each other's.
_GLOBAL_SALT, _LOCAL_SALT = 101, 102


def check(stage: config.StageConfig, cohort: PreparedCohort) -> None:
    """Refuses a weight whose loss does not exist or does not fit the slices.

    Raises:
      UserError: no strategy, too few blocks, or too small maps.
    """
    joint = stage.finetune.joint
    if joint.global_weight and stage.global_.strategy is config.GlobalStrategy.NONE:
        raise _no_strategy("global")
    if joint.local_weight:
        if stage.local.strategy is config.LocalStrategy.NONE:
            raise _no_strategy("local")
        stage_regions.check(stage, cohort.settings.size_px)


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """Those of the two losses that have a weight.

    Raises:
      UserError: too few volumes or too small maps for it.
    """
    made = (added_global(context, unet), added_local(context, unet))
    return [each for each in made if each is not None]


def added_global(context: StageContext, unet: tf.keras.Model) -> Optional[AddedLoss]:
    """The loss a * L_g on g1(e(x)) of unlabelled slices; None if a is 0.

    Raises:
      UserError: too few volumes for it.
    """
    stage = context.config
    weight = stage.finetune.joint.global_weight
    if not weight:
        return None
    encoder = unet.get_layer("encoder")
    shape = _shape_at(context, len(stage.network.filters) - 1)
    head = networks.build_global_head(stage.network, shape)
    table = _table(context, stage.global_.num_partitions)
    stream = batches.global_batches(
        context.cohort, table, stage.global_, stage.views, _GLOBAL_SALT
    )
    of_batch = steps.encoder_loss(encoder, head, stage.global_, context.devices)

    def loss(batch: steps.Batch) -> steps.Scalars:
        terms = of_batch(streams.part_of(batch, "global"))
        return {
            "loss": weight * terms["loss"],
            "global_loss": terms["loss"],
            "top1": terms["top1"],
        }

    return AddedLoss(
        loss=loss,
        streams={"global": stream},
        players={"loss": head.trainable_variables},
        parts={"global_head": head},
    )


def added_local(context: StageContext, unet: tf.keras.Model) -> Optional[AddedLoss]:
    """The loss b * L_l on g2 of the U-Net's first l decoder blocks; None if b is 0.

    Raises:
      UserError: too few volumes or too small maps for it.
    """
    stage, local = context.config, context.config.local
    weight = stage.finetune.joint.local_weight
    if not weight:
        return None
    shape = _shape_at(context, stage.network.num_blocks - local.num_blocks)
    head = networks.build_local_head(stage.network, shape, local.region_size)
    regions_of = stage_regions.region_source(stage, shape[:2])
    table = _table(context, local.num_partitions)
    stream = batches.local_batches(
        context.cohort, table, local, stage.views, shape[:2], _LOCAL_SALT
    )
    num_pairs = batches.num_local_pairs(table, local)
    encoder, decoder = (unet.get_layer(name) for name in ("encoder", "decoder"))

    def maps_of(images: tf.Tensor) -> tf.Tensor:
        levels = encoder(images, training=True)
        features = networks.apply_blocks(decoder, levels, local.num_blocks, True)
        return head(features, training=True)

    of_batch = steps.local_loss(maps_of, local, regions_of, context.devices, num_pairs)

    def loss(batch: steps.Batch) -> steps.Scalars:
        terms = of_batch(streams.part_of(batch, "local"))
        return {
            "loss": weight * terms["loss"],
            "local_loss": terms["loss"],
            "local_top1": terms["top1"],
        }

    return AddedLoss(
        loss=loss,
        streams={"local": stream},
        players={"loss": head.trainable_variables},
        parts={"local_head": head},
    )


def _shape_at(context: StageContext, level: int) -> tuple[int, int, int]:
    """(H, W, C) of the U-Net's features at a level, 0 the full resolution."""
    height, width = context.size_px
    return height >> level, width >> level, context.config.network.filters[level]


def _table(context: StageContext, num_partitions: int) -> sampling.SliceTable:
    # All of them: no volume is held out for a probe in this stage.
    names = context.split.pretrain
    return sampling.slice_table(context.cohort, names, num_partitions)


def _no_strategy(kind: str) -> errors.UserError:
    return errors.UserError(
        f"--joint_{kind}_weight has no loss to weigh with --{kind}_strategy=none: "
        "choose a strategy."
    )


METHOD = Method(check=check, losses=added)
