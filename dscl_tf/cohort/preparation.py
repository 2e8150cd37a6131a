"""Preparing a cohort: every case of a dataset, in parallel, whole or not at all."""

import dataclasses
import logging
import pathlib
from typing import Any, Callable, Optional

from dscl_tf import errors, files, locks
from dscl_tf.cohort import (
    cases,
    check_report,
    coverage,
    index_writing,
    integrity,
    label_values,
    layouts,
    output_folder,
    parallel,
    parts,
    requests,
    sparse,
)
from dscl_tf.cohort.cases import Dataset
from dscl_tf.cohort.check_report import Report
from dscl_tf.cohort.problems import Problem, first_of
from dscl_tf.config import PreprocessingConfig

_LOG = logging.getLogger(__name__)
_SHOWN = 8  # Names that a message lists.


@dataclasses.dataclass(frozen=True)
class PreparationConfig:
    """What to prepare, and where to."""

    source: str
    output: Optional[str]
    format: str = "auto"
    labels: Optional[str] = None
    label_names: Optional[tuple[str, ...]] = None  # Without the background.
    acdc_frames: str = "ED"
    channel: int = 0  # Of several images of a subject.
    # Several of them, by number or by name; None: the one of `channel`.
    channels: Optional[tuple[str, ...]] = None
    labelled_slices: str = cases.ALL_SLICES  # One of `cases.LABELLED_SLICES`.
    ignore_label: Optional[int] = None  # Raw value of voxels that nobody labelled.
    # Regular expression whose first group is the subject in a case's name.
    subject_pattern: Optional[str] = None
    num_partitions: int = 4  # Checked for: the fewest slices.
    num_workers: int = 0  # 0: one a core.
    strict: bool = False  # Warnings of the check count as errors.
    skip_bad: bool = False  # Go on without the cases that have errors.
    overwrite: bool = False  # Replace a cohort prepared otherwise, or unreadable.
    settings: PreprocessingConfig = dataclasses.field(
        default_factory=PreprocessingConfig
    )


def prepare(config: PreparationConfig) -> pathlib.Path:
    """Prepares a cohort, or goes on with it, or finds it done.

    Args:
      config: what, how and where to.

    Returns:
      The folder of the prepared cohort.

    Raises:
      UserError: nothing to prepare, other settings in the folder, another process
        that prepares there, or bad cases: all are named, before any is prepared.
    """
    config, dataset = _found(config)
    output = pathlib.Path(config.output)
    request = requests.describe(config.settings, config.label_names, dataset)
    if _is_done(config, dataset, output, request):
        return output
    files.require_writable(output)
    dataset, report = _check(config, dataset)
    dataset = _without_bad(config, dataset, report)
    # Nothing is left in the folder by what the check refuses, no lock either.
    with locks.held(output, "--output"):
        # Another process may have come before.
        if not _is_done(config, dataset, output, request):
            _prepare(config, dataset, report, output, request)
    return output


def _is_done(
    config: PreparationConfig, dataset: Dataset, output: pathlib.Path, request: dict
) -> bool:
    """Whether the folder holds the whole cohort.

    Raises:
      UserError: it holds another one that is not to be replaced, one that lacks cases
        which are not to be left out, or something else.
    """
    changed, there = output_folder.look(output, request)
    if changed and not config.overwrite:
        raise errors.UserError(
            f"--output={output} holds a cohort prepared otherwise: {changed}. Choose "
            "another --output, or replace it with --overwrite."
        )
    if not there:
        return False
    names = [case.name for case in dataset.cases if case.name not in there]
    lacking = first_of(names, _SHOWN, " and ")
    if lacking and not config.skip_bad:
        if config.overwrite:
            return False  # The check says what is wrong with them.
        raise errors.UserError(
            f"--output={output} was prepared without {lacking}, left out by "
            f"--skip_bad (see {output_folder.CHECK} in it). Repair or remove these "
            "and prepare again with --overwrite, or go on without them by --skip_bad."
        )
    if config.strict and not config.skip_bad and output_folder.has_warnings(output):
        return False  # The check shows them.
    without = f", without: {lacking}" if lacking else ""
    _LOG.info("%s is already prepared with these settings%s.", output, without)
    return True


def _prepare(
    config: PreparationConfig,
    dataset: Dataset,
    report: Report,
    output: pathlib.Path,
    request: dict,
) -> None:
    # Found once, before any case is prepared, so that all are turned alike.
    settings = dataclasses.replace(config.settings, orientation=report.orientation)
    state = output_folder.look(output, request)
    output_folder.clear(output, everything=bool(state.changed))
    files.write_json(output / output_folder.REQUEST, request)
    found = parallel.run_all(
        parts.prepare_case,
        {case.name: case for case in dataset.cases},
        (settings, output, _vocabulary(dataset)),
        config.num_workers,
    )
    _require_all_good(found)
    skipped = report.bad_cases(config.strict)
    files.write_json(
        output / output_folder.CHECK, check_report.to_json(report, skipped)
    )
    index_writing.write_index(output, settings, dataset, list(found.values()), request)


