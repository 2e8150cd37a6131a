"""Prepares a cohort: checks and prepares all cases of a dataset in parallel.

Without its index, which is written after all cases, the cohort counts as unfinished.
"""

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
_SHOWN = 8  # A message lists at most this many names.


@dataclasses.dataclass(frozen=True)
class PreparationConfig:
    """What to prepare, how, and where to."""

    source: str
    output: Optional[str]
    format: str = "auto"
    labels: Optional[str] = None
    label_names: Optional[tuple[str, ...]] = None  # Without the background.
    acdc_frames: str = "ED"
    channel: int = 0  # For subjects with several images.
    # Several channels, by number or name; None: only `channel`.
    channels: Optional[tuple[str, ...]] = None
    labelled_slices: str = cases.ALL_SLICES  # One of `cases.LABELLED_SLICES`.
    ignore_label: Optional[int] = None  # Raw value of unannotated voxels.
    # Regular expression whose first group is the subject in a case's name.
    subject_pattern: Optional[str] = None
    num_partitions: int = 4  # The check warns of volumes with fewer slices.
    num_workers: int = 0  # 0: one per core.
    strict: bool = False  # Warnings of the check count as errors.
    skip_bad: bool = False  # Continue without the cases that have errors.
    overwrite: bool = False  # Replace a cohort with other settings or a damaged one.
    settings: PreprocessingConfig = dataclasses.field(
        default_factory=PreprocessingConfig
    )


def prepare(config: PreparationConfig) -> pathlib.Path:
    """Prepares a cohort or continues an unfinished one; a finished one is kept.

    Args:
      config: what to prepare, how, and where to.

    Returns:
      The folder of the prepared cohort.

    Raises:
      UserError: there is nothing to prepare, the folder has a cohort with other
        settings or is in use by another process, or cases are bad. Bad cases are all
        listed before any case is prepared.
    """
    config, dataset = _found(config)
    output = pathlib.Path(config.output)
    request = requests.describe(config.settings, config.label_names, dataset)
    if _is_done(config, dataset, output, request):
        return output
    files.require_writable(output)
    dataset, report = _check(config, dataset)
    dataset = _without_bad(config, dataset, report)
    # Locked after the check, so that a refused dataset leaves nothing in the folder.
    with locks.held(output, "--output"):
        # Another process may have prepared the cohort during the check.
        if not _is_done(config, dataset, output, request):
            _prepare(config, dataset, report, output, request)
    return output


def _is_done(
    config: PreparationConfig, dataset: Dataset, output: pathlib.Path, request: dict
) -> bool:
    """Whether the folder holds the complete cohort.

    Raises:
      UserError: the folder holds a different cohort without `overwrite`, a cohort that
        lacks cases without `skip_bad`, or other files.
    """
    changed, there = output_folder.look(output, request)
    if changed and not config.overwrite:
        raise errors.UserError(
            f"--output={output} holds a cohort that was prepared differently: "
            f"{changed}. Choose another --output, or replace it with --overwrite."
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
            "and prepare again with --overwrite, or go on without them with "
            "--skip_bad."
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
    # The orientation is fixed before any case is prepared, so that all cases share it.
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
    """The dataset without its bad cases.

    Raises:
      UserError: there are bad cases, and they may not be left out.
    """
    table = check_report.table(report, dataset)
    bad = report.bad_cases(config.strict)
    kept = tuple(case for case in dataset.cases if case.name not in bad)
    if report.is_bad(config.strict) and not (config.skip_bad and kept):
        raise errors.UserError(
            f"{check_report.count(report, config.strict)} cannot be prepared:\n"
            f"{table}\n"
            "Repair or remove these and start again, or leave them out with "
            "--skip_bad."
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
            + "\nRepair or remove these and start again; the others are kept."
        )


def check(config: PreparationConfig) -> tuple[Dataset, Report]:
    """Reads and checks every case; writes nothing."""
    return _check(*_found(config))


def _found(config: PreparationConfig) -> tuple[PreparationConfig, Dataset]:
    """Finds the cases; the returned configuration has the dataset's channels set."""
    dataset = find(config)
    settings = dataclasses.replace(config.settings, channels=dataset.channels)
    return dataclasses.replace(config, settings=settings), dataset


def _check(config: PreparationConfig, dataset: Dataset) -> tuple[Dataset, Report]:
    """Checks all cases; returns the dataset with its label values, and the report."""
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
    """Counts the labelled slices; cases without any become unlabelled."""
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
    """Warnings of structures that the prepared grid clips or loses.

    The grid is known only once the cohort's orientation is.
    """
    found = _of_labels("Structures", coverage.measure, config, dataset, report)
    return coverage.problems(found, dataset, config.settings)


def _of_labels(
    what: str,
    measure: Callable,
    config: PreparationConfig,
    dataset: Dataset,
    report: Report,
) -> dict[str, Any]:
    """Calls `measure` for each label of a good case; the results by case name."""
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
    """Finds the cases of the dataset that a configuration names."""
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
    """Number of classes, background included; None if the layout does not define it."""
    return len(dataset.label_names) if dataset.label_names else None


def _vocabulary(dataset: Dataset) -> Dataset:
    """What workers need of a dataset: everything but its cases."""
    return dataclasses.replace(dataset, cases=())
