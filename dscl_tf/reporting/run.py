"""The report of one run: a --workdir with its stages, or the folder of one stage."""

import datetime
import pathlib
from typing import Any

from dscl_tf import config_json, errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.reporting import (
    embeddings,
    masks,
    measurements,
    settings,
    training,
    words,
)
from dscl_tf.reporting.page import Section
from dscl_tf.training import records
from dscl_tf.training.run_folder import RunFolder

_ORDER = ("encoder", "pretext", "decoder", "finetune")

Runs = dict[str, RunFolder]


def sections(folder: pathlib.Path) -> tuple[str, Section, list[Section]]:
    """Title, what follows it, and the sections.

    Args:
      folder: that holds the stages' run folders, or is one.

    Raises:
      UserError: there is no run, or one of its files is damaged.
    """
    runs = find_runs(folder)
    evaluations = _evaluations(folder)
    last = list(runs.values())[-1].read_record()
    try:
        cohort, why_not = PreparedCohort.open(last.config.prepared), ""
    except errors.UserError as error:
        cohort, why_not = None, f"This needs the prepared cohort: {error}"
    found = {"evaluations": [_evaluation(*each) for each in evaluations]}
    parts = [
        Section("dice", "Dice on the evaluated volumes", "evaluations", found),
        training.of_run(runs),
        embeddings.section([(k, run.path) for k, run in runs.items()], cohort, why_not),
        masks.section(evaluations, cohort, why_not, is_experiment=False),
        _settings(folder, runs),
    ]
    return f"Run {folder.resolve().name}", _head(runs, last), parts


def find_runs(folder: pathlib.Path) -> Runs:
    """Run folders by name, in the order in which the stages follow each other.

    Raises:
      UserError: there is none, or a record is damaged.
    """
    found = [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]
    runs = [RunFolder(path) for path in found if (path / "config.json").exists()]
    if not runs:
        raise errors.UserError(
            f"{folder} holds neither an experiment (results.json) nor a run "
            "(config.json, or stages with one): give the --workdir of dscl-experiment "
            "or of dscl-train."
        )
    stages = {run.path: run.read_record().config.stage for run in runs}
    runs.sort(key=lambda run: _ORDER.index(stages[run.path]))
    return {run.path.resolve().name: run for run in runs}


def _evaluations(folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    """Evaluations in the folder and in its stages: relative paths and folders."""
    found = [*folder.glob("*/summary.json"), *folder.glob("*/*/summary.json")]
    return [
        (str(path.parent.relative_to(folder)), path.parent)
        for path in sorted(found)
        # What a teacher labelled has no truth to be compared with.
        if path.parent.name != pseudo_labels.FOLDER
    ]


def _evaluation(name: str, folder: pathlib.Path) -> dict[str, Any]:
    """Means of each structure, and Dice of each volume."""
    content = measurements.summary(folder)
    labels = content["label_names"]
    means = [(labels[label], found) for label, found in content["mean"].items()]
    volumes: dict[str, dict[str, float]] = {}
    structures: dict[str, None] = {}
    for volume, structure, dice in measurements.case_dice(folder):
        volumes.setdefault(volume, {})[structure] = dice
        structures[structure] = None
    return {
        "name": name,
        "num_cases": content["num_cases"],
        "subset": content["subset"],
        "means": [*means, ("Mean of structures", content["foreground_mean"])],
        "structures": list(structures),
        "volumes": [
            (name, sum(dice.values()) / len(dice), [dice.get(s) for s in structures])
            for name, dice in volumes.items()
        ],
    }


def _head(runs: Runs, record: records.RunRecord) -> Section:
    newest = max(run.config_file.stat().st_mtime for run in runs.values())
    day = datetime.datetime.fromtimestamp(newest).strftime("%d %B %Y, %H:%M")
    size = " × ".join(str(each) for each in record.preprocessing.size_px)
    about = [
        f"Cohort {record.cohort_id}",
        ", ".join(record.label_names[1:]),
        f"{size} px of {record.preprocessing.spacing_mm} mm",
        f"begun {day}",
        ", ".join(f"{name} {number}" for name, number in record.versions.items()),
    ]
    states = [_state(name, run) for name, run in runs.items()]
    data = {"about": about, "summary": states, "unfinished": []}
    return Section("", "", "head", data)


def _state(name: str, run: RunFolder) -> str:
    result = run.read_result()
    if result is None:
        return f"{name} has not finished."
    text = f"{name} has finished {result.get('steps', '?')} steps"
    dice = result.get("validation_dice")
    if isinstance(dice, (int, float)):
        text += (
            f"; its best validation Dice, {words.number(dice)}, was at step "
            f"{result.get('best_step', '?')}"
        )
    return f"{text}."


def _settings(folder: pathlib.Path, runs: Runs) -> Section:
    found = {name: run.read_record() for name, run in runs.items()}
    last = list(found.values())[-1]
    facts = {
        "Folder": str(folder),
        "Prepared cohort": last.config.prepared,
        "Seed": last.config.seed,
        "Pre-training volumes": len(last.split.pretrain),
        "Labelled volumes": last.split.train,
        "Validation volumes": last.split.validation,
        "Test volumes": last.split.test,
        **{f"Version of {name}": value for name, value in last.versions.items()},
    }
    configs = [config_json.to_json(each.config) for each in found.values()]
    full = {name: records.to_json(record) for name, record in found.items()}
    data = {
        "facts": settings.definitions(facts),
        "tables": [],
        "full": settings.in_full(full),
        "seconds": 0,
        "before": 0,
        "commands": settings.made_by(configs, folder),
    }
    return Section("settings", "Settings", "settings", data)
