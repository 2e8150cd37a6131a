"""Regions of a feature map: where they lie and which repel each other."""

import copy
from typing import Optional, Union

import numpy as np
import tensorflow as tf


class LocalRegions:
    """The A regions of K x K positions that the local loss compares.

    They lie at the same places in all maps of a batch, or each map has its own regions.

    Attributes:
      size: K.
      num_regions: A.
      corners: int32 [A, 2], (row, column) of each region's top-left position; int32
        [N, A, 2] if each map has its own.
      table: int32 [U, 2], the distinct corners of regions and of negatives; its first A
        rows are `corners`. If each map has its own regions, it is `corners`.
      counts: float32 [A, U], how often row u of `table` is a negative of region a;
        float32 [N, A, A] if each map has its own.
    """

    def __init__(
        self,
        size: int,
        corners: Union[np.ndarray, tf.Tensor],
        negatives: Optional[np.ndarray] = None,
    ):
        """Regions with their negatives.

        Args:
          size: K >= 1, side of a region.
          corners: int [A, 2], distinct (row, column) of top-left positions; or int
            [N, A, 2], those of each map.
          negatives: int [A, R, 2], corners of each region's negatives, among `corners`
            or not; None: all other regions. It must be None if each map has its own
            regions. Then regions that overlap by more than half along both axes are
            taken to show the same place and do not repel each other.

        Raises:
          ValueError: wrong shapes, negative positions, or fewer than 2 regions.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}.")
        self.size = int(size)
        if len(np.shape(corners)) == 3:
            self._place_in_each_map(corners, negatives)
        else:
            self._place_in_all_maps(np.asarray(corners), negatives)
        self.num_regions = int(self.corners.shape[-2])

    def _place_in_each_map(self, corners, negatives) -> None:
        if negatives is not None:
            raise ValueError("Regions of each map's own take no list of negatives.")
        if corners.shape[1] is None or corners.shape[1] < 2 or corners.shape[2] != 2:
            raise ValueError(
                f"corners must be [N, A >= 2, 2], got {list(corners.shape)}."
            )
        self.corners = self.table = tf.cast(corners, tf.int32)
        gaps = tf.abs(self.corners[:, :, None] - self.corners[:, None])
        is_apart = 2 * tf.reduce_max(gaps, axis=-1) >= self.size
        self.counts = tf.cast(is_apart, tf.float32)  # [N, A, A]

    def _place_in_all_maps(self, corners: np.ndarray, negatives) -> None:
        _check_corners("corners", corners, rank=2)
        if len(corners) < 2:
            raise ValueError(f"corners must name 2 regions or more, got {corners}.")
        if len(np.unique(corners, axis=0)) < len(corners):
            raise ValueError(f"corners must be distinct, got {corners.tolist()}.")
        self.corners = corners.astype(np.int32)
        if negatives is None:
            self.table = self.corners
            self.counts = 1.0 - np.eye(len(corners), dtype=np.float32)
        else:
            negatives = np.asarray(negatives)
            _check_corners("negatives", negatives, rank=3)
            if len(negatives) != len(corners) or negatives.shape[1] < 1:
                raise ValueError(
                    f"negatives must be [{len(corners)}, R >= 1, 2], "
                    f"got shape {list(negatives.shape)}."
                )
            self.table, self.counts = _table(self.corners, negatives)

    def gather(self, features: tf.Tensor) -> tf.Tensor:
        """Each region of `table` as one vector.

        Args:
          features: [N, H, W, C].

        Returns:
          [N, U, K*K*C], of the dtype of `features`.

        Raises:
          ValueError: a region reaches beyond the map.
        """
        height, width, channels = features.shape[1:]
        self._check_reach(height, width)
        offsets = np.stack(np.mgrid[: self.size, : self.size], axis=-1).reshape(-1, 2)
        positions = self.table[..., None, :] + offsets  # [(N,) U, K*K, 2]
        flat = positions[..., 0] * width + positions[..., 1]
        pixels = tf.reshape(features, [-1, height * width, channels])
        of_each_map = int(len(flat.shape) == 3)
        gathered = tf.gather(pixels, flat, axis=1, batch_dims=of_each_map)
        num_vectors, length = self.table.shape[-2], self.size * self.size * channels
        return tf.reshape(gathered, [-1, num_vectors, length])

    def _check_reach(self, height: int, width: int) -> None:
        if tf.is_symbolic_tensor(self.table):
            return
        table = np.reshape(self.table, [-1, 2])
        reach = table.max(axis=0) + self.size
        if reach[0] > height or reach[1] > width or table.min() < 0:
            raise ValueError(
                f"Regions of {self.size}x{self.size} reach from {table.min(axis=0)} to "
                f"{reach.tolist()}, but the feature map is {height}x{width}."
            )

    def corners_of(self, number: int) -> np.ndarray:
        """The corners in map `number` of the batch: int32 [A, 2]."""
        corners = np.asarray(self.corners)
        return corners[number] if corners.ndim == 3 else corners


def released_corners(map_size: tuple[int, int], size: int) -> np.ndarray:
    """The 13 regions of the authors' released commands.

    A 3 x 3 grid to the map's borders and, between its points, 4 more: corners
    {0, h/2, h}^2 and {h/4, 3h/4}^2, with h = W - 4 for K = 3 and W - K otherwise
    (integer division).

    Args:
      map_size: (H, W) of the feature map.
      size: K.

    Returns:
      int32 [13, 2]; fewer on a map so small that some coincide.

    Raises:
      ValueError: the map is smaller than a region.
    """
    # As in the released code, K = 3 leaves the last row and column unused.
    margin = 4 if size == 3 else size
    extents = [extent - margin for extent in map_size]
    if min(extents) < 0:
        raise ValueError(f"A map of {map_size} is too small for regions of {size}.")
    outer = [[0, extent // 2, extent] for extent in extents]
    inner = [[extent // 4, 3 * extent // 4] for extent in extents]
    return _distinct(np.concatenate([_product(*outer), _product(*inner)]))


def grid_corners(map_size: tuple[int, int], size: int, per_side: int) -> np.ndarray:
    """A regular grid of `per_side` x `per_side` regions from border to border.

    Args:
      map_size: (H, W) of the feature map.
      size: K.
      per_side: regions along each side; at most H - K + 1 are distinct.

    Returns:
      int32 [A, 2].

    Raises:
      ValueError: the map is smaller than a region.
    """
    extents = [extent - size for extent in map_size]
    if min(extents) < 0:
        raise ValueError(f"A map of {map_size} is too small for regions of {size}.")
    rows, columns = (
        np.round(np.linspace(0, extent, per_side)).astype(np.int32)
        for extent in extents
    )
    return _distinct(_product(rows, columns))


def nearest_negatives(corners: np.ndarray, num_negatives: int) -> np.ndarray:
    """Each region's nearest other regions.

    Args:
      corners: int [A, 2].
      num_negatives: R; at most A - 1 are used.

    Returns:
      int32 [A, R, 2]; of equally near ones, those that come first in `corners`.
    """
    corners = np.asarray(corners, np.int32)
    squared = ((corners[:, None] - corners[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(squared, np.iinfo(squared.dtype).max)
    count = min(num_negatives, len(corners) - 1)
    return corners[np.argsort(squared, axis=1, kind="stable")[:, :count]]


def make_regions(
    map_size: tuple[int, int], size: int, grid: int = 0, num_negatives: int = 0
) -> LocalRegions:
    """The regions that a configuration asks for.

    Args:
      map_size: (H, W) of the feature map.
      size: K.
      grid: regions per side of a regular grid; 0: the released 13.
      num_negatives: nearest other regions that repel; 0: all others.
    """
    if grid:
        corners = grid_corners(map_size, size, grid)
    else:
        corners = released_corners(map_size, size)
    negatives = nearest_negatives(corners, num_negatives) if num_negatives else None
    return LocalRegions(size, corners, negatives)


def single_positions(regions: LocalRegions) -> LocalRegions:
    """The same regions on a map that holds one vector for each region.

    Args:
      regions: of K x K positions.

    Returns:
      Regions of size 1 at the same corners, with the same negatives.
    """
    single = copy.copy(regions)
    single.size = 1
    return single


def _product(rows, columns) -> np.ndarray:
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def _distinct(corners: np.ndarray) -> np.ndarray:
    _, first = np.unique(corners, axis=0, return_index=True)
    return corners[np.sort(first)].astype(np.int32)


def _check_corners(name: str, corners: np.ndarray, rank: int) -> None:
    if corners.ndim != rank or corners.shape[-1] != 2:
        raise ValueError(
            f"{name} must have rank {rank} and last dimension 2 (row, column), "
            f"got shape {list(corners.shape)}."
        )
    if not np.issubdtype(corners.dtype, np.integer) or corners.min() < 0:
        raise ValueError(f"{name} must be integers >= 0, got {corners.tolist()}.")


def _table(corners: np.ndarray, negatives: np.ndarray) -> tuple:
    """The distinct corners, regions first, and how often each is a negative."""
    rows = {tuple(corner): index for index, corner in enumerate(corners.tolist())}
    for corner in negatives.reshape(-1, 2).tolist():
        rows.setdefault(tuple(corner), len(rows))
    counts = np.zeros([len(corners), len(rows)], np.float32)
    for region, listed in enumerate(negatives.tolist()):
        for corner in listed:
            counts[region, rows[tuple(corner)]] += 1
    return np.array(list(rows), np.int32), counts
