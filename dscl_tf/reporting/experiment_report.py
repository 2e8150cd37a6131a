"""The report of an experiment."""

import datetime
import json
import pathlib
import statistics
from collections.abc import Mapping
from typing import Any, Optional

from dscl_tf import errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import charts, curves, embeddings, page, pictures

FORMAT = 1


def sections(folder: pathlib.Path) -> tuple[str, list[str]]:
    """Title and sections of the report.

    Args:
      folder: of the experiment, with its results.json.

    Raises:
      UserError: the results cannot be read.
    """
    content = files.read_json_object(folder / "results.json", "experiment's results")
    if content.get("format") != FORMAT:
        raise errors.UserError(
            f"{folder / 'results.json'}: format {content.get('format')!r}, expected "
            f"{FORMAT}: it is not of this version of dscl_tf."
        )
    cohort = _cohort(content)
    try:
        found = [
            _summary(content),
            page.section("Dice on the test volumes", *_tables(content)),
            page.section("Dice and the number of labelled volumes", _by_size(content)),
            page.section("Structures", *_structures(content)),
            page.section("Training", *_curves(folder, content)),
            page.section("Embeddings of slices", *_embeddings(folder, content, cohort)),
            page.section("Masks", *_pictures(folder, content, cohort)),
            _settings(content),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.UserError(
            f"{folder / 'results.json'} is not what dscl-experiment writes "
            f"({type(error).__name__}: {error}): run the experiment again to mend it."
        ) from error
    return f"Experiment {content['name']}", found


def _cohort(content: Mapping) -> Optional[PreparedCohort]:
    try:
        found = PreparedCohort.open(content["cohort"]["prepared"])
    except errors.UserError:
        return None
    return found if found.content_id == content["cohort"]["id"] else None


def _titles(content: Mapping) -> dict[str, str]:
    return {each["name"]: each["title"] for each in content["grid"]["methods"]}


def _summary(content: Mapping) -> str:
    cells = content["cells"]
    done = [cell for cell in cells if cell["state"] == "done"]
    cohort = content["cohort"]
    grid = content["grid"]
    words = (
        f"{len(done)} of {len(cells)} cells are done: {len(grid['methods'])} methods, "
        f"numbers of labelled volumes: {', '.join(map(str, grid['sizes']))}, draws: "
        f"{len(grid['draws'])}. Cohort {cohort['prepared']}, slices of "
        f"{cohort['size_px'][0]} × {cohort['size_px'][1]} pixels of "
        f"{cohort['spacing_mm']:g} mm; structures "
        f"{', '.join(cohort['label_names'][1:])}."
    )
    parts = [page.paragraph(words), page.paragraph(_finding(content))]
    missing = [cell for cell in cells if cell["state"] != "done"]
    if missing:
        lines = [f"{cell['run']}: {cell['error'] or 'not run'}" for cell in missing]
        parts.append(
            page.folded(f"{len(missing)} cells without a result", "\n".join(lines))
        )
    return "".join(parts)


def _finding(content: Mapping) -> str:
    """The largest gain over random weights whose interval excludes 0."""
    titles = _titles(content)
    rows = [row for row in content["table"] if row["versus_random"]]
    clear = [row for row in rows if (row["versus_random"]["low"] or 0) > 0]
    if not clear:
        return (
            "No method's gain over random weights has a 95 % interval above 0, or "
            "there are fewer than three draws to compare."
        )
    best = max(clear, key=lambda row: row["versus_random"]["mean"])
    gain = best["versus_random"]
    return (
        f"The largest gain over random weights that its interval tells from 0: "
        f"{titles[best['method']]} with {best['size']} labelled, {gain['mean']:+.3f} "
        f"[{gain['low']:+.3f}, {gain['high']:+.3f}] over {gain['n']} draws. "
        "Intervals are 95 % bootstrap intervals of paired differences; of six draws "
        "they are rather too narrow, and are not corrected for the number of rows."
    )


def _tables(content: Mapping) -> list[str]:
    if not content["table"]:
        return [page.paragraph("No cell is done yet.")]
    structures = content["cohort"]["label_names"][1:]
    with_paper = any(row["paper"] is not None for row in content["table"])
    head = ["method", "labelled", "n", "Dice", "± std", *structures]
    head += ["against random", "95 %", "against G^R", "95 %"]
    head += ["paper, its data"] if with_paper else []
    titles, rows = _titles(content), []
    for row in content["table"]:
        size = row["size"]
        line: list[Any] = [titles[row["method"]]]
        line.append((str(size), float("inf") if size == "all" else size))
        line += [(str(row["n"]), row["n"]), _number(row["mean"]), _number(row["std"])]
        line += [
            _number(row["structures"].get(name, {}).get("mean")) for name in structures
        ]
        for name in ("versus_random", "versus_gr"):
            line += _difference(row[name])
        rows.append([*line, _number(row["paper"])] if with_paper else line)
    return [page.table(head, rows, marked=len(head) - 1 if with_paper else -1)]


def _number(value: Optional[float]) -> tuple[str, Optional[float]]:
    return ("" if value is None else f"{value:.3f}"), value


def _difference(found: Optional[Mapping]) -> list:
    if not found:
        return [("", None), ("", None)]
    shown = f"{found['mean']:+.3f}", found["mean"]
    if found["low"] is None:
        return [shown, ("", None)]
    return [shown, (f"{found['low']:+.3f} to {found['high']:+.3f}", found["low"])]


def _by_size(content: Mapping) -> str:
    titles = _titles(content)
    series: dict[str, list] = {}
    spreads: dict[str, list] = {}
    for row in content["table"]:
        if row["size"] != "all":
            title = titles[row["method"]]
            series.setdefault(title, []).append((row["size"], row["mean"]))
            spreads.setdefault(title, []).append(row["std"] or 0.0)
    if not series or len(content["grid"]["sizes"]) < 2:
        return page.paragraph("There is one number of labelled volumes only.", True)
    note = page.paragraph("Bars: standard deviation over the draws.", soft=True)
    words = "labelled volumes", "Dice"
    return charts.lines("Dice by labelled volumes", series, *words, spreads) + note


def _structures(content: Mapping) -> list[str]:
    titles, parts = _titles(content), []
    for size in content["grid"]["sizes"]:
        cells = [
            cell
            for cell in content["cells"]
            if cell["size"] == size and cell["dice"] is not None
        ]
        for name in content["cohort"]["label_names"][1:] if cells else []:
            values: dict[str, list[float]] = {}
            for cell in cells:
                value = cell["structures"].get(name)
                if value is not None:
                    values.setdefault(titles[cell["method"]], []).append(value)
            if values:
                title = f"{name}, {size} labelled"
                heading = f"<h3>{page.text(title)}</h3>"
                parts.append(heading + charts.boxes(title, values, "Dice of a draw"))
    note = "Each dot is a draw, its Dice the mean over the test volumes."
    return [page.paragraph(note, True), *parts] if parts else [_nothing()]


def _nothing() -> str:
    return page.paragraph("No cell is done yet.", soft=True)


def _curves(folder: pathlib.Path, content: Mapping) -> list[str]:
    before = {
        each["name"]: folder / each["run"]
        for each in content["pretraining"]
        if each["state"] == "done"
    }
    decoders = {name: path for name, path in before.items() if "/decoder" in name}
    first = {name: path for name, path in before.items() if name not in decoders}
    after = {
        _titles(content)[name]: folder / cell["run"]
        for name, cell in _typical(content).items()
    }
    found = [
        curves.chart(first, "train/loss", "Loss of encoders and pretexts", "loss"),
        curves.chart(decoders, "train/loss", "Loss of decoders", "loss"),
        curves.chart(
            first, "probe/partition_accuracy", "Probe of the encoders", "accuracy"
        ),
        curves.chart(
            after, "validation/mean", "Validation in fine-tuning, median draw", "Dice"
        ),
    ]
    return found if any(found) else [_nothing()]


def _typical(content: Mapping) -> dict[str, Mapping]:
    """Of each method at the smallest size, the cell of the median Dice."""
    found = {}
    for name in _titles(content):
        cells = [
            cell
            for cell in content["cells"]
            if cell["method"] == name and cell["dice"] is not None
        ]
        smallest = [c for c in cells if c["size"] == content["grid"]["sizes"][0]]
        cells = smallest or cells
        if cells:
            middle = statistics.median_low([cell["dice"] for cell in cells])
            found[name] = next(cell for cell in cells if cell["dice"] == middle)
    return found


def _embeddings(folder, content: Mapping, cohort) -> list[str]:
    runs = [
        each
        for each in content["pretraining"]
        if each["state"] == "done" and "/decoder" not in each["name"]
    ]
    if cohort is None or not runs:
        return [page.paragraph(_missing_cohort(content, cohort), soft=True)]
    parts = [page.paragraph(_EMBEDDINGS, soft=True)]
    for each in runs:
        parts.append(f"<h3>{page.text(each['name'])}</h3>")
        parts.append(embeddings.of_run(folder / each["run"], cohort))
    return parts


_EMBEDDINGS = (
    "The two first principal components of the encoder's last level, averaged over "
    "its positions, for slices of test volumes; before: the random weights of the "
    "same seed."
)


def _missing_cohort(content: Mapping, cohort) -> str:
    if cohort is None:
        where = content["cohort"]["prepared"]
        return f"The prepared cohort of this experiment is not (any more) at {where}."
    return "No pre-training is done."


def _pictures(folder, content: Mapping, cohort) -> list[str]:
    cells = _typical(content)
    if cohort is None or not cells:
        return [page.paragraph(_missing_cohort(content, cohort), soft=True)]
    parts = []
    for name, cell in cells.items():
        title = (
            f"{_titles(content)[name]}, {cell['size']} labelled, draw {cell['draw']}"
        )
        parts.append(f"<h3>{page.text(title)}</h3>")
        parts.append(pictures.of_evaluation(folder / cell["evaluation"], cohort))
    return parts


def _words(method: Mapping) -> str:
    """What a method changes, in a line."""
    settings = method.get("settings", {})
    return ", ".join(f"{path} = {value}" for path, value in settings.items())


def _settings(content: Mapping) -> str:
    settings = json.dumps(content["grid"].get("settings", {}), indent=1)
    seconds = [cell["seconds"] for cell in content["cells"] if cell["seconds"]]
    seconds += [each["seconds"] for each in content["pretraining"] if each["seconds"]]
    words = ", ".join(f"{k} {v}" for k, v in content["versions"].items())
    rows = [[m["title"], m["name"], _words(m)] for m in content["grid"]["methods"]]
    today = datetime.date.today().isoformat()
    return page.section(
        "Settings",
        page.paragraph(f"Versions: {words}. Report of {today}."),
        page.paragraph(f"Computed in {sum(seconds) / 3600:.1f} h."),
        page.table(["method", "name", "what it changes"], rows),
        page.folded("Settings of the stages before methods change them", settings),
    )
