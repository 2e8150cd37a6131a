"""Finds the cases that belong to one patient when only their names can tell.

All volumes of a subject go to the same subset of a split. Layouts that do not know
patients make each case a subject. The user can give a pattern that finds the subject in
a name; without one, names that look like several scans of a patient cause a warning.
"""

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort.cases import Dataset
from dscl_tf.cohort.problems import WARNING, Problem, first_of

_SHOWN = 4  # A message lists at most this many names.
_EXAMPLE = r"'^(patient\d+)'"
# The last part of a name, after a separator, that tells one patient's scans apart.
_OCCASION = re.compile(
    r"(?P<start>.+)(?P<end>[-_. ](?:"
    r"(?:frame|phase|visit|scan|session|ses|run|time|timepoint|tp|t|followup|fu)-?\d+"
    r"|ed|es|pre|post|baseline|followup|test|retest))",
    re.IGNORECASE,
)
# A last number after another number: p12-1, but not case_001.
_NUMBER = re.compile(r"(?P<start>.*\d)(?P<end>[-_. ]\d{1,3})")
_MOST_SCANS = 5  # Larger groups are rather a site's or a year's scans than a patient's.


def by_pattern(dataset: Dataset, pattern: str) -> Dataset:
    """Sets the subject of each case by a pattern in its name.

    Args:
      dataset: of a layout in which each case is a subject.
      pattern: regular expression, searched in each case's name; its first group is the
        subject.

    Raises:
      UserError: the pattern is invalid, has no group, or does not match a name.
    """
    said = f"--subject_pattern={pattern}"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise errors.UserError(
            f"{said}: found an invalid regular expression ({error}), expected one "
            f"such as {_EXAMPLE}."
        ) from None
    if not compiled.groups:
        raise errors.UserError(
            f"{said}: found no group, expected parentheses around the patient's part "
            f"of a name, such as {_EXAMPLE}."
        )
    found = {case.name: _search(compiled, case.name) for case in dataset.cases}
    lacking = [name for name, subject in found.items() if not subject]
    if lacking:
        some = first_of(lacking, _SHOWN, " and ")
        raise errors.UserError(
            f"{said}: found no subject in {some} ({len(lacking)} of {len(found)} "
            "names), expected one in each; correct the pattern."
        )
    cases = (dataclasses.replace(c, subject=found[c.name]) for c in dataset.cases)
    return dataclasses.replace(dataset, cases=tuple(cases), subject_pattern=pattern)


def _search(compiled: re.Pattern, name: str) -> Optional[str]:
    match = compiled.search(name)
    return match and match.group(1)


def doubts(dataset: Dataset) -> list[Problem]:
    """A warning if cases that count as subjects look like scans of the same patient.

    Args:
      dataset: of a layout in which each case is a subject.
    """
    names = [case.name for case in dataset.cases]
    groups, ends = _of_occasions(names)
    if not groups:
        groups, ends = _of_numbers(names)
    if not groups:
        return []
    first, *others = groups
    some = first_of(first, _SHOWN, " and ")
    more = f"; {len(others)} more like this" * bool(others)
    pattern = f"^(.+?)({'|'.join(ends)})?$"
    return [
        Problem(
            WARNING,
            "",
            "all images",
            "subject",
            f"{some} counted as {len(first)} patients{more}",
            "one subject per patient",
            "if they are one patient's, who would be in training and test, say "
            f"--subject_pattern='{pattern}'; if not, --subject_pattern='(.+)'",
        )
    ]


def _of_occasions(names: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Groups of names that differ in an ending such as _frame01 or _ED only.

    Returns:
      The groups, and regular expressions of the endings.
    """
    groups, ends = _grouped(names, _OCCASION)
    return groups, sorted({re.sub(r"\d+", r"\\d+", _escaped(end)) for end in ends})


def _of_numbers(names: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Groups of names that differ in a last number after another number only.

    Returns:
      The groups, and regular expressions of the endings; both empty if there are fewer
      than two groups, or one is too large to be a patient's.
    """
    groups, ends = _grouped(names, _NUMBER)
    if len(groups) < 2 or max(map(len, groups)) > _MOST_SCANS:
        return [], []
    separators = sorted({_escaped(end[0]) for end in ends})
    return groups, [rf"(?<=\d){each}\d{{1,3}}" for each in separators]


def _grouped(
    names: Sequence[str], pattern: re.Pattern
) -> tuple[list[list[str]], set[str]]:
    """Groups of two or more names with the same start, and their endings."""
    groups = collections.defaultdict(list)
    ends = {}
    for name in names:
        match = pattern.fullmatch(name)
        groups[match["start"] if match else name].append(name)
        ends[name] = match["end"] if match else ""
    several = [group for group in groups.values() if len(group) > 1]
    return several, {ends[name] for group in several for name in group} - {""}


def _escaped(end: str) -> str:
    """Escapes a text for a regular expression, except for hyphens, which need none."""
    return re.escape(end).replace(r"\-", "-")
