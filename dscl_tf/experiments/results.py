"""The results of an experiment: results.json, table.csv and table.md."""

import csv
import dataclasses
import io
import itertools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from dscl_tf import files, results_json, statistics
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.experiments import plan as plans
from dscl_tf.experiments import worker
from dscl_tf.experiments.plan import Cell, Plan, Task

FORMAT, RESULTS = results_json.FORMAT, results_json.FILE
TABLE = "table.md"
_PAPER = pathlib.Path(__file__).parent / "paper_tables.json"
_PAIRED = ("mean", "low", "high", "num_above")


def gather(
    plan: Plan,
    root: pathlib.Path,
    cohort: PreparedCohort,
    settings: Mapping[str, Any],
    paper_dataset: Optional[str],
) -> dict:
    """Gathers all results that there are so far.

    Args:
      plan: plan of the experiment.
      root: folder of the experiment.
      cohort: the cohort that it is run on.
      settings: further settings to record.
      paper_dataset: the dataset whose figures in the paper are set beside; None: none.

    Returns:
      The content of results.json (docs/experiments.md).
    """
    states = _states(root, plan)
    cells = [_cell(root, cell, states[cell.task.name]) for cell in plan.cells]
    done = [task for task in plan.tasks if states[task.name]["state"] == "done"]
    to_come = plan.cells[0].task.records[-1].versions
    return {
        "format": FORMAT,
        "name": plan.grid.name,
        "versions": worker.versions_of(done) or to_come,
        "cohort": {
            "id": cohort.content_id,
            "prepared": str(pathlib.Path(cohort.folder).resolve()),
            "label_names": list(cohort.label_names),
            "size_px": list(cohort.settings.size_px),
            "spacing_mm": cohort.settings.spacing_mm,
            "paper_dataset": paper_dataset,
        },
        "grid": {**_grid(plan), "settings": dict(settings)},
        "pretraining": [
            {
                "name": task.name.partition("/")[2],
                "run": task.name,
                **states[task.name],
            }
            for task in plan.pretraining
        ],
        "cells": cells,
        "table": table_rows(
            cells,
            [method.name for method in plan.grid.methods],
            of_paper(paper_dataset),
        ),
    }


def _grid(plan: Plan) -> dict:
    grid = plan.grid
    return {
        "methods": [
            {
                "name": method.name,
                "title": method.title,
                "group": method.group,
                "settings": plans.settings_of(plan, method),
            }
            for method in grid.methods
        ],
        "sizes": list(grid.sizes),
        "draws": sorted({cell.draw for cell in plan.cells}),
        "seeds": list(grid.seeds),
    }


def _states(root: pathlib.Path, plan: Plan) -> dict[str, dict]:
    """The state of each task by name; a missing one names a need that has failed."""
    found: dict[str, dict] = {}
    for task in plan.tasks:
        state = _state(root, task)
        broken = [name for name in task.needs if found[name]["error"]]
        if state["state"] == "missing" and broken:
            state["error"] = f"It needs {broken[0]}, which failed."
        found[task.name] = state
    return found


def _state(root: pathlib.Path, task: Task) -> dict:
    done = worker.is_done(root, task)
    error = None if done else worker.error_of(root, task)
    state = "done" if done else "failed" if error else "missing"
    seconds = worker.seconds_of(root, task) if done else None
    return {"state": state, "seconds": seconds, "error": error}


def _cell(root: pathlib.Path, cell: Cell, state: Mapping) -> dict:
    task = cell.task
    found = {
        "method": cell.method.name,
        "size": cell.size,
        "draw": cell.draw,
        "seed": cell.seed,
        **state,
        "run": f"{task.name}/finetune",
        "evaluation": f"{task.name}/{worker.EVALUATION}",
        "dice": None,
        "structures": {},
    }
    if found["state"] == "done":
        path = root / task.name / worker.EVALUATION / "summary.json"
        found.update(dice_of(files.read_json_object(path, "summary")))
    return found


def dice_of(summary: Mapping[str, Any]) -> dict:
    """What a cell keeps of its evaluation's summary: "dice" and "structures"."""
    return {
        "dice": summary["foreground_mean"]["Dice"],
        "structures": {
            summary["label_names"][label]: mean["Dice"]
            for label, mean in summary["mean"].items()
        },
    }


def table_rows(
    cells: Sequence[Mapping], order: Sequence[str], paper: Mapping[str, Mapping]
) -> list[dict]:
    """A row for each size and method that has results.

    Args:
      cells: of results.json.
      order: names of the methods.
      paper: the paper's figure by method and size.
    """
    found = []
    sizes = dict.fromkeys(cell["size"] for cell in cells)
    methods = dict.fromkeys(cell["method"] for cell in cells)
    for size, method in itertools.product(
        sorted(sizes, key=results_json.size_order),
        sorted(methods, key=list(order).index),
    ):
        own = by_draw(cells, size, method)
        if not own:
            continue
        dice = {key: cell["dice"] for key, cell in own.items()}
        whole = statistics.spread(results_json.means_of_draws(dice))
        row = {"method": method, "size": size, **dataclasses.asdict(whole)}
        row["structures"] = _structures(own)
        for name, reference in results_json.REFERENCES.items():
            row[name] = None
            if method != reference:
                row[name] = paired(own, by_draw(cells, size, reference))
        row["paper"] = paper.get(method, {}).get(str(size))
        found.append(row)
    return found