def _without_bad(
    config: PreparationConfig, dataset: Dataset, report: Report
) -> Dataset:
    """The dataset without its bad cases, if those may be left out."""
    table = check_report.table(report, dataset)
    bad = report.bad_cases(config.strict)
    kept = tuple(case for case in dataset.cases if case.name not in bad)
    if report.is_bad(config.strict) and not (config.skip_bad and kept):
        raise errors.UserError(
            f"{check_report.count(report, config.strict)} cannot be prepared:\n"
            f"{table}\n"
            "Mend or remove these and start again, or leave them out by --skip_bad."
        )
    if table:
        _LOG.warning("The check found:\n%s", table)
    for said in check_report.by_header(report).values():
        _LOG.info("Labels: %s.", said)
    if bad:
        _LOG.warning("Left out: %s.", ", ".join(sorted(bad)))
    return dataclasses.replace(dataset, cases=kept)


def _require_all_good(found: dict) -> None:
    bad = [
        parallel.describe(name, result)
        for name, result in found.items()
        if isinstance(result, BaseException)
    ]
    if bad:
        raise errors.UserError(
            f"{len(bad)} of {len(found)} volumes could not be prepared:\n  "
            + "\n  ".join(bad)
            + "\nMend or remove these and start again; the others are kept."
        )


def check(config: PreparationConfig) -> tuple[Dataset, Report]:
    """Reads every case and says what is wrong; writes nothing."""
    return _check(*_found(config))


def _found(config: PreparationConfig) -> tuple[PreparationConfig, Dataset]:
    """The cases that a configuration names, and it with the channels they have."""
    dataset = find(config)
    settings = dataclasses.replace(config.settings, channels=dataset.channels)
    return dataclasses.replace(config, settings=settings), dataset


def _check(config: PreparationConfig, dataset: Dataset) -> tuple[Dataset, Report]:
    """The dataset with its label values, and all that is wrong with it."""
    coverage.warn_of_size(config.settings)
    _LOG.info("Checking %d volumes.", len(dataset.cases))
    found = parallel.run_all(
        integrity.check_case,
        {case.name: case for case in dataset.cases},
        (_vocabulary(dataset), _num_classes(dataset), config.settings),
        config.num_workers,
    )
    _refuse_failed(found)
    dataset, checks, more = label_values.settle(
        dataset, list(found.values()), config.label_names
    )
    sparse.require_fit(dataset)
    report = check_report.make(checks, dataset, config.num_partitions)
    if dataset.has_unknown:
        dataset, report = _with_labelled_slices(config, dataset, report)
    more += _not_covered(config, dataset, report)
    return dataset, dataclasses.replace(report, problems=(*report.problems, *more))


def _with_labelled_slices(
    config: PreparationConfig, dataset: Dataset, report: Report
) -> tuple[Dataset, Report]:
    """Which slices are labelled; cases without any lose their labels."""
    what, measure = "Labelled slices", sparse.count_slices
    found = _of_labels(what, measure, config, dataset, report)
    more = sparse.problems(found, dataset, report.checks, config.ignore_label)
    sparse.say(found, dataset)
    dataset, checks = sparse.without_unlabelled(dataset, report.checks, found)
    report = dataclasses.replace(
        report,
        checks=checks,
        problems=(*report.problems, *more),
        labelled_slices=found,
    )
    return dataset, report


def _refuse_failed(found: dict) -> None:
    for name, result in found.items():
        if isinstance(result, BaseException):
            raise errors.UserError(parallel.describe(name, result))


def _not_covered(
    config: PreparationConfig, dataset: Dataset, report: Report
) -> list[Problem]:
    """Structures that the prepared grid, which is known only now, clips or loses."""
    found = _of_labels("Structures", coverage.measure, config, dataset, report)
    return coverage.problems(found, dataset, config.settings)


def _of_labels(
    what: str,
    measure: Callable,
    config: PreparationConfig,
    dataset: Dataset,
    report: Report,
) -> dict[str, Any]:
    """What `measure` says of each label on the prepared grid, by the case's name."""
    facts = {c.case: c.facts for c in report.checks if c.facts and not c.is_bad}
    items = {
        case.name: (case, facts[case.name])
        for case in dataset.cases
        if case.label and case.name in facts
    }
    if not items:
        return {}
    settings = dataclasses.replace(config.settings, orientation=report.orientation)
    _LOG.info("%s of %d labels on the prepared grid.", what, len(items))
    found = parallel.run_all(
        measure, items, (_vocabulary(dataset), settings), config.num_workers
    )
    _refuse_failed(found)
    return found


def find(config: PreparationConfig) -> Dataset:
    """The cases that a configuration names."""
    labels = pathlib.Path(config.labels) if config.labels else None
    request = cases.Request(
        pathlib.Path(config.source),
        labels,
        config.acdc_frames,
        config.channel,
        config.channels,
        config.subject_pattern,
    )
    dataset = layouts.find(request, config.format)
    dataset = sparse.asked(dataset, config.ignore_label, config.labelled_slices)
    labelled = sum(case.label is not None for case in dataset.cases)
    _LOG.info(
        "Found %d volumes, %d of them labelled (layout: %s).",
        len(dataset.cases),
        labelled,
        dataset.format,
    )
    return dataset


def _num_classes(dataset: Dataset) -> Optional[int]:
    """Background included; None where only the labels' values tell."""
    return len(dataset.label_names) if dataset.label_names else None


def _vocabulary(dataset: Dataset) -> Dataset:
    """What every worker needs of a dataset: all but its cases."""
    return dataclasses.replace(dataset, cases=())
