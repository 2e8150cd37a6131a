"""The report of one run: a --workdir with its stages, or one stage's folder."""

import json
import pathlib

from dscl_tf import config_json, errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import curves, embeddings, page, pictures
from dscl_tf.training.run_folder import RunFolder

_CURVES = (
    ("train/loss", "Loss", "loss"),
    ("probe/partition_accuracy", "Probe of the encoder", "accuracy"),
    ("validation/mean", "Validation", "Dice"),
)


def sections(folder: pathlib.Path) -> tuple[str, list[str]]:
    """Title and sections of the report.

    Args:
      folder: that holds the stages' run folders, or is one.

    Raises:
      UserError: there is no run.
    """
    runs = _runs(folder)
    record = RunFolder(next(reversed(runs.values()))).read_record()
    try:
        cohort = PreparedCohort.open(record.config.prepared)
    except errors.UserError:
        cohort = None
    parts = [page.paragraph(_state(name, path)) for name, path in runs.items()]
    found = [page.section("Stages", *parts)]
    found.append(page.section("Training", *_charts(runs)))
    found += _seen(runs, cohort)
    found += _evaluations(folder, cohort)
    settings = json.dumps(config_json.to_json(record.config), indent=1)
    words = ", ".join(f"{name} {each}" for name, each in record.versions.items())
    found.append(
        page.section(
            "Settings", page.paragraph(words), page.folded("All of them", settings)
        )
    )
    return f"Run {folder.resolve().name}", found


def _runs(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Stage folders by name, in the order in which they were trained."""
    found = [folder, *folder.iterdir()] if folder.is_dir() else []
    runs = [path for path in found if (path / "config.json").exists()]
    if not runs:
        raise errors.UserError(
            f"{folder} holds no results.json of an experiment and no run with a "
            "config.json: give the --workdir of dscl-experiment or dscl-train."
        )
    runs.sort(key=lambda path: (path / "config.json").stat().st_mtime)
    return {path.resolve().name: path for path in runs}


def _state(name: str, path: pathlib.Path) -> str:
    run = RunFolder(path)
    record, result = run.read_record(), run.read_result()
    said = "not finished" if result is None else f"{result.get('steps')} steps"
    if result and "validation_dice" in result:
        best = f"{result['validation_dice']:.3f} at step {result['best_step']}"
        said += f", best validation Dice {best}"
    volumes = ", ".join(record.split.train) or "none"
    labelled = f", labelled volumes: {volumes}" if "finetune" in name else ""
    return f"{name} ({record.config.stage}): {said}{labelled}."


def _charts(runs) -> list[str]:
    found = [curves.chart(runs, *each) for each in _CURVES]
    if any(found):
        return found
    return [page.paragraph("Nothing was logged yet.", soft=True)]


def _seen(runs, cohort) -> list[str]:
    folders = [RunFolder(path) for path in runs.values()]
    finished = [
        run.path
        for run in folders
        if run.read_record().config.stage in ("encoder", "pretext")
        and run.read_result() is not None
    ]
    if cohort is None or not finished:
        return []
    drawn = [embeddings.of_run(path, cohort) for path in finished]
    return [page.section("Embeddings of slices", *drawn)]


def _evaluations(folder: pathlib.Path, cohort) -> list[str]:
    found = []
    for path in sorted(folder.glob("**/summary.json")):
        summary = files.read_json_object(path, "evaluation summary")
        if "label_names" not in summary or "mean" not in summary:
            continue  # Of pseudo-labels.
        head = ["structure", "Dice", "HD95 mm", "ASSD mm"]
        try:
            rows = _rows(summary)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise pictures.damaged(path.parent, error) from error
        title = f"Evaluation {path.parent.relative_to(folder)}"
        parts = [page.table(head, rows)]
        if cohort is not None:
            parts.append(pictures.of_evaluation(path.parent, cohort))
        found.append(page.section(title, *parts))
    return found


def _rows(summary: dict) -> list[list]:
    rows = []
    for label, mean in summary["mean"].items():
        numbers = [mean.get(key) for key in ("Dice", "HD95_mm", "ASSD_mm")]
        cells = [("" if n is None else f"{n:.3f}", n) for n in numbers]
        rows.append([summary["label_names"][label], *cells])
    return rows
