"""Slices changed for the pretext stage, and what the network must tell from them."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.pretext.settings import PretextConfig, PretextTask
from dscl_tf.pipeline import boxes, sampling
from dscl_tf.pipeline.sampling import SliceTable
from dscl_tf.pipeline.streams import Batch, Stream

NUM_ROTATIONS = 4


def change(
    batch: Mapping[str, tf.Tensor], seed: tf.Tensor, config: PretextConfig
) -> Batch:
    """The batch of a pretext task from untransformed slices.

    Args:
      batch: "image" float32 [n, H, W, C] and ids int32 [n].
      seed: int32 [2].
      config: the task and its sizes.

    Returns:
      For rotation, "image" of the 4 n rotated slices, their ids, and "label" int32
      [4 n]: quarter turns. Else "image", changed; "label" float32 [n, H, W, C], the
      original; and "rows_weight" float32 [n, H, W, C], 1 where the loss counts.
    """
    images = batch["image"]
    if config.task is PretextTask.ROTATION:
        repeated = {
            k: tf.repeat(v, NUM_ROTATIONS) for k, v in batch.items() if k != "image"
        }
        # A slice's rotations are neighbours, so that each device that shares the batch
        # gets several: if all its images had one rotation, the statistics of BatchNorm
        # would give it away.
        turned = [tf.image.rot90(images, k) for k in range(NUM_ROTATIONS)]
        together = tf.reshape(tf.stack(turned, axis=1), [-1, *images.shape[1:]])
        turns = tf.tile(tf.range(NUM_ROTATIONS), [images.shape[0]])
        return {**repeated, "image": together, "label": turns}
    if config.task is PretextTask.INPAINTING:
        # In all channels at once: otherwise one would show what another lacks.
        hidden = random_boxes(seed, images.shape, config)
        weight = tf.broadcast_to(hidden, images.shape)
        changed = images * (1 - weight)
    else:
        weight = tf.ones_like(images)
        changed = swap_patches(images, seed, config)
    return {**batch, "image": changed, "label": images, "rows_weight": weight}


def pretext_batches(
    cohort: PreparedCohort, table: SliceTable, config: PretextConfig
) -> Stream:
    """Batches of the pretext stage, of random slices of all volumes.

    Raises:
      UserError: settings that do not fit each other or the slices.
    """
    count = num_slices(config)
    if config.task is PretextTask.CONTEXT_RESTORATION:
        grid_of_patches(config, cohort.settings.size_px)

    def sampler(rng: np.random.Generator) -> np.ndarray:
        return sampling.sample_slices(table, count, rng)

    return Stream(
        cohort, table, sampler, lambda batch, seed: change(batch, seed, config)
    )


def num_slices(config: PretextConfig) -> int:
    """Slices that a batch is made from.

    Raises:
      UserError: the batch cannot be divided among the rotations.
    """
    if config.task is not PretextTask.ROTATION:
        return config.batch_size
    if config.batch_size % NUM_ROTATIONS:
        raise errors.UserError(
            f"--pretext_batch_size must be a multiple of {NUM_ROTATIONS} for "
            "rotation, since each slice is used in all rotations; found "
            f"{config.batch_size}."
        )
    return config.batch_size // NUM_ROTATIONS


def random_boxes(
    seed: tf.Tensor, shape: tf.TensorShape, config: PretextConfig
) -> tf.Tensor:
    """1 inside boxes, which are drawn for each image, and 0 outside.

    Args:
      seed: int32 [2].
      shape: [N, H, W, C].
      config: number and sizes of the boxes.

    Returns:
      float32 [N, H, W, 1].
    """
    seeds = tf.random.split(seed, 2)
    draw = [shape[0], config.num_boxes, 2]
    side = tf.random.stateless_uniform(draw, seeds[0], *config.box_fraction)
    start = tf.random.stateless_uniform(draw, seeds[1]) * (1 - side)
    size = tf.constant(tuple(shape[1:3]), tf.float32)
    # [N, boxes, H, W].
    hidden = boxes.inside(start * size, (start + side) * size, shape[1:3])
    return tf.cast(tf.reduce_any(hidden, axis=1), tf.float32)[..., None]


def swap_patches(
    images: tf.Tensor, seed: tf.Tensor, config: PretextConfig
) -> tf.Tensor:
    """Pairs of patches of each image change places.

    Deviation from Chen et al. (2019), who draw pairs one after the other anywhere: the
    patches are cells of a grid, whose origin is drawn for each image, so that they
    never overlap and all swaps are one gather.

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      config: number of swaps and size of patches.

    Returns:
      float32 [N, H, W, C].
    """
    count, height, width, channels = images.shape
    side, rows, columns = grid_of_patches(config, (height, width))
    seeds = tf.random.split(seed, 3)
    swaps = _swaps(seeds[2], count, rows * columns, config.num_swaps)
    top, left = (
        tf.random.stateless_uniform([count, 1, 1], seeds[k], 0, free + 1, tf.int32)
        for k, free in enumerate((height - rows * side, width - columns * side))
    )
    row, column = tf.range(height)[:, None] - top, tf.range(width) - left
    inside = (
        (row >= 0) & (row < rows * side) & (column >= 0) & (column < columns * side)
    )
    cell = tf.where(inside, row // side * columns + column // side, 0)
    source = tf.gather(swaps, cell, batch_dims=1)  # [N, H, W]
    source_row = top + source // columns * side + row % side
    source_column = left + source % columns * side + column % side
    own = tf.reshape(tf.range(height * width), [height, width])
    pixel = tf.where(inside, source_row * width + source_column, own)
    flat = tf.reshape(images, [count, height * width, channels])
    return tf.gather(flat, pixel, batch_dims=1)


def grid_of_patches(
    config: PretextConfig, size_px: tuple[int, int]
) -> tuple[int, int, int]:
    """Side of a patch in pixels, and rows and columns of the grid.

    They are one less than fit, so that the grid can be shifted.

    Raises:
      UserError: there are too few patches for the swaps.
    """
    side = max(1, round(config.patch_fraction * size_px[0]))
    rows, columns = (extent // side - 1 for extent in size_px)
    if 2 * config.num_swaps > rows * columns:
        raise errors.UserError(
            f"{config.num_swaps} swaps (--num_swaps) need {2 * config.num_swaps} "
            f"patches, but slices of {size_px[0]} x {size_px[1]} pixels have "
            f"{rows * columns} of {side} pixels: use fewer swaps or a smaller "
            "--patch_fraction."
        )
    return side, rows, columns


def _swaps(seed: tf.Tensor, count: int, num_cells: int, num_swaps: int) -> tf.Tensor:
    """Which cell moves to each cell's place: int32 [count, num_cells]."""
    order = tf.argsort(tf.random.stateless_uniform([count, num_cells], seed), axis=1)
    first, second = order[:, :num_swaps], order[:, num_swaps : 2 * num_swaps]
    source = tf.tile(tf.range(num_cells)[None], [count, 1])
    place = tf.concat([first, second], axis=1)[..., None]
    row = tf.tile(tf.range(count)[:, None, None], [1, 2 * num_swaps, 1])
    partner = tf.concat([second, first], axis=1)
    return tf.tensor_scatter_nd_update(source, tf.concat([row, place], -1), partner)
