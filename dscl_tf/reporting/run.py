"""The report of one run: a --workdir with its stages, or the folder of one stage."""

import contextlib
import datetime
from pathlib import Path
from typing import Any

from dscl_tf import config_json, errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import summary
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.reporting import (
    embeddings,
    evaluations,
    masks,
    settings,
    training,
    weights,
    words,
)
from dscl_tf.reporting.page import Section
from dscl_tf.training import records, run_folder
from dscl_tf.training.run_folder import RunFolder

_LOGGED_AT = "%Y-%m-%d %H:%M:%S"  # How a line of log.txt begins.


def sections(folder: Path) -> tuple[str, Section, list[Section]]:
    """The title, the head below it, and the sections of the report.

    Args:
      folder: holds the stages' run folders, or is one.

    Raises:
      UserError: there is no run, or one of its files is damaged.
    """
    runs = run_folder.runs_in(folder)
    found = {name: run.read_record() for name, run in runs.items()}
    last = list(found.values())[-1]
    try:
        cohort, why_not = PreparedCohort.open(last.config.prepared), ""
    except errors.UserError as error:
        cohort, why_not = None, f"This needs the prepared cohort: {error}"
    measured = _evaluations(folder)
    remarks = weights.remarks(measured, runs)
    stages = [(name, run.path) for name, run in runs.items()]
    parts = [
        evaluations.section(measured, remarks),
        training.of_run(stages),
        embeddings.section(stages, cohort, why_not),
        masks.section(measured, cohort, why_not, is_experiment=False, remarks=remarks),
        settings.section(
            _facts(folder, last),
            {},
            {name: records.to_json(record) for name, record in found.items()},
            (),
            settings.made_by(
                [config_json.to_json(record.config) for record in found.values()],
                folder,
            ),
        ),
    ]
    return f"Run {folder.resolve().name}", _head(runs, last), parts


def _evaluations(folder: Path) -> list[tuple[str, Path]]:
    """Evaluations in the folder and in its stages: relative paths and folders."""
    found = [each for at in ("*", "*/*") for each in folder.glob(at)]
    return [
        (str(path.relative_to(folder)), path)
        for path in sorted(found)
        # A teacher's pseudo-labels have a summary, too, but no truth to compare with.
        if (path / summary.FILE).exists() and path.name != pseudo_labels.FOLDER
    ]


def _head(runs: dict[str, RunFolder], record: records.RunRecord) -> Section:
    states = [(name, run.read_result()) for name, run in runs.items()]
    when = _begun(next(iter(runs.values())))
    data = {"record": record, "when": when, "states": states}
    return Section("", "", "head_of_run", data)


def _begun(run: RunFolder) -> str:
    """When the first line of a run's log.txt was written; empty if that is not known.

    A file's time is not used: it may be that of a copy, or of steps added later.
    """
    with contextlib.suppress(OSError, ValueError):
        with (run.path / "log.txt").open(encoding="utf-8") as file:
            moment = file.readline()[: len("2000-01-01 00:00:00")]
        return f"begun {words.day(datetime.datetime.strptime(moment, _LOGGED_AT))}"
    return ""


def _facts(folder: Path, record: records.RunRecord) -> dict[str, Any]:
    return {
        "Folder": str(folder),
        "Prepared cohort": record.config.prepared,
        "Seed": record.config.seed,
        "Pre-training volumes": len(record.split.pretrain),
        "Labelled volumes": record.split.train,
        "Validation volumes": record.split.validation,
        "Test volumes": record.split.test,
        **{f"Version of {name}": it for name, it in record.versions.items()},
    }
