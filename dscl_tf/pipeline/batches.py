"""Batches as `tf.data`: each a pure function of configuration, seed and step.

A batch is a dict: "image" float32 [N, H, W, C] and int32 [N] ids "image_id",
"volume", "partition", "view"; in fine-tuning also "label" int32 [N, H, W], or mixed
float32 [N, H, W, classes]; with the positional strategy the id "position" float32 [N];
in the decoder stage with crops "corners" int32 [N, A, 2], each image's regions.
Other values with a row for each image, which only that image's device needs, have names
that begin with "rows_".
"""

from collections.abc import Mapping
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import (
    FinetuneConfig,
    GlobalConfig,
    GlobalStrategy,
    LocalConfig,
    LocalStrategy,
    LocalViews,
    ViewConfig,
)
from dscl_tf.pipeline import augmentation, crops, sampling, views
from dscl_tf.pipeline.sampling import SliceTable
from dscl_tf.pipeline.streams import Batch, BatchChange, LabelOf, Sampler, Stream


def loss_ids(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The ids of a batch under the names that the losses read."""
    names = ("volume", "partition", "view", "position")
    ids = {name: batch[name] for name in names if name in batch}
    return {"image": batch["image_id"], **ids}


def global_sampler(table: SliceTable, config: GlobalConfig) -> Sampler:
    """The sampler of slices for the encoder stage (design: global stage).

    All strategies get the same number of images a step: G^R and the positional one have
    2 views of 3/2 m S slices, the others 3 views of m S slices.
    """
    num_slices = config.batch_volumes * config.num_partitions
    if config.num_views == 2:
        return lambda rng: sampling.sample_slices(table, num_slices * 3 // 2, rng)
    return lambda rng: sampling.sample_by_partition(table, config.batch_volumes, rng)


def local_sampler(table: SliceTable, config: LocalConfig) -> Sampler:
    """The sampler for the decoder stage: m S slices, by partition for L^D only."""
    if config.strategy is LocalStrategy.LR:
        num_slices = config.batch_volumes * config.num_partitions
        return lambda rng: sampling.sample_slices(table, num_slices, rng)
    return lambda rng: sampling.sample_by_partition(table, config.batch_volumes, rng)


def global_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: GlobalConfig,
    view: ViewConfig,
    salt: int = 0,
) -> Stream:
    """Batches of the encoder stage."""
    return Stream(
        cohort,
        table,
        global_sampler(table, config),
        _views_transform(views.global_view, view, config.num_views),
        salt=salt,
        with_position=config.strategy is GlobalStrategy.POSITIONAL,
    )


def local_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: LocalConfig,
    view: ViewConfig,
    map_size: tuple[int, int],
    salt: int = 0,
) -> Stream:
    """Batches of the decoder stage.

    Args:
      cohort: where the slices are read.
      table: the slices to draw from.
      config: strategy, views and regions.
      view: strength of the changes of intensity.
      map_size: (H, W) of the feature map that the regions lie on.
      salt: makes draws differ between streams that one step uses together.

    Raises:
      UserError: too few volumes, or too small crops.
    """
    transform = local_transform(config, view, map_size)
    return Stream(cohort, table, local_sampler(table, config), transform, salt=salt)


def local_transform(
    config: LocalConfig, view: ViewConfig, map_size: tuple[int, int]
) -> BatchChange:
    """The change from slices with their ids to the views of the decoder stage.

    Args:
      config: strategy, views and regions.
      view: strength of the changes of intensity.
      map_size: (H, W) of the feature map that the regions lie on.

    Raises:
      UserError: too small crops.
    """
    if config.views is LocalViews.CROPS:
        crops.check(config, map_size)
        return _crops_transform(config, view, map_size)
    return _views_transform(views.local_view, view, config.num_views)


def num_local_pairs(table: SliceTable, config: LocalConfig) -> Optional[int]:
    """Number of ordered positive pairs of maps in a decoder batch (section 3.3).

    None if a batch may contain a slice twice: the views of both copies would form
    further pairs.
    """
    m, num_partitions = config.batch_volumes, config.num_partitions
    if config.strategy is LocalStrategy.LR:
        num_slices = m * num_partitions
        return 2 * num_slices if len(table.volume) >= num_slices else None
    of_slices = 2 * m * num_partitions
    # (x_i, x_j), and (x-tilde_i, x-hat_j) in both orders.
    return of_slices + 3 * num_partitions * m * (m - 1)


def finetune_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: FinetuneConfig,
    salt: int = 0,
    label_of: Optional[LabelOf] = None,
    num_labelled: Optional[int] = None,
) -> Stream:
    """Batches of the fine-tuning stage, with labels.

    Args:
      cohort: where the slices are read.
      table: the slices to draw from.
      config: size of a batch, augmentation.
      salt: makes draws differ between streams that one step uses together.
      label_of: a volume's labels, if a teacher gave some of them; the number of classes
        stands for unknown. None: the cohort's labels.
      num_labelled: number of manually labelled volumes, which are the table's first.
        Half of each batch (the smaller half of an odd one) is then of the others. None:
        all are.

    Raises:
      UserError: the batch is too small for two halves.
    """
    may_be_unknown = label_of is not None or cohort.unknown is not None
    num_labels = cohort.num_classes + may_be_unknown

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        image, label = augmentation.augment(
            batch["image"], batch["label"], seed, config.augmentation, num_labels
        )
        return {**batch, "image": image, "label": label}

    def sampler(rng: np.random.Generator) -> np.ndarray:
        if num_labelled is None:
            return sampling.sample_slices(table, config.batch_size, rng)
        num_first = int(np.searchsorted(table.volume, num_labelled))
        return sampling.sample_halves(table, num_first, config.batch_size, rng)

    return Stream(cohort, table, sampler, transform, label_of or cohort.label, salt)


def _views_transform(
    view_of: Callable, config: ViewConfig, num_views: int
) -> BatchChange:
    """Stacks views 1 and 2 of each slice; of three, the slice itself (0) is first."""

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        seeds = tf.random.split(seed, 2)
        shown = {k + 1: view_of(batch["image"], seeds[k], config) for k in (0, 1)}
        if num_views == 3:
            shown = {0: batch["image"], **shown}
        return _stacked(batch, shown)

    return transform


def _crops_transform(
    config: LocalConfig, view: ViewConfig, map_size: tuple[int, int]
) -> BatchChange:
    """Makes each view a crop of its own, and adds the corners of its regions.

    View 0, which only L^D has, is a crop with unchanged intensities.
    """
    numbers = (1, 2) if config.num_views == 2 else (0, 1, 2)
    # Maps that are compared need regions at the same places.
    is_ld = config.strategy is LocalStrategy.LD
    grouped_by = "partition" if is_ld else "image_id"

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        seeds = tf.random.split(seed, 3)
        count = batch["image"].shape[0]
        windows = crops.draw_windows(seeds[0], len(numbers) * count, config.crop_side)
        windows = tf.reshape(windows, [len(numbers), count, 3])
        places = crops.draw_places(
            seeds[1], windows, batch[grouped_by], config, map_size
        )
        of_views = tf.random.split(seeds[2], 3)
        shown, corners = {}, []
        for number, window in zip(numbers, tf.unstack(windows)):
            image = crops.show(batch["image"], window)
            if number:
                image = views.local_view(image, of_views[number], view)
            shown[number] = image
            corners.append(
                crops.corners_in(window, places, config.region_size, map_size)
            )
        return {**_stacked(batch, shown), "corners": tf.concat(corners, axis=0)}

    return transform


def _stacked(batch: Batch, shown: Mapping[int, tf.Tensor]) -> Batch:
    """Concatenates the views of a batch, given by number, and their slices' ids."""
    count = batch["image"].shape[0]
    stacked = {
        name: tf.tile(batch[name], [len(shown)])
        for name in ("image_id", "volume", "partition", "position")
        if name in batch
    }
    stacked["image"] = tf.concat(list(shown.values()), axis=0)
    stacked["view"] = tf.constant(np.repeat(list(shown), count), tf.int32)
    return stacked
