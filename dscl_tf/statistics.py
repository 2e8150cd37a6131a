"""Means, spreads, paired differences and bootstrap intervals of small samples."""

import dataclasses
import statistics
from collections.abc import Hashable, Sequence
from typing import Optional

import numpy as np

LEVEL = 0.95
_TAILS = (2.5, 97.5)  # Percentiles of that level, free of floating-point error.
RESAMPLES = 10_000
SEED = 0
MIN_GROUPS = 3  # An interval from fewer would tell nothing.


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a sample."""

    n: int
    mean: float
    std: Optional[float]  # With n - 1 in the denominator; None for a single value.


@dataclasses.dataclass(frozen=True)
class Difference:
    """The mean difference of paired values, first minus second."""

    n: int
    mean: float
    low: Optional[float]  # Of the 95 % bootstrap interval; None for too few pairs.
    high: Optional[float]
    num_above: int  # Pairs whose first value is the larger one.


def spread(values: Sequence[float]) -> Optional[Spread]:
    """Mean and standard deviation; None if there are no values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(len(values), statistics.fmean(values), deviation)


def difference(first: Sequence[float], second: Sequence[float]) -> Optional[Difference]:
    """The mean of paired differences with its percentile bootstrap interval.

    Pairs are drawn with replacement 10 000 times, from a fixed seed; the interval is
    from the 2.5th to the 97.5th percentile of the means. With six draws it is rather
    too narrow: read it as a hint, not as a test.

    Args:
      first: values.
      second: those that they are compared with, pair by pair.

    Returns:
      None if there are no pairs.
    """
    if not len(first):
        return None
    differences = np.subtract(first, second)
    low = high = None
    if len(differences) >= MIN_GROUPS:
        low, high = _bounds(differences[_drawn(len(differences))].mean(axis=1))
    mean, num_above = float(differences.mean()), int((differences > 0).sum())
    return Difference(len(differences), mean, low, high, num_above)


def mean_interval(
    values: np.ndarray, groups: Sequence[Hashable]
) -> Optional[tuple[float, float]]:
    """The 95 % percentile bootstrap interval of a mean, or of a mean of means.

    Groups are drawn with replacement 10 000 times, from a fixed seed, each with all of
    its rows. Each time the drawn values are averaged by column, and these means over
    the columns.

    Args:
      values: float [n, columns]; NaN where there is no value.
      groups: the group of each row. Rows that depend on each other, such as the scans
        of one patient, share a group.

    Returns:
      The 2.5th and 97.5th percentile; None if a column has values from too few groups,
      or if no column has any. Columns without a value are left out.
    """
    has_value = ~np.isnan(values)
    values = values[:, has_value.any(axis=0)]
    has_value = has_value[:, has_value.any(axis=0)]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_row = [numbers[group] for group in groups]
    sums, counts = (np.zeros((len(numbers), values.shape[1])) for _ in range(2))
    np.add.at(sums, of_row, np.where(has_value, values, 0))
    np.add.at(counts, of_row, has_value)
    if not values.size or (counts > 0).sum(axis=0).min() < MIN_GROUPS:
        return None
    times = _times_drawn(len(numbers))
    # A resample may miss all groups that have a value in a column.
    drawn = times @ counts
    means = np.divide(times @ sums, drawn, np.full_like(drawn, np.nan), where=drawn > 0)
    is_known = ~np.isnan(means).all(axis=1)
    return _bounds(np.nanmean(means[is_known], axis=1))


def bounds_json(bounds: Optional[tuple[float, float]]) -> Optional[dict[str, float]]:
    """An interval as it is written to JSON: "low" and "high", or null."""
    return None if bounds is None else {"low": bounds[0], "high": bounds[1]}


def _drawn(num: int) -> np.ndarray:
    """What each resample draws of `num` items, int [RESAMPLES, num]."""
    return np.random.default_rng(SEED).integers(num, size=(RESAMPLES, num))


def _times_drawn(num: int) -> np.ndarray:
    """How often each resample draws each of `num` items, float [RESAMPLES, num]."""
    places = _drawn(num) + num * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(places.ravel(), minlength=RESAMPLES * num)
    return counts.reshape(RESAMPLES, num).astype(np.float64)


def _bounds(means: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(means, _TAILS).tolist()
    return low, high
