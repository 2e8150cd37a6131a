"""Which volumes each draw of an experiment is fine-tuned on."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Union

from dscl_tf import errors, results_json
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import SplitConfig

Size = Union[int, str]
Splits = dict[Size, dict[int, SplitConfig]]
_LOG = logging.getLogger(__name__)
# How many further draws are tried, and how many draws a message names.
_FURTHER, _NAMED = 100, 5


def make_splits(
    cohort: PreparedCohort,
    base: SplitConfig,
    sizes: Sequence[Size],
    draws: Sequence[int],
) -> Splits:
    """The split of each size and draw.

    Args:
      cohort: whose volumes they are.
      base: what the draws have in common: a file, or the sizes of the other lists.
      sizes: numbers of labelled volumes, or `results_json.ALL`.
      draws: numbers from 0 up. A file may have fewer draws of a size. Without a file,
        a draw with the same volumes as an earlier one is replaced by a further number,
        which is logged.

    Raises:
      UserError: the cohort has too few volumes, or the file no draw of a size.
    """
    if base.file is None:
        return {size: _distinct(cohort, base, size, draws) for size in sizes}
    return {size: _listed(base, size, draws) for size in sizes}


def _distinct(
    cohort: PreparedCohort, base: SplitConfig, size: Size, draws: Sequence[int]
) -> dict[int, SplitConfig]:
    """As many distinct draws of a size as asked for, if the cohort has them.

    A cohort with few labelled volumes has few of them, and to count one twice would
    make differences look more certain than they are.
    """
    first_of: dict[tuple, int] = {}
    found, again = {}, []
    next_one = max(draws, default=-1) + 1
    for draw in (*draws, *range(next_one, next_one + _FURTHER)):
        if len(found) == len(draws):
            break
        split = _drawn(cohort, base, size, draw)
        lists = splits.resolve(cohort, split)
        key = (frozenset(lists.train), frozenset(lists.validation))
        if key in first_of:
            again.append(f"{draw} (as {first_of[key]})")
            continue
        first_of[key] = draw
        found[draw] = split
    if again:
        _LOG.warning(
            "Draws of %s labelled volumes that repeat the volumes of an earlier draw "
            "are skipped, and their cells are not counted: %s. Used: %s.%s",
            size,
            ", ".join(again[:_NAMED]) + (", ..." if len(again) > _NAMED else ""),
            ", ".join(map(str, found)),
            "" if len(found) == len(draws) else " There are no more on this cohort.",
        )
    return found


def _drawn(
    cohort: PreparedCohort, base: SplitConfig, size: Size, draw: int
) -> SplitConfig:
    base = dataclasses.replace(base, seed=draw)
    if size != results_json.ALL:
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
    if size == results_json.ALL:
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
    if size != results_json.ALL and len(names) <= max(draws):
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
