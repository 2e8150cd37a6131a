"""The mapping between voxel values in label files and classes, shared by all binaries.

Classes are what networks predict: 0 the background, 1, 2, ... the structures. The files
of a dataset may have other values for them, such as 0 and 255, or 205 to 850.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Iterable, Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import segment_names
from dscl_tf.cohort.cases import MAX_CLASSES, Dataset
from dscl_tf.cohort.integrity import CaseCheck
from dscl_tf.cohort.problems import ERROR, WARNING, Problem, first_of
from dscl_tf.config.masks import DATASET, MASK_VALUES

BACKGROUND = "background"
_SHOWN = 12
_LOG = logging.getLogger(__name__)


def of_classes(found: Optional[Sequence[int]], num_classes: int) -> tuple[int, ...]:
    """The voxel value of each class in files; None: the classes themselves."""
    return tuple(range(num_classes)) if found is None else tuple(found)


def of_masks(mask_values: str, values: Sequence[int]) -> tuple[int, ...]:
    """The voxel value of each class in masks: a dataset's `values`, or the classes.

    Raises:
      UserError: `mask_values` is not one of `masks.MASK_VALUES`.
    """
    if mask_values not in MASK_VALUES:
        raise errors.UserError(
            f"--mask_values={mask_values}: expected one of {', '.join(MASK_VALUES)}."
        )
    return of_classes(values if mask_values == DATASET else None, len(values))


def in_values(mask: sitk.Image, values: Sequence[int]) -> sitk.Image:
    """Replaces the classes of a mask by the voxel values of files.

    Args:
      mask: uint8 image of classes.
      values: voxel value of each class, from `of_classes`.

    Returns:
      Image of the same geometry; the smallest of uint8, uint16 and int32 that can hold
      the values.
    """
    if list(values) == list(range(len(values))):
        return mask
    kind = next(t for t in (np.uint8, np.uint16, np.int32) if _holds(t, values))
    table = np.array(values, kind)
    said = sitk.GetImageFromArray(table[sitk.GetArrayViewFromImage(mask)])
    said.CopyInformation(mask)
    return said


def _holds(kind: type, values: Sequence[int]) -> bool:
    return max(values) <= np.iinfo(kind).max and min(values) >= np.iinfo(kind).min


def of_dataset(dataset: Dataset) -> Optional[tuple[int, ...]]:
    """The voxel value of each class of a dataset; None: the classes themselves."""
    if dataset.label_values is None:
        return None
    by_class = {k: value for value, k in dataset.label_values.items()}
    return tuple(by_class[k] for k in sorted(by_class))


def settle(
    dataset: Dataset, checks: Sequence[CaseCheck], names: Optional[Sequence[str]]
) -> tuple[Dataset, list[CaseCheck], list[Problem]]:
    """Determines the class of each voxel value, once for all cases.

    Args:
      dataset: its layout may define names and values; otherwise the files decide.
      checks: one per case. If the layout defines no values, they count raw values.
      names: the structures' names from the user; None: not given.

    Returns:
      The dataset with names and values; the checks with counts by class, and errors
      for values without a name; and the problems that concern no single case.

    Raises:
      UserError: the number of names differs from the layout's number of structures, or
        the files have more values than there can be classes.
    """
    more: list[Problem] = []
    if dataset.label_names:
        if names and len(names) != len(dataset.label_names) - 1:
            raise errors.UserError(
                f"--label_names has {len(names)} names, but the dataset "
                f"{dataset.root} ({dataset.format}) has "
                f"{len(dataset.label_names) - 1} structures: "
                f"{', '.join(dataset.label_names[1:])}."
            )
        values, all_checks = dataset.label_values, list(checks)
        settled = [BACKGROUND, *names] if names else dataset.label_names
    else:
        said, all_have = segment_names.read(_readable_labels(dataset, checks))
        more = segment_names.conflicts(said)
        if not names:
            more += _codings(checks)
        of_all = said if all_have else {}
        values, settled, all_checks = _from_files(dataset, checks, names, of_all)
    dataset = dataclasses.replace(
        dataset, label_names=tuple(settled), label_values=values
    )
    _say(dataset)
    return dataset, all_checks, [*more, *_absent(dataset, all_checks)]


def _readable_labels(
    dataset: Dataset, checks: Sequence[CaseCheck]
) -> list[pathlib.Path]:
    good = {check.case for check in checks if check.facts}
    return [c.label for c in dataset.cases if c.label and c.name in good]


def _codings(checks: Sequence[CaseCheck]) -> list[Problem]:
    """A warning if labels form groups that share no structure's value.

    For example, one site may have the values 1 and 2 where another has 85 and 170.
    """
    groups: list[tuple[set[int], list[str]]] = []
    for check in checks:
        found = {v for v, _ in check.facts.label_voxels if v} if check.facts else set()
        if not found or check.is_bad:
            continue
        joined = [group for group in groups if group[0] & found]
        groups = [group for group in groups if not group[0] & found]
        cases = [case for group in joined for case in group[1]]
        groups.append((found.union(*(g[0] for g in joined)), [*cases, check.case]))
    if len(groups) < 2:
        return []
    shown = [
        f"{_listed(sorted(values))} in {len(cases)} labels, such as that of {cases[0]}"
        for values, cases in sorted(groups, key=lambda group: min(group[0]))
    ]
    cure = (
        "if these are the same structures, give each one the same value in all labels"
    )
    what = "; ".join(shown), "one coding of the structures", cure
    return [Problem(WARNING, "", "all labels", "values", *what)]


def _from_files(
    dataset: Dataset,
    checks: Sequence[CaseCheck],
    names: Optional[Sequence[str]],
    said: segment_names.Said,
):
    """Derives the classes from the values in the files.

    Returns:
      Voxel value to class, or None if the values are the classes; names, background
      included; and the checks with counts by class.
    """
    good = [c for c in checks if c.facts and not c.is_bad]
    # The ignore value is not among them: the check counts it separately.
    found = sorted({v for c in good for v, _ in c.facts.label_voxels} - {0})
    if len(found) >= MAX_CLASSES:
        raise errors.UserError(
            f"The labels have {len(found)} different values ({_listed(found)}), "
            f"expected at most {MAX_CLASSES - 1} structures: are they images?"
        )
    if not names:
        names = segment_names.of_values(said, found)
        if names:
            _LOG.info("Names in the labels' headers: %s.", ", ".join(names))
    count = len(names) if names else len(found)
    settled = [BACKGROUND, *(names or (f"class {k}" for k in range(1, count + 1)))]
    if set(found) <= set(range(1, count + 1)):
        return None, settled, list(checks)
    if len(found) == count:
        values = {value: k for k, value in enumerate([0, *found])}
        return values, settled, [_by_classes(check, values) for check in checks]
    labels = {case.name: str(case.label) for case in dataset.cases}
    return (
        None,
        settled,
        [_without_names(c, labels[c.case], count, found) for c in checks],
    )


def _by_classes(check: CaseCheck, values: dict[int, int]) -> CaseCheck:
    if check.facts is None:
        return check
    counts = ((values.get(v), n) for v, n in check.facts.label_voxels)
    known = tuple((k, n) for k, n in counts if k is not None)
    return dataclasses.replace(
        check, facts=dataclasses.replace(check.facts, label_voxels=known)
    )


def _without_names(
    check: CaseCheck, file: str, count: int, found: Sequence[int]
) -> CaseCheck:
    """Adds an error to a case that has more values than there are names."""
    voxels = check.facts.label_voxels if check.facts else ()
    odd = [f"{value} ({n} voxels)" for value, n in voxels if value > count]
    if check.is_bad or not odd:
        return check
    problem = Problem(
        ERROR,
        check.case,
        file,
        "values",
        ", ".join(odd[:_SHOWN]),
        f"0 to {count}",
        f"--label_names has {count} names, the labels have {len(found)} values "
        f"({_listed(found)}): name each, or map or remove them",
    )
    return dataclasses.replace(check, problems=(*check.problems, problem))


def _absent(dataset: Dataset, checks: Sequence[CaseCheck]) -> list[Problem]:
    """A warning for structures that do not occur in any label."""
    labelled = [
        c.facts for c in checks if c.facts and c.facts.label_voxels and not c.is_bad
    ]
    there = {k for facts in labelled for k, _ in facts.label_voxels}
    names = [
        name
        for k, name in enumerate(dataset.label_names)
        if k > 0 and k not in there and labelled
    ]
    if not names:
        return []
    return [
        Problem(
            WARNING,
            "",
            "all labels",
            "label names",
            f"no voxel of {', '.join(names)}",
            "some of each",
            "do the names follow the order of the values in the labels "
            "(--label_names)? Nothing can be learned about such a class",
        )
    ]


def _say(dataset: Dataset) -> None:
    values = of_dataset(dataset)
    if values is not None:
        pairs = zip(values, dataset.label_names)
        _LOG.info(
            "Label values of the files: %s.",
            ", ".join(f"{value} is {name}" for value, name in pairs),
        )
    if dataset.ignore_label is not None:
        _LOG.info(
            "Voxels with the value %d are ignored: nobody labelled them.",
            dataset.ignore_label,
        )


def _listed(values: Iterable[int]) -> str:
    return first_of([str(value) for value in values], _SHOWN)
