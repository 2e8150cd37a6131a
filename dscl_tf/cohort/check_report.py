"""The integrity check of a whole cohort: findings across cases, as a table and JSON."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from dscl_tf import config_json
from dscl_tf.cohort import orientation, sparse
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.cohort.integrity import CaseCheck, Facts
from dscl_tf.cohort.problems import WARNING, Problem, first_of
from dscl_tf.config import OrientationConfig

_COLUMNS = ("severity", "file", "field", "found", "expected", "cure")
_MOST_TILT_DEG = 45  # Between a volume's slice axis and the cohort's.
_SHOWN = 4  # The summary lists at most this many different sizes, orientations, ...


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that the check of a dataset found."""

    checks: tuple[CaseCheck, ...]
    problems: tuple[Problem, ...]  # Of single cases first, then across cases.
    orientation: Optional[OrientationConfig]  # None: no volume could be read.
    # By name, for each labelled case; empty unless voxels may be unknown.
    labelled_slices: Mapping[str, sparse.Slices] = dataclasses.field(
        default_factory=dict
    )

    def is_bad(self, strict: bool) -> bool:
        """Whether there are errors, or warnings if `strict`."""
        return any(strict or each.is_error for each in self.problems)

    def bad_cases(self, strict: bool) -> set[str]:
        """Names of the cases with errors, or with warnings if `strict`."""
        return {
            problem.case
            for problem in self.problems
            if problem.case and (strict or problem.is_error)
        }


def count(report: Report, strict: bool) -> str:
    """How many of the volumes are bad, for messages: "2 of 9 volumes"."""
    bad = report.bad_cases(strict)
    total = len(bad | {check.case for check in report.checks})
    of_all = any(not p.case and (strict or p.is_error) for p in report.problems)
    whole = ", and the dataset as a whole," if of_all else ""
    return f"{len(bad)} of {total} volumes{whole}"


def make(checks: Sequence[CaseCheck], dataset: Dataset, num_partitions: int) -> Report:
    """Combines the checks of all cases into a report.

    Args:
      checks: one for each case, in any order.
      dataset: the checked dataset; its cases provide the file names.
      num_partitions: S; volumes with fewer slices get a warning.
    """
    by_name = {case.name: case for case in dataset.cases}
    good = [(by_name[each.case], each.facts) for each in checks if each.facts]
    wanted = _orientation(checks)
    problems = [*dataset.faults, *(it for each in checks for it in each.problems)]
    problems += _too_few_slices(good, num_partitions, wanted)
    problems += _sliced_otherwise(good, wanted)
    problems += _same_voxels(good)
    return Report(tuple(checks), tuple(problems), wanted)


def _orientation(checks: Sequence[CaseCheck]) -> Optional[OrientationConfig]:
    """The cohort's orientation, from its good volumes (if there are none, from all).

    It does not depend on the order of the checks.
    """
    found = sorted((c for c in checks if c.facts), key=lambda check: check.case)
    facts = [c.facts for c in found if not c.is_bad] or [c.facts for c in found]
    if not facts:
        return None
    return orientation.choose(
        [each.direction for each in facts], [each.slice_spacing_mm for each in facts]
    )


def _num_slices(facts: Facts, wanted: OrientationConfig) -> int:
    (*_, across), _ = _axes(facts, wanted)
    return facts.size[across]


def _axes(facts: Facts, wanted: OrientationConfig) -> orientation.Axes:
    return orientation.axes_of(facts.direction, facts.slice_spacing_mm, wanted)


def _warning(case: Case, field: str, found: str, expected: str, cure: str) -> Problem:
    return Problem(WARNING, case.name, str(case.image), field, found, expected, cure)


def _too_few_slices(good, num_partitions: int, wanted) -> Iterable[Problem]:
    for case, facts in good:
        count = _num_slices(facts, wanted)
        if count < num_partitions:
            yield _warning(
                case,
                "slices",
                str(count),
                f"{num_partitions} or more (--num_partitions)",
                "it cannot be pre-trained on with so many partitions",
            )


def _sliced_otherwise(good, wanted) -> Iterable[Problem]:
    """Warns of cases whose slices are cut in another direction than most cases'."""
    for case, facts in good:
        tilt = orientation.tilt_deg(facts.direction, facts.slice_spacing_mm, wanted)
        if tilt > _MOST_TILT_DEG:
            yield _warning(
                case,
                "slice axis",
                f"{tilt:.0f} degrees from the cohort's",
                f"at most {_MOST_TILT_DEG}",
                "its slices, and so its partitions, show different anatomy: leave it "
                "out, or prepare such scans as a separate cohort",
            )
        elif not orientation.is_slice(
            facts.slice_spacing_mm
        ) and wanted.is_stack != orientation.is_stack(facts.spacing_mm):
            yield _warning(
                case,
                "spacing (mm)",
                _joined(facts.spacing_mm, "x"),
                "a stack of slices" if wanted.is_stack else "nearly equal spacings",
                "it is cut as most volumes are, into slices of "
                f"{_in_plane(facts, wanted)} mm per pixel: check an overlay",
            )


def _in_plane(facts: Facts, wanted: OrientationConfig) -> str:
    order, _ = _axes(facts, wanted)
    return _joined((facts.spacing_mm[axis] for axis in order[:2]), "x")


def _turned(facts: Facts, wanted: OrientationConfig) -> bool:
    """Whether the order of the file's slices is reversed in the cohort."""
    _, flips = _axes(facts, wanted)
    return flips[2]