def by_draw(cells: Sequence[Mapping], size, method: str) -> dict:
    """The cells of a method and size that have a result, by draw and seed."""
    return {
        (cell["draw"], cell["seed"]): cell
        for cell in cells
        if (cell["size"], cell["method"]) == (size, method) and cell["dice"] is not None
    }


def paired(own: Mapping, other: Mapping) -> Optional[dict]:
    """The difference of two methods' cells over the draws that both have.

    Args:
      own: cells of one method, from `by_draw`.
      other: cells of the other method, from `by_draw`, of the same size.

    Returns:
      "mean", its bootstrap interval "low" and "high", "n" draws, "num_above"; None if
      they have no draw in common.
    """
    gains = {
        key: cell["dice"] - other[key]["dice"]
        for key, cell in own.items()
        if key in other
    }
    means = results_json.means_of_draws(gains)
    found = statistics.difference(means, [0.0] * len(means))
    return None if found is None else dataclasses.asdict(found)


def _structures(cells: Mapping[tuple[int, int], Mapping]) -> dict:
    """Mean and spread over draws of each structure.

    Args:
      cells: by draw and seed, at least one.
    """
    found = {}
    for name in next(iter(cells.values()))["structures"]:
        dice = {key: cell["structures"].get(name) for key, cell in cells.items()}
        known = {key: value for key, value in dice.items() if value is not None}
        of_name = statistics.spread(results_json.means_of_draws(known))
        if of_name is not None:
            found[name] = {"mean": of_name.mean, "std": of_name.std}
    return found


def of_paper(dataset: Optional[str]) -> Mapping[str, Mapping]:
    """The paper's figures on one of its datasets, by method and size; None: empty."""
    if dataset is None:
        return {}
    return json.loads(_PAPER.read_text(encoding="utf-8"))["datasets"][dataset]


def write(root: pathlib.Path, content: Mapping) -> None:
    """Writes results.json, table.csv and table.md, each whole or not at all."""
    files.write_json(root / RESULTS, content)
    files.write_text(root / "table.csv", as_csv(content))
    files.write_text(root / TABLE, as_markdown(content) + "\n")


def as_csv(content: Mapping) -> str:
    """The table, a line for each size and method."""
    structures = content["cohort"]["label_names"][1:]
    head = ["labelled", "method", "title", "n", "dice_mean", "dice_std"]
    head += [f"{name}_{kind}" for name in structures for kind in ("mean", "std")]
    for name in results_json.REFERENCES:
        head += [f"{name}_{kind}" for kind in _PAIRED]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, "paper_dice_on_its_data"])
    titles = _titles(content)
    for row in content["table"]:
        line = [row["size"], row["method"], titles[row["method"]]]
        line += [row["n"], row["mean"], row["std"]]
        for name in structures:
            found = row["structures"].get(name, {})
            line += [found.get("mean"), found.get("std")]
        for name in results_json.REFERENCES:
            found = row[name] or {}
            line += [found.get(kind) for kind in _PAIRED]
        writer.writerow([*line, row["paper"]])
    return text.getvalue()


def as_markdown(content: Mapping) -> str:
    """The table for readers, with what is missing below it."""
    structures = content["cohort"]["label_names"][1:]
    with_paper = any(row["paper"] is not None for row in content["table"])
    head = ["labelled", "method", "n", "Dice", *structures]
    head += ["against random [95 %], draws above", "against G^R [95 %], draws above"]
    head += ["paper (its data)"] if with_paper else []
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    titles = _titles(content)
    for row in content["table"]:
        line = [str(row["size"]), titles[row["method"]], str(row["n"]), _spread(row)]
        line += [_spread(row["structures"].get(name)) for name in structures]
        line += [interval(row[name]) for name in results_json.REFERENCES]
        line += [_number(row["paper"])] if with_paper else []
        lines.append(f"| {' | '.join(line)} |")
    missing = [cell for cell in content["cells"] if cell["state"] != "done"]
    if missing:
        lines += [
            "",
            f"{len(missing)} of {len(content['cells'])} cells have no result:",
        ]
        lines += [f"- {cell['run']}: {cell['error'] or 'not run'}" for cell in missing]
    return "\n".join(lines)


def _titles(content: Mapping) -> dict[str, str]:
    return {each["name"]: each["title"] for each in content["grid"]["methods"]}


def _number(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.3f}"


def _spread(found: Optional[Mapping]) -> str:
    if not found:
        return ""
    deviation = "" if found["std"] is None else f" ± {found['std']:.3f}"
    return f"{found['mean']:.3f}{deviation}"


def interval(found: Optional[Mapping]) -> str:
    """Formats a result of `paired` for tables; empty for None."""
    if not found:
        return ""
    above = f"{found['num_above']} of {found['n']}"
    if found["low"] is None:
        return f"{found['mean']:+.3f}, {above}"
    return f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}], {above}"
