"""The report of an experiment: its sections, from its folder."""

import datetime
from pathlib import Path
from typing import Any, Optional

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import (
    dice,
    embeddings,
    masks,
    measurements,
    settings,
    sizes,
    structures,
    training,
    words,
)
from dscl_tf.reporting import results as results_file
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import ALL, RANDOM, Results, size_words


def sections(folder: Path) -> tuple[str, Section, list[Section]]:
    """Title, what follows it, and the sections.

    Args:
      folder: of the experiment, with results.json.

    Raises:
      UserError: results.json or a file that it names is damaged.
    """
    found = results_file.read(folder)
    cohort, why_not = _cohort(found)
    pretrained = [
        (each["name"], folder / each["run"])
        for each in found.pretraining
        if each["state"] == "done"
    ]
    shown = [
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
        embeddings.section(pretrained, cohort, why_not),
        masks.section(shown, cohort, why_not, is_experiment=True),
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
    cohort, versions = results.cohort, results.versions
    written = (results.folder / results_file.FILE).stat().st_mtime
    day = datetime.datetime.fromtimestamp(written).strftime("%d %B %Y, %H:%M")
    size = " × ".join(str(each) for each in cohort["size_px"])
    about = [
        f"Cohort {cohort.get('id', 'unknown')}",
        ", ".join(results.structures),
        f"{size or '?'} px of {cohort.get('spacing_mm', '?')} mm",
        f"results of {day}",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
    ]
    data = {"about": about, "summary": summary(results)}
    return Section("", "", "head", {**data, "unfinished": dice.unfinished(results)})


def summary(results: Results) -> list[str]:
    """What came out, in sentences made of figures alone."""
    states = [cell.state for cell in results.cells]
    first = f"{states.count('done')} of {len(states)} cells have finished"
    for state, said in (("failed", "failed"), ("missing", "not yet run")):
        if state in states:
            first += f", {states.count(state)} {said}"
    benchmarks = [
        f"{_method_at(results, row['method'], ALL)}: {_figure(row)}."
        for row in results.table
        if row["size"] == ALL
    ]
    bests = [_best_of_size(results, size) for size in results.sizes if size != ALL]
    return [f"{first}.", *bests, *benchmarks]


def _best_of_size(results: Results, size: Any) -> str:
    rows = [row for row in results.table if row["size"] == size]
    if why_not := results.why_no_best(size):
        return f"With {size_words(size)}: {why_not}."
    best = max(rows, key=lambda row: row["mean"])
    name = results.titles[best["method"]]
    if len(rows) == 1:
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
    asked = {k: v for k, v in chosen.items() if isinstance(v, dict)}
    full = {f"the stage {k}, as it was asked for": v for k, v in asked.items()}
    configs, stages, splits = {}, {}, {}
    for method in results.methods:
        cell = results.median_cell(method)
        content = measurements.record(cell.run) if cell else {}
        if content:
            title = results.titles[method]
            configs[title] = content.get("config", {})
            splits[cell.size] = content.get("split")
            full[f"{title} ({cell.run})"] = content
    for each in results.pretraining:
        content = measurements.record(results.folder / each["run"])
        if content:
            stages[each["name"]] = content.get("config", {})
            full[each["name"]] = content
    tables = {"Fine-tuning of the methods": configs, "Pre-training": stages}
    others = {k: v for k, v in chosen.items() if k not in asked}
    facts = {**_facts(results, others), **_volumes(splits)}
    data = {
        "facts": settings.definitions(facts),
        "tables": [
            settings.differences(title, found)
            for title, found in tables.items()
            if len(found) > 1
        ],
        "full": settings.in_full(full),
        "seconds": sum(cell.seconds or 0 for cell in results.cells),
        "before": sum(each.get("seconds") or 0 for each in results.pretraining),
        "commands": settings.made_by(asked.values(), results.folder),
    }
    return Section("settings", "Settings", "settings", data)


def _facts(results: Results, chosen: dict[str, Any]) -> dict[str, Any]:
    grid = results.grid
    return {
        "Folder": str(results.folder),
        "Grid": results.name,
        "Prepared cohort": str(results.cohort.get("prepared", "")),
        "Labelled volumes": grid.get("sizes", []),
        "Draws": grid.get("draws", []),
        "Seeds": grid.get("seeds", []),
        **chosen,
        **{f"Version of {name}": value for name, value in results.versions.items()},
    }


def _volumes(splits: dict[Any, Any]) -> dict[str, int]:
    """Numbers of volumes, from runs' splits by their number of labelled volumes."""
    known = {size: split for size, split in splits.items() if split}
    names = {
        "Pre-training volumes": "pretrain",
        "Labelled volumes that choose the weights": "validation",
        "Test volumes": "test",
    }
    found = {}
    for split in list(known.values())[:1]:
        found = {said: len(split.get(name) or ()) for said, name in names.items()}
    if ALL in known:
        found["Training volumes of the benchmark"] = len(known[ALL].get("train") or ())
    return found
