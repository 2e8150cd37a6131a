"""The training step: a batch in, named scalars out."""

from collections.abc import Mapping, Sequence
from typing import Callable

import tensorflow as tf

from dscl_tf import losses
from dscl_tf.config import GlobalConfig, LocalConfig
from dscl_tf.pipeline import batches
from dscl_tf.training import distribution
from dscl_tf.training.distribution import Devices

Batch = Mapping[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
LossFunction = Callable[[Batch], Scalars]


def make_step(
    loss_function: LossFunction,
    variables: Sequence[tf.Variable],
    optimizer: tf.keras.optimizers.Optimizer,
    jit: bool,
    devices: Devices = distribution.ONE,
) -> Callable[[Batch], Scalars]:
    """A compiled step that updates `variables` to lower the loss.

    Args:
      loss_function: from a batch to scalars, one of which is "loss".
      variables: what is trained.
      optimizer: Keras optimizer; loss scaling is used when it scales losses.
      jit: whether XLA compiles the step.
      devices: what computes it; the loss function must know them, too.

    Returns:
      A function from a batch to the loss function's scalars with "grad_norm"
      and "learning_rate" added; it waits for nothing on the host.
    """
    scaled = isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
    with devices.scope():
        optimizer.build(list(variables))

    def step(batch: Batch) -> Scalars:
        with tf.GradientTape() as tape:
            scalars = loss_function(batch)
            loss = scalars["loss"]
            target = optimizer.get_scaled_loss(loss) if scaled else loss
        gradients = devices.sum_gradients(tape.gradient(target, variables))
        if scaled:
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(
            zip(gradients, variables), skip_gradients_aggregation=True
        )
        return {
            **scalars,
            "grad_norm": tf.linalg.global_norm(gradients),
            "learning_rate": tf.cast(optimizer.learning_rate, tf.float32),
        }

    return devices.compiled(step, jit)


def encoder_loss(
    encoder: tf.keras.Model,
    head: tf.keras.Model,
    config: GlobalConfig,
    devices: Devices = distribution.ONE,
) -> LossFunction:
    """L_g of g1(e(x)) (section 3.2)."""

    def loss(batch: Batch) -> Scalars:
        embeddings = head(encoder(batch["image"], training=True)[-1], training=True)
        ids = batches.loss_ids(batch)
        return losses.global_contrastive_terms(
            devices.gather(embeddings, ids["view"].shape[0]),
            ids,
            config.strategy,
            config.temperature,
        )

    return loss


def decoder_loss(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    head: tf.keras.Model,
    config: LocalConfig,
    regions: losses.LocalRegions,
    devices: Devices = distribution.ONE,
) -> LossFunction:
    """L_l of g2(d_l(e(x))), the encoder frozen with its moving statistics."""

    def loss(batch: Batch) -> Scalars:
        # Deviation: the released code normalises here by batch statistics.
        levels = encoder(batch["image"], training=False)
        features = head(decoder(levels, training=True), training=True)
        ids = batches.loss_ids(batch)
        return losses.local_contrastive_terms(
            devices.gather(features, ids["view"].shape[0]),
            ids,
            config.strategy,
            regions,
            config.temperature,
        )

    return loss


def finetune_loss(
    unet: tf.keras.Model, devices: Devices = distribution.ONE
) -> LossFunction:
    """Soft Dice over all classes."""

    def loss(batch: Batch) -> Scalars:
        logits = unet(batch["image"], training=True)
        sums = losses.soft_dice_sums(logits, batch["label"])
        return {"loss": losses.soft_dice_of_sums(devices.sum(sums))}

    return loss
