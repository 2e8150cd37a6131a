"""Means, spreads and paired differences of small samples."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Optional

import numpy as np

_RESAMPLES = 10_000
_SEED = 0
MIN_PAIRS = 3  # Fewer tell nothing of an interval.


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of a sample."""

    n: int
    mean: float
    std: Optional[float]  # With n - 1; None of one value.


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of paired values, first minus second."""

    n: int
    mean: float
    low: Optional[float]  # Of the 95 % bootstrap interval; None of too few pairs.
    high: Optional[float]
    num_above: int  # Pairs whose first value is the larger one.


def spread(values: Sequence[float]) -> Optional[Spread]:
    """Mean and standard deviation; None of no values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(len(values), statistics.fmean(values), deviation)


def difference(first: Sequence[float], second: Sequence[float]) -> Optional[Difference]:
    """The mean of paired differences with its percentile bootstrap interval.

    Pairs are drawn with replacement 10 000 times, by a fixed seed; the interval is
    from the 2.5th to the 97.5th percentile of the means. With six draws it is rather
    too narrow: read it as a hint, not as a test.

    Args:
      first: values.
      second: those that they are compared with, pair by pair.

    Returns:
      None of no pairs.
    """
    if not len(first):
        return None
    differences = np.subtract(first, second)
    low = high = None
    if len(differences) >= MIN_PAIRS:
        rng = np.random.default_rng(_SEED)
        rows = rng.integers(len(differences), size=(_RESAMPLES, len(differences)))
        low, high = np.percentile(differences[rows].mean(axis=1), [2.5, 97.5]).tolist()
    mean, num_above = float(differences.mean()), int((differences > 0).sum())
    return Difference(len(differences), mean, low, high, num_above)