def _same_voxels(good) -> Iterable[Problem]:
    first: dict[str, Case] = {}
    for case, facts in good:
        twin = first.setdefault(facts.voxels_id, case)
        if twin is not case:
            yield _warning(
                case,
                "voxels",
                f"those of {twin.image}",
                "an image of its own",
                "is it the same scan twice? Keep one",
            )


def table(report: Report, dataset: Dataset) -> str:
    """The problems as a text table, errors first; "" if there are none."""
    problems = sorted(report.problems, key=lambda each: not each.is_error)
    root = f"{dataset.root}/"
    short = (
        dataclasses.replace(each, file=each.file.removeprefix(root))
        for each in problems
    )
    rows = [
        tuple(_printable(getattr(problem, column)) for column in _COLUMNS)
        for problem in short
    ]
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in (_COLUMNS, *rows)
    )


def _printable(text: str) -> str:
    """The text on one line, with characters that UTF-8 cannot encode escaped."""
    return text.replace("\n", " ").encode("utf-8", "backslashreplace").decode()


def summary(report: Report, label_names: Optional[Sequence[str]], parts: int) -> str:
    """Describes the cohort in a few lines.

    Args:
      report: the check's report.
      label_names: background included; None: structures are shown by number.
      parts: S, for the number of slices per partition.
    """
    facts = [check.facts for check in report.checks if check.facts]
    if not facts:
        return "No volume can be read."
    subjects = {check.subject for check in report.checks if check.facts}
    labelled = [each for each in facts if each.label_voxels]
    wanted = report.orientation
    slices = [_num_slices(each, wanted) for each in facts]
    num_turned = sum(_turned(each, wanted) for each in facts)
    whole = [count for count in slices if count >= parts]
    lines = [
        f"subjects         {len(subjects)}",
        f"volumes          {len(facts)}, {len(labelled)} labelled",
        f"sizes            {_most_common(_joined(each.size, 'x') for each in facts)}",
        f"spacings (mm)    {_ranges(facts)}",
        f"orientations     "
        f"{_most_common(orientation.letters_of(each.direction) for each in facts)}",
        f"slices           {min(slices)} to {max(slices)}, "
        f"{'as acquired' if wanted.is_stack else 'axial'}; {num_turned} of "
        f"{len(facts)} volumes turned, so that all begin at the same end",
    ]
    lines += [f"{what:<16} {said}" for what, said in by_header(report).items()]
    if whole:
        least, most = min(whole) // parts, -(-max(whole) // parts)
        lines.append(f"in a partition   {least} to {most} slices ({parts} partitions)")
    if report.labelled_slices:
        lines.append(f"labelled slices  {sparse.listed(report.labelled_slices)}")
    lines += _label_lines(labelled, label_names)
    return "\n".join(lines)


def by_header(report: Report) -> dict[str, str]:
    """How many labels differ from their images in axes or size; empty if none do."""
    facts = [check.facts for check in report.checks if check.facts]
    labelled = sum(bool(each.label_voxels) for each in facts)
    counts = {
        "turned labels": (
            sum(each.is_label_turned for each in facts),
            "with axes flipped or permuted relative to",
        ),
        "cropped labels": (
            sum(each.is_label_cropped for each in facts),
            "with fewer voxels than",
        ),
    }
    return {
        name: f"{count} of {labelled}, {what} their images, are laid on them by their "
        "headers"
        for name, (count, what) in counts.items()
        if count
    }


def _label_lines(labelled: Sequence[Facts], names: Optional[Sequence[str]]):
    volumes_ml: dict[int, list[float]] = {}
    for facts in labelled:
        x, y, z = facts.spacing_mm
        for label, count in facts.label_voxels:
            if label:
                volumes_ml.setdefault(label, []).append(count * x * y * z / 1000)
    for label, values in sorted(volumes_ml.items()):
        name = names[label] if names and label < len(names) else f"class {label}"
        yield (
            f"{name:<16} {min(values):.1f} to {max(values):.1f} ml, in {len(values)} "
            f"of {len(labelled)} labelled volumes"
        )


def _joined(values: Iterable, separator: str) -> str:
    return separator.join(f"{value:g}" for value in values)


def _most_common(values: Iterable[str]) -> str:
    counts = collections.Counter(values)
    shown = [f"{value} ({count})" for value, count in counts.most_common()]
    return first_of(shown, _SHOWN)


def _ranges(facts: Sequence[Facts]) -> str:
    columns = itertools.zip_longest(*(each.spacing_mm for each in facts))
    return " x ".join(
        f"{min(column):g}" + f" to {max(column):g}" * (max(column) > min(column))
        for column in columns
    )


def to_json(report: Report, skipped: Iterable[str] = ()) -> dict:
    """The report as JSON values.

    Args:
      report: the check's report.
      skipped: names of the cases that were left out.
    """
    return {
        "errors": sum(each.is_error for each in report.problems),
        "warnings": sum(not each.is_error for each in report.problems),
        "skipped": sorted(skipped),
        "problems": config_json.to_json(report.problems),
        "cases": [
            {
                "case": check.case,
                "subject": check.subject,
                "facts": config_json.to_json(check.facts) if check.facts else None,
                **_slices_json(report, check.case),
            }
            for check in report.checks
        ],
    }


def _slices_json(report: Report, case: str) -> dict:
    if case not in report.labelled_slices:
        return {}
    labelled, total = report.labelled_slices[case]
    return {"labelled_slices": labelled, "slices": total}
