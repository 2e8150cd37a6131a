"""The report of an experiment: its sections, from its folder."""

import datetime
from pathlib import Path
from typing import Any, Optional

from dscl_tf import errors, results_json
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import (
    dice,
    embeddings,
    masks,
    settings,
    sizes,
    structures,
    training,
    words,
)
from dscl_tf.reporting import results as reading
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import Results
from dscl_tf.results_json import ALL
from dscl_tf.training import logged

_VOLUMES = {
    "Pre-training volumes": "pretrain",
    "Labelled volumes that choose the weights": "validation",
    "Test volumes": "test",
}


def sections(folder: Path) -> tuple[str, Section, list[Section]]:
    """The title, the head below it, and the sections of the report.

    Args:
      folder: of the experiment, with results.json.

    Raises:
      UserError: results.json or a file that it names is damaged.
    """
    found = reading.read(folder)
    cohort, why_not = _cohort(found)
    stages = [
        (each["name"], folder / each["run"])
        for each in found.pretraining
        if each["state"] == "done"
    ]
    cells = [
        (
            f"{_titled(found, method, cell.size)}, draw {cell.draw}: Dice "
            f"{words.number(cell.dice)}",
            cell.evaluation,
        )
        for method, cell in found.shown_cells().items()
    ]
    parts = [
        dice.section(found),
        sizes.section(found),
        structures.section(found),
        training.of_experiment(found),
        embeddings.section(stages, cohort, why_not),
        masks.section(cells, cohort, why_not, is_experiment=True, remarks={}),
        _settings(found),
    ]
    return f"Experiment {folder.resolve().name}", _head(found), parts


def _cohort(results: Results) -> tuple[Optional[PreparedCohort], str]:
    """The prepared cohort, or None and why it cannot be used."""
    try:
        cohort = PreparedCohort.open(str(results.cohort.get("prepared")))
    except errors.UserError as error:
        return None, f"This needs the prepared cohort, which cannot be read: {error}"
    if cohort.content_id != results.cohort.get("id"):
        return None, (
            f"This needs the prepared cohort, but {cohort.folder} has been prepared "
            "anew since the experiment."
        )
    return cohort, ""


def _head(results: Results) -> Section:
    seconds = (results.folder / results_json.FILE).stat().st_mtime
    written = datetime.datetime.fromtimestamp(seconds)
    benchmarks = [
        (_titled(results, row["method"], ALL), row) for row in results.rows(ALL)
    ]
    data = {"results": results, "when": words.day(written), "benchmarks": benchmarks}
    return Section("", "", "head_of_experiment", data)


def _titled(results: Results, method: str, size: Any) -> str:
    """A method's title with the number of labelled volumes, unless it is just that."""
    title, said = results.titles[method], words.size_words(size)
    return title if title.lower() == said else f"{title}, {said}"


def _settings(results: Results) -> Section:
    chosen = results.grid.get("flags") or results.grid.get("settings")
    chosen = chosen if isinstance(chosen, dict) else {}
    # Dicts are the settings of stages, other values are flags.
    asked = {k: it for k, it in chosen.items() if isinstance(it, dict)}
    full = {f"the stage {k}, as it was asked for": it for k, it in asked.items()}
    configs, stages, splits = {}, {}, {}
    for method in results.methods:
        cell = results.median_cell(method)
        if cell and (content := logged.record(cell.run)):
            title = results.titles[method]
            configs[title] = content.get("config", {})
            splits[cell.size] = content.get("split")
            full[f"{title} ({cell.run})"] = content
    for each in results.pretraining:
        if content := logged.record(results.folder / each["run"]):
            stages[each["name"]] = content.get("config", {})
            full[each["name"]] = content
    facts = {
        "Folder": str(results.folder),
        "Grid": results.name,
        "Prepared cohort": str(results.cohort.get("prepared", "")),
        "Labelled volumes": results.grid.get("sizes", []),
        "Draws": results.grid.get("draws", []),
        "Seeds": results.grid.get("seeds", []),
        **{k: it for k, it in chosen.items() if k not in asked},
        **{f"Version of {name}": it for name, it in results.versions.items()},
        **_volumes({size: split for size, split in splits.items() if split}),
    }
    seconds = [
        sum(cell.seconds or 0 for cell in results.cells),
        sum(each.get("seconds") or 0 for each in results.pretraining),
    ]
    compared = {"Fine-tuning of the methods": configs, "Pre-training": stages}
    commands = settings.made_by(asked.values(), results.folder)
    return settings.section(facts, compared, full, seconds, commands)


def _volumes(splits: dict[Any, Any]) -> dict[str, int]:
    """Numbers of volumes, from runs' splits by number of labelled volumes."""
    first = next(iter(splits.values()), None)
    names = _VOLUMES if first else {}
    found = {said: len(first.get(name) or ()) for said, name in names.items()}
    if ALL in splits:
        found["Training volumes of the benchmark"] = len(splits[ALL].get("train") or ())
    return found
