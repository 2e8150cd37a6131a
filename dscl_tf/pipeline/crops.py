"""Views that are random crops, and regions that show the same places in each.

A window is where a crop lies: float32 (top, left, side) as fractions of the slice. A
place is a point of the slice, (down, across) as fractions. Drawn windows and places
are functions of a seed.
"""

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.config import LocalConfig
from dscl_tf.pipeline import warps


def check(config: LocalConfig, map_size: tuple[int, int]) -> None:
    """Refuses crops so small that two may have no whole region in common.

    Raises:
      UserError: too small crops (the message has the least side), or regions as large
        as the map.
    """
    if config.region_size >= min(map_size):
        raise errors.UserError(
            f"Regions of {config.region_size}x{config.region_size} positions on a "
            f"feature map of {map_size[0]}x{map_size[1]} leave nothing to choose: use "
            "a smaller --region_size, more --num_blocks or larger slices."
        )
    least = 0.5 / (1 - config.region_size / (2 * min(map_size)))
    if config.crop_side[0] <= least:
        raise errors.UserError(
            f"Crops with a side of {config.crop_side[0]:g} of the slice's may have no "
            f"region of {config.region_size}x{config.region_size} positions in common "
            f"on a feature map of {map_size[0]}x{map_size[1]}: use --local_crop_side "
            f"above {least:.3f}, more --num_blocks, a smaller --region_size or larger "
            "slices."
        )


def draw_windows(seed: tf.Tensor, count: int, side: tuple[float, float]) -> tf.Tensor:
    """Square windows anywhere in the slice.

    Args:
      seed: int32 [2].
      count: N.
      side: range of the sides, as fractions of the slice's, at most 1.

    Returns:
      float32 [N, 3].
    """
    seeds = tf.random.split(seed, 2)
    sides = tf.random.stateless_uniform([count, 1], seeds[0], *side)
    starts = tf.random.stateless_uniform([count, 2], seeds[1]) * (1 - sides)
    return tf.concat([starts, sides], axis=1)


def show(images: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
    """Each image's window, resized to the image's size (bilinear).

    Args:
      images: float32 [N, H, W, C].
      windows: float32 [N, 3].

    Returns:
      float32 [N, H, W, C].
    """
    size = images.shape[1:3]
    matrices = warps.crop_matrices(windows[:, :2], windows[:, 2], size)
    # The centres of the crop's outermost pixels can lie up to half a pixel outside
    # those of the image.
    return warps.affine(images, matrices, extend_border=True)


def draw_places(
    seed: tf.Tensor,
    windows: tf.Tensor,
    group: tf.Tensor,
    config: LocalConfig,
    map_size: tuple[int, int],
) -> tf.Tensor:
    """Random places whose regions lie entirely within all views of a group.

    Args:
      seed: int32 [2].
      windows: float32 [V, n, 3], of each view of each slice.
      group: int32 [n], equal for slices whose regions correspond.
      config: its `num_regions` A and `region_size`.
      map_size: (H, W) of the feature map.

    Returns:
      float32 [n, A, 2], the same within a group.
    """
    starts, sides = windows[..., :2], windows[..., 2:]
    margin = config.region_size / 2 / tf.constant(map_size, tf.float32)
    low = tf.reduce_max(starts + sides * margin, axis=0)  # [n, 2]
    high = tf.reduce_min(starts + sides * (1 - margin), axis=0)
    group = tf.convert_to_tensor(group)
    together = (group[:, None] == group[None, :])[..., None]  # [n, n, 1]
    low = tf.reduce_max(tf.where(together, low[None], 0.0), axis=1)
    high = tf.reduce_min(tf.where(together, high[None], 1.0), axis=1)
    shape = [windows.shape[1], config.num_regions, 2]
    drawn = tf.random.stateless_uniform(shape, seed)
    first = tf.argmax(together[..., 0], axis=1)  # The first slice of each one's group.
    drawn = tf.gather(drawn, first)
    return low[:, None] + drawn * (high - low)[:, None]


def corners_in(
    windows: tf.Tensor, places: tf.Tensor, size: int, map_size: tuple[int, int]
) -> tf.Tensor:
    """The regions around places, on the feature maps of the windows.

    Positions are whole numbers, so a region can be off by up to half a position.

    Args:
      windows: float32 [N, 3].
      places: float32 [N, A, 2].
      size: K.
      map_size: (H, W) of the feature map.

    Returns:
      int32 [N, A, 2], (row, column) of each region's top-left position.
    """
    extent = tf.constant(map_size, tf.float32)
    seen = (places - windows[:, None, :2]) / windows[:, None, 2:]
    corners = tf.cast(tf.round(seen * extent - size / 2), tf.int32)
    return tf.clip_by_value(corners, 0, tf.constant(map_size, tf.int32) - size)
