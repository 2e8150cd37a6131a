"""Which volumes each draw of an experiment is fine-tuned on."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Union

from dscl_tf import errors
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import SplitConfig

ALL = "all"  # The size of a benchmark's cell.
Size = Union[int, str]
Splits = dict[Size, dict[int, SplitConfig]]
_LOG = logging.getLogger(__name__)


def make_splits(
    cohort: PreparedCohort, base: SplitConfig, sizes: Sequence[Size], draws
) -> Splits:
    """The split of each size and draw.

    Args:
      cohort: whose volumes they are.
      base: what the draws have in common: a file, or the sizes of the other lists.
      sizes: numbers of labelled volumes, or ALL.
      draws: numbers from 0 up. Where a file has fewer of a size, those are all.

    Raises:
      UserError: the cohort has too few volumes, or the file no draw of a size.
    """
    if base.file is None:
        return {
            size: {draw: _drawn(cohort, base, size, draw) for draw in draws}
            for size in sizes
        }
    return {size: _listed(base, size, draws) for size in sizes}


def _drawn(
    cohort: PreparedCohort, base: SplitConfig, size: Size, draw: int
) -> SplitConfig:
    base = dataclasses.replace(base, seed=draw)
    if size != ALL:
        return dataclasses.replace(base, num_train=int(size))
    none = splits.resolve(cohort, dataclasses.replace(base, num_train=0))
    labelled = {
        cohort.volume(name).subject
        for name in none.pretrain
        if cohort.volume(name).has_label
    }
    count = len(labelled) - base.num_validation
    return dataclasses.replace(base, num_train=count)


def _listed(base: SplitConfig, size: Size, draws) -> dict[int, SplitConfig]:
    counts = splits.count_train(base.file)
    if size == ALL:
        names = [splits.BENCHMARK] if splits.BENCHMARK in counts else []
        said = f"no lists called {splits.BENCHMARK}: leave out that method"
    else:
        counts.pop(splits.BENCHMARK, None)
        names = [name for name, count in counts.items() if count == size]
        there = ", ".join(str(count) for count in sorted(set(counts.values())))
        said = (
            f"no draw that trains on {size}: set --sizes to some of {there or 'none'}"
        )
    if not names:
        raise errors.UserError(f"--split={base.file} has {said}.")
    if size != ALL and len(names) <= max(draws):
        _LOG.info(
            "%s has %d draws of %s labelled volumes: there are no more of that size.",
            base.file,
            len(names),
            size,
        )
    return {
        draw: dataclasses.replace(base, name=names[draw])
        for draw in draws
        if draw < len(names)
    }
