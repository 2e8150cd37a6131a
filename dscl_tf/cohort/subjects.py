"""Which cases are of one patient, where only their names can tell.

All volumes of a subject go to the same side of a split. Layouts without patients make
each case a subject of its own; a pattern, or a warning, mends that.
"""

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort.cases import Dataset
from dscl_tf.cohort.problems import WARNING, Problem, first_of

_SHOWN = 4  # Names that a message lists.
_EXAMPLE = r"'^(patient\d+)'"
# Last parts of names of one patient's scans, after a separator.
_OCCASION = re.compile(
    r"(?P<start>.+)(?P<end>[-_. ](?:"
    r"(?:frame|phase|visit|scan|session|ses|run|time|timepoint|tp|t|followup|fu)-?\d+"
    r"|ed|es|pre|post|baseline|followup|test|retest))",
    re.IGNORECASE,
)
# A number after another one: p12-1, but not case_001.
_NUMBER = re.compile(r"(?P<start>.*\d)(?P<end>[-_. ]\d{1,3})")
_MOST_SCANS = 5  # Of a patient; a site, or a year, has more.


def by_pattern(dataset: Dataset, pattern: str) -> Dataset:
    """A dataset whose cases have the subjects that their names tell.

    Args:
      dataset: of a layout in which each case is a subject.
      pattern: regular expression; its first group, searched in a case's name, is the
        subject.

    Raises:
      UserError: the pattern is none, has no group, or finds nothing in a name.
    """
    said = f"--subject_pattern={pattern}"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise errors.UserError(
            f"{said}: found no regular expression ({error}), expected one such as "
            f"{_EXAMPLE}."
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
    """A warning if cases look like several scans of a patient and are subjects each.

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
    more = f"; {len(others)} more of the kind" * bool(others)
    pattern = f"^(.+?)({'|'.join(ends)})?$"
    return [
        Problem(
            WARNING,
            "",
            "all images",
            "subject",
            f"{some} counted as {len(first)} patients{more}",
            "one subject a patient",
            "if they are one patient's, who would be in training and test, say "
            f"--subject_pattern='{pattern}'; if not, --subject_pattern='(.+)'",
        )
    ]


def _of_occasions(names: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Names that differ in a last part such as _frame01 or _ED, and patterns of it."""
    groups, ends = _grouped(names, _OCCASION)
    return groups, sorted({re.sub(r"\d+", r"\\d+", _escaped(end)) for end in ends})


def _of_numbers(names: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Names that differ in a last number after another, if few have the same start."""
    groups, ends = _grouped(names, _NUMBER)
    if len(groups) < 2 or max(map(len, groups)) > _MOST_SCANS:
        return [], []
    separators = sorted({_escaped(end[0]) for end in ends})
    return groups, [rf"(?<=\d){each}\d{{1,3}}" for each in separators]


def _grouped(
    names: Sequence[str], pattern: re.Pattern
) -> tuple[list[list[str]], set[str]]:
    """Names of the same start, two or more, and the ends that they have."""
    groups = collections.defaultdict(list)
    ends = {}
    for name in names:
        match = pattern.fullmatch(name)
        groups[match["start"] if match else name].append(name)
        ends[name] = match["end"] if match else ""
    several = [group for group in groups.values() if len(group) > 1]
    return several, {ends[name] for group in several for name in group} - {""}


def _escaped(end: str) -> str:
    """A pattern of a text; hyphens need no sign outside brackets."""
    return re.escape(end).replace(r"\-", "-")
