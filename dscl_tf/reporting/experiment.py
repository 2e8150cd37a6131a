"""The report of an experiment: its sections, from its folder."""

from pathlib import Path
from typing import Any, Optional

from dscl_tf import errors, files, json_forms, results_json
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
from dscl_tf.reporting.results import RANDOM, Results
from dscl_tf.reporting.words import size_words
from dscl_tf.results_json import ALL

_VOLUMES = {
    "Pre-training volumes": "pretrain",
    "Labelled volumes that choose the weights": "validation",
    "Test volumes": "test",
}


def sections(folder: Path) -> tuple[str, Section, list[Section]]:
    """Title, what follows it, and the sections.

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
            f"{_method_at(found, method, cell.size)}, draw {cell.draw}: Dice "
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
        masks.section(cells, cohort, why_not, is_experiment=True),
        _settings(found),
    ]
    return f"Experiment {folder.resolve().name}", _head(found), parts


def _cohort(results: Results) -> tuple[Optional[PreparedCohort], str]:
    """The prepared cohort, or why it cannot be shown from."""
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
    written = (results.folder / results_json.FILE).stat().st_mtime
    cells = [cell for cell in results.cells if cell.state != "done"]
    stages = [each for each in results.pretraining if each["state"] != "done"]
    data = {
        "cohort": results.cohort.get("id", "unknown"),
        "structures": results.structures,
        "size_px": results.cohort["size_px"],
        "spacing_mm": results.cohort.get("spacing_mm", "?"),
        "when": f"results of {words.day(written)}",
        "versions": results.versions,
        "summary": summary(results),
        "cells": [
            (results.titles[it.method], it) for it in cells if it.state != "done"
        ],
        "stages": [it for it in stages if it["state"] != "done"],
    }
    return Section("", "", "head", data)


def summary(results: Results) -> list[str]:
    """What came out, in sentences made of figures alone."""
    states = [cell.state for cell in results.cells]
    first = f"{states.count('done')} of {len(states)} cells have finished"
    for state, said in (("failed", "failed"), ("missing", "not yet run")):
        if state in states:
            first += f", {states.count(state)} {said}"
    benchmarks = [
        f"{_method_at(results, row['method'], ALL)}: {_figure(row)}."
        for row in results.rows(ALL)
    ]
    bests = [_best_of_size(results, size) for size in results.sizes if size != ALL]
    return [f"{first}.", *bests, *benchmarks]


def _best_of_size(results: Results, size: Any) -> str:
    if why_not := results.why_no_best(size):
        return f"With {size_words(size)}: {why_not}."
    best = max(results.rows(size), key=lambda row: row["mean"])
    name = results.titles[best["method"]]
    if len(results.rows(size)) == 1:
        return f"With {size_words(size)}: {name} has a mean Dice of {_figure(best)}."
    text = f"With {size_words(size)}, {name} has the highest mean Dice: {_figure(best)}"
    paired = best.get("versus_random")
    if not paired:
        return f"{text}."
    reference = results.titles.get(RANDOM, RANDOM)
    difference = words.interval(paired["mean"], paired["low"], paired["high"])
    return f"{text}; against {reference} over the same draws {difference}."


def _figure(row: Any) -> str:
    return f"{words.spread(row['mean'], row['std'])} (n = {row['n']})"


def _method_at(results: Results, method: str, size: Any) -> str:
    """A method with a number of labelled volumes, which may be its very title."""
    title, said = results.titles[method], size_words(size)
    return title if title.lower() == said else f"{title}, {said}"


def _settings(results: Results) -> Section:
    chosen = results.grid.get("flags") or results.grid.get("settings")
    chosen = chosen if isinstance(chosen, dict) else {}
    # The settings of each stage, or flags.
    asked = {k: it for k, it in chosen.items() if isinstance(it, dict)}
    full = {f"the stage {k}, as it was asked for": it for k, it in asked.items()}
    configs, stages, splits = {}, {}, {}
    for method in results.methods:
        cell = results.median_cell(method)
        if cell and (content := _record(cell.run)):
            title = results.titles[method]
            configs[title] = content.get("config", {})
            splits[cell.size] = content.get("split")
            full[f"{title} ({cell.run})"] = content
    for each in results.pretraining:
        if content := _record(results.folder / each["run"]):
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
    """Numbers of volumes, from runs' splits by their number of labelled volumes."""
    first = next(iter(splits.values()), None)
    names = _VOLUMES if first else {}
    found = {said: len(first.get(name) or ()) for said, name in names.items()}
    if ALL in splits:
        found["Training volumes of the benchmark"] = len(splits[ALL].get("train") or ())
    return found


def _record(run: Path) -> dict[str, Any]:
    """A run's config.json as it is; empty where there is none."""
    path = run / "config.json"
    if not path.exists():
        return {}
    content = files.read_json_object(path, "run's config")
    json_forms.check(path, content, {"config?": dict, "split?": dict}, "train again")
    return content
