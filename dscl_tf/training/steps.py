"""The training step: a batch in, named scalars out."""

from collections.abc import Mapping, Sequence
from typing import Callable, Optional

import tensorflow as tf

from dscl_tf import losses
from dscl_tf.config import GlobalConfig, LocalConfig, LossKind
from dscl_tf.pipeline import batches
from dscl_tf.training import distribution
from dscl_tf.training.distribution import Devices

Batch = Mapping[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
LossFunction = Callable[[Batch], Scalars]
# From a batch to images of it, floating [n, H, W, channels].
Images = Callable[[Batch], tf.Tensor]
# The variables that learn from each loss, by the loss's name among the scalars.
Players = Mapping[str, Sequence[tf.Variable]]
# The key under which `with_added` gives added losses the segmenter's logits of the
# labelled images, so that they need not compute them again.
LOGITS = "logits"
# The key under which a step with loss scaling reports the scale.
LOSS_SCALE = "loss_scale"


def make_step(
    loss_function: LossFunction,
    players: Players,
    optimizer: tf.keras.optimizers.Optimizer,
    jit: bool,
    devices: Devices = distribution.ONE,
) -> Callable[[Batch], Scalars]:
    """Compiles a step that updates each player's variables to lower its loss.

    Args:
      loss_function: from a batch to scalars, among them each player's loss.
      players: the trained variables, by loss; one is "loss". Opponents, such as a
        discriminator, are updated in the same step, each by its own loss alone.
      optimizer: Keras optimizer; loss scaling is used when it scales losses.
      jit: whether XLA compiles the step.
      devices: the devices that compute it; the loss function must use the same.

    Returns:
      A function from a batch to the loss function's scalars with "grad_norm" (of
      "loss" alone) and "learning_rate" added; it does not synchronise with the host.
    """
    players = {"loss": players["loss"], **players}  # First, for its norm below.
    scaled = isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
    with devices.scope():
        # One optimizer for all players, since Adam updates each variable by itself.
        optimizer.build([each for player in players.values() for each in player])

    def step(batch: Batch) -> Scalars:
        with tf.GradientTape(persistent=len(players) > 1) as tape:
            scalars = loss_function(batch)
            targets = {
                name: optimizer.get_scaled_loss(scalars[name])
                if scaled
                else scalars[name]
                for name in players
            }
        pairs = [
            pair
            for name, variables in players.items()
            for pair in zip(tape.gradient(targets[name], variables), variables)
        ]
        gradients = devices.sum_gradients([gradient for gradient, _ in pairs])
        if scaled:
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(
            zip(gradients, [variable for _, variable in pairs]),
            skip_gradients_aggregation=True,
        )
        scale = {LOSS_SCALE: optimizer.loss_scale} if scaled else {}
        return {
            **scalars,
            **scale,
            "grad_norm": tf.linalg.global_norm(gradients[: len(players["loss"])]),
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
            config.position_threshold,
        )

    return loss


def decoder_maps(
    encoder: tf.keras.Model, decoder: tf.keras.Model, head: tf.keras.Model
) -> Callable[[tf.Tensor], tf.Tensor]:
    """g2(d_l(e(x))) of images x, the encoder frozen with its moving statistics."""

    def maps_of(images: tf.Tensor) -> tf.Tensor:
        # Deviation: the released code normalises here by batch statistics.
        levels = encoder(images, training=False)
        return head(decoder(levels, training=True), training=True)

    return maps_of


def local_loss(
    maps_of: Callable[[tf.Tensor], tf.Tensor],
    config: LocalConfig,
    regions_of: Callable[[Batch], losses.LocalRegions],
    devices: Devices = distribution.ONE,
    num_pairs: Optional[int] = None,
) -> LossFunction:
    """L_l of feature maps (section 3.3).

    Args:
      maps_of: from images [n, H, W, channels] to maps [n, h, w, C].
      config: strategy and temperature.
      regions_of: from a batch to its regions.
      devices: the devices that compute it.
      num_pairs: number of ordered positive pairs in a batch, if it is known.
    """

    def loss(batch: Batch) -> Scalars:
        ids = batches.loss_ids(batch)
        return losses.local_contrastive_terms(
            devices.gather(maps_of(batch["image"]), ids["view"].shape[0]),
            ids,
            config.strategy,
            regions_of(batch),
            config.temperature,
            num_pairs,
        )

    return loss


def with_added(loss_function: LossFunction, added: Sequence[LossFunction]):
    """Adds the (weighted) losses of other loss functions to a loss.

    Args:
      loss_function: returns "loss", and may return LOGITS.
      added: each returns "loss", too, and further scalars to report. Their batch has
        LOGITS, and the logits of their own images (`logits_of`).

    Returns:
      A function from a batch to all scalars; "own_loss" is that of `loss_function`.
    """
    if not added:
        return loss_function

    def loss(batch: Batch) -> Scalars:
        scalars = dict(loss_function(batch))
        said = [name for name in scalars if name.split("/")[0] == LOGITS]
        batch = {**batch, **{name: scalars.pop(name) for name in said}}
        total = scalars["own_loss"] = scalars["loss"]
        for function in added:
            found = dict(function(batch))
            total += found.pop("loss")
            scalars.update(found)
        return {**scalars, "loss": total}

    return loss


def finetune_loss(
    unet: tf.keras.Model,
    devices: Devices = distribution.ONE,
    kind: LossKind = LossKind.DICE,
    has_unknown: bool = False,
    along: Optional[Mapping[str, Images]] = None,
    with_logits: bool = False,
) -> LossFunction:
    """The loss of the labelled slices, over the pixels whose label is known.

    Args:
      unet: the segmenter.
      devices: the devices that compute it.
      kind: soft Dice over all classes, or the mean of it and cross-entropy.
      has_unknown: whether labels may be unknown.
      along: other images of a batch, by name. The segmenter sees them in the same
        pass, so that the batch statistics of BatchNorm are those of all images.
      with_logits: whether to return LOGITS beside the loss, for added losses, and the
        logits of the other images as `logits_of`(name).
    """
    along = dict(along or {})

    def loss(batch: Batch) -> Scalars:
        shown = [batch["image"], *(images(batch) for images in along.values())]
        logits = unet(tf.concat(shown, axis=0), training=True)
        logits, *others = tf.split(logits, [images.shape[0] for images in shown])
        lost = loss_of_labels(logits, batch["label"], devices, kind, has_unknown)
        if not with_logits:
            return {"loss": lost}
        of_others = {logits_of(name): each for name, each in zip(along, others)}
        return {"loss": lost, LOGITS: logits, **of_others}

    return loss


def loss_of_labels(
    logits: tf.Tensor,
    labels: tf.Tensor,
    devices: Devices,
    kind: LossKind = LossKind.DICE,
    has_unknown: bool = True,
) -> tf.Tensor:
    """The loss of a segmentation against its labels, over the batch of all devices.

    Args:
      logits: floating [n, H, W, C], of this device.
      labels: int [n, H, W], or floating [n, H, W, C] with one map per class.
      devices: the devices that compute it.
      kind: soft Dice over all classes, or the mean of it and cross-entropy.
      has_unknown: whether labels may be unknown; where all are known, it changes
        nothing.

    Returns:
      float32 scalar.
    """
    sums = losses.soft_dice_sums(logits, labels, has_unknown)
    lost = losses.soft_dice_of_sums(devices.sum(sums))
    if kind is LossKind.DICE_CE:
        sums = losses.cross_entropy_sums(logits, labels, has_unknown)
        lost = 0.5 * (lost + losses.cross_entropy_of_sums(devices.sum(sums)))
    return lost


def logits_of(name: str) -> str:
    """The key under which an added loss finds the logits of its own images."""
    return f"{LOGITS}/{name}"


def mean_over_batch(terms: tf.Tensor, total: int, devices: Devices) -> tf.Tensor:
    """The mean over the rows of all replicas.

    Args:
      terms: float32 [n, ...] of this replica.
      total: N, rows of the whole batch.
      devices: the devices that compute it.
    """
    return devices.sum(tf.reduce_sum(terms, axis=0)) / total
