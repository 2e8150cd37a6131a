"""Contrast of pixels by their true or pseudo class, beside the Dice loss."""

import tensorflow as tf

from dscl_tf.methods import labelled
from dscl_tf.methods.class_contrast import head as heads
from dscl_tf.methods.class_contrast import loss as losses
from dscl_tf.methods.class_contrast import pixels
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.methods.pseudo_labels import method as pseudo_labels
from dscl_tf.pipeline import streams
from dscl_tf.training import steps
from dscl_tf.training.stage_context import StageContext

# Makes its draws differ from those of the labelled batches.
_SALT = 103
_STREAM = "classes"


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """The loss on pixels that are drawn from batches of its own.

    Raises:
      UserError: a batch is too small for labelled and pseudo-labelled slices.
    """
    settings = context.config.finetune.class_contrast
    head = heads.build_class_head(context.config.network.filters[0])
    vectors_of = _vectors_of(unet, head)

    def loss(batch: steps.Batch) -> steps.Scalars:
        batch = streams.part_of(batch, _STREAM)
        classes = batch["slot_class"]
        vectors = context.devices.sum(vectors_of(batch))
        terms = losses.class_contrastive_terms(
            vectors,
            classes,
            # No anchors in the background: its many tissues need not be alike.
            is_anchor=classes > 0,
            temperature=settings.temperature,
        )
        return {
            "loss": settings.weight * terms["loss"],
            "class_loss": terms["loss"],
            "class_top1": terms["top1"],
            "class_similarity": terms["positive_similarity"],
            "class_dissimilarity": terms["negative_similarity"],
        }

    return [
        AddedLoss(
            loss=loss,
            streams={_STREAM: _stream(context)},
            players={"loss": head.trainable_variables},
            parts={"class_head": head},
        )
    ]


def _stream(context: StageContext) -> streams.Stream:
    """Labelled slices, and as many pseudo-labelled ones if there is a teacher."""
    # Without the changes that other methods make: a mixed pixel has no class.
    given = pseudo_labels.teachers_labels(context)
    stream = labelled.labelled_batches(context, given, salt=_SALT)
    per_class = context.config.finetune.class_contrast.pixels_per_class

    def draw(batch: streams.Batch, seed: tf.Tensor) -> streams.Batch:
        slot, classes = pixels.draw_slots(
            batch.pop("label"), seed, context.cohort.num_classes, per_class
        )
        return {**batch, "rows_slot": slot, "slot_class": classes}

    return stream.then(draw)


def _vectors_of(unet: tf.keras.Model, head: tf.keras.Model):
    """From part of a batch to the vectors of its drawn pixels; 0 in other slots."""
    encoder, decoder = (unet.get_layer(name) for name in ("encoder", "decoder"))

    def vectors_of(batch: steps.Batch) -> tf.Tensor:
        slot, num_slots = batch["rows_slot"], batch["slot_class"].shape[0]
        features = decoder(encoder(batch["image"], training=True), training=True)
        drawn = pixels.at_slots(features, slot, num_slots)
        # Slots whose pixels are on other replicas are 0 here. Without biases, the head
        # gives 0 for them and gets no gradient from them.
        return head(drawn[:, None, None], training=True)[:, 0, 0]

    return vectors_of


METHOD = Method(losses=added)
