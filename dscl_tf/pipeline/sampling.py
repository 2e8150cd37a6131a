"""Draws of a batch's slices: functions of a table of slices and a seeded generator."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from dscl_tf import errors
from dscl_tf.cohort import partitions
from dscl_tf.cohort.prepared import PreparedCohort


@dataclasses.dataclass(frozen=True)
class SliceTable:
    """The slices of some volumes of a cohort: a row for each, volume by volume."""

    names: tuple[str, ...]  # Of the volumes.
    volume: np.ndarray  # int32 [T], index into `names`.
    index: np.ndarray  # int32 [T], slice of the volume.
    partition: np.ndarray  # int32 [T], in [0, num_partitions).
    num_partitions: int

    @functools.cached_property
    def group_starts(self) -> np.ndarray:
        """First row of each (volume, partition), in order, and T; int [V * S + 1]."""
        # Cached: the cost of a search for every batch would grow with the cohort.
        group = self.volume * self.num_partitions + self.partition
        wanted = np.arange(len(self.names) * self.num_partitions + 1)
        return np.searchsorted(group, wanted)

    @functools.cached_property
    def position(self) -> np.ndarray:
        """Height of each slice in its volume, from 0 (first) to 1 (last); float32."""
        last = np.bincount(self.volume)[self.volume] - 1
        return (self.index / np.maximum(last, 1)).astype(np.float32)

    def ids(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The int32 ids that losses read, of the slices `rows`."""
        return {
            "image": rows.astype(np.int32),
            "volume": self.volume[rows],
            "partition": self.partition[rows],
        }


def slice_table(
    cohort: PreparedCohort, names: Sequence[str], num_partitions: int
) -> SliceTable:
    """Lists the slices of the volumes `names`.

    Args:
      cohort: the prepared cohort.
      names: of volumes.
      num_partitions: S.

    Raises:
      UserError: no volumes, or one has fewer slices than partitions.
    """
    if not names:
        raise errors.UserError(f"No volumes to train on in {cohort.folder}.")
    counts = [cohort.volume(name).num_slices for name in names]
    for name, count in zip(names, counts):
        if count < num_partitions:
            raise errors.UserError(
                f"Volume {name} has {count} slices, fewer than the {num_partitions} "
                "partitions (--num_partitions): leave it out or use fewer partitions."
            )
    return SliceTable(
        names=tuple(names),
        volume=np.repeat(np.arange(len(names), dtype=np.int32), counts),
        index=np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        partition=np.concatenate(
            [partitions.partition_of_slices(count, num_partitions) for count in counts]
        ),
        num_partitions=num_partitions,
    )


def of_slices(table: SliceTable, is_kept: Sequence[np.ndarray]) -> SliceTable:
    """Restricts a table to some slices, for draws without partitions and positions.

    Args:
      table: all slices of the volumes.
      is_kept: for each volume, bool [Q].

    Raises:
      UserError: no slice is left.
    """
    kept = np.concatenate(is_kept)
    if not kept.any():
        raise errors.UserError(
            f"No slice of {', '.join(table.names)} is labelled on the prepared grid: "
            "draw other volumes (--split, --split_seed), or label slices of these."
        )
    return dataclasses.replace(
        table,
        volume=table.volume[kept],
        index=table.index[kept],
        partition=table.partition[kept],
    )


def sample_by_partition(
    table: SliceTable, num_volumes: int, rng: np.random.Generator
) -> np.ndarray:
    """Volumes without replacement, and one random slice of each of their partitions.

    Args:
      table: the slices.
      num_volumes: m.
      rng: drawn from.

    Returns:
      int [m * S] rows of the table.

    Raises:
      UserError: there are fewer than m volumes.
    """
    if num_volumes > len(table.names):
        raise errors.UserError(
            f"A batch needs {num_volumes} volumes (--batch_volumes), but only "
            f"{len(table.names)} are there to pre-train on."
        )
    volumes = rng.choice(len(table.names), num_volumes, replace=False)
    wanted = (
        volumes[:, None] * table.num_partitions + np.arange(table.num_partitions)
    ).ravel()
    return rng.integers(table.group_starts[wanted], table.group_starts[wanted + 1])


def sample_slices(
    table: SliceTable, num_slices: int, rng: np.random.Generator
) -> np.ndarray:
    """Random slices of all volumes, distinct where there are enough of them.

    Args:
      table: the slices.
      num_slices: N.
      rng: drawn from.

    Returns:
      int [N] rows of the table.
    """
    total = len(table.volume)
    return rng.choice(total, num_slices, replace=total < num_slices)


def check_halves(num_slices: int) -> None:
    """Refuses batches that are too small to have two halves.

    Raises:
      UserError: there are fewer than 2 slices.
    """
    if num_slices < 2:
        raise errors.UserError(
            f"A batch of {num_slices} slice has no room for labelled and for "
            "pseudo-labelled ones: use --finetune_batch_size of 2 or more."
        )


def sample_halves(
    table: SliceTable, num_first: int, num_slices: int, rng: np.random.Generator
) -> np.ndarray:
    """Half of the slices from the table's first rows, half from the others.

    The first rows give one more where the number is odd. The order is random, so that
    devices that divide a batch get slices of both halves.

    Args:
      table: the slices.
      num_first: the number of first rows; at least 1, and not all.
      num_slices: N.
      rng: drawn from.

    Returns:
      int [N] rows of the table; distinct within a half if there are enough of them.

    Raises:
      UserError: N is less than 2.
    """
    check_halves(num_slices)
    num_others, count = len(table.volume) - num_first, num_slices // 2
    first = rng.choice(num_first, num_slices - count, num_first < num_slices - count)
    others = num_first + rng.choice(num_others, count, num_others < count)
    return rng.permutation(np.concatenate([first, others]))
