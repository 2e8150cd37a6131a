"""The report of one run: a --workdir with its stages, or the folder of one stage."""

from pathlib import Path
from typing import Any

from dscl_tf import config_json, errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import summary
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.reporting import embeddings, evaluations, masks, settings, training, words
from dscl_tf.reporting.page import Section
from dscl_tf.training import records, run_folder
from dscl_tf.training.run_folder import RunFolder


def sections(folder: Path) -> tuple[str, Section, list[Section]]:
    """Title, what follows it, and the sections.

    Args:
      folder: that holds the stages' run folders, or is one.

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
    stages = [(name, run.path) for name, run in runs.items()]
    parts = [
        evaluations.section(measured),
        training.of_run(stages),
        embeddings.section(stages, cohort, why_not),
        masks.section(measured, cohort, why_not, is_experiment=False),
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
        # What a teacher labelled has no truth to be compared with.
        if (path / summary.FILE).exists() and path.name != pseudo_labels.FOLDER
    ]


def _head(runs: dict[str, RunFolder], record: records.RunRecord) -> Section:
    newest = max(run.config_file.stat().st_mtime for run in runs.values())
    states = [(name, run.read_result()) for name, run in runs.items()]
    data = {"record": record, "when": words.day(newest), "states": states}
    return Section("", "", "head_of_run", data)


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
