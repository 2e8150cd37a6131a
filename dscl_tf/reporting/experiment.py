"""The report of an experiment: its sections, from its folder."""

import datetime
import pathlib
from typing import Any, Optional

from dscl_tf import errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import (
    embeddings,
    experiment_charts,
    experiment_tables,
    experiment_training,
    markup,
    pictures,
    settings,
    tables,
)
from dscl_tf.reporting import results as results_file
from dscl_tf.reporting.markup import Html, title_text
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import ALL, RANDOM, Cell, Results, size_words
from dscl_tf.training.run_folder import RunFolder

_OPEN = 3  # Encoders whose embeddings are not folded.


def sections(folder: pathlib.Path) -> tuple[str, Html, list[Section]]:
    """Title, what follows it, and the sections.

    Args:
      folder: of the experiment, with results.json.

    Raises:
      UserError: results.json or a file that it names is damaged.
    """
    found = results_file.read(folder)
    cohort, why_not = _cohort(found)
    parts = [
        Section(
            "dice", "Dice on the test volumes", experiment_tables.all_tables(found)
        ),
        Section(
            "sizes",
            "Dice and the number of labelled volumes",
            experiment_charts.dice_by_size(found),
        ),
        Section("structures", "Structures", experiment_charts.structures(found)),
        Section("training", "Training", experiment_training.section(found)),
        Section(
            "embeddings",
            "Embeddings of slices",
            _embeddings(found, cohort) if cohort else markup.absent(why_not),
        ),
        Section(
            "masks",
            "Masks",
            _pictures(found, cohort) if cohort else markup.absent(why_not),
        ),
        Section("settings", "Settings", _settings(found)),
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


def _head(results: Results) -> Html:
    cohort, versions = results.cohort, results.versions
    written = (results.folder / results_file.FILE).stat().st_mtime
    day = datetime.datetime.fromtimestamp(written).strftime("%d %B %Y, %H:%M")
    size = " × ".join(str(each) for each in cohort.get("size_px", []))
    about = (
        f"Cohort {cohort.get('id', 'unknown')} · {', '.join(results.structures)} · "
        f"{size or '?'} px of {cohort.get('spacing_mm', '?')} mm · results of {day} · "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
    )
    items = [markup.tag("li", sentence) for sentence in summary(results)]
    return markup.join(
        markup.paragraph(about, class_="meta"),
        markup.tag("ul", *items, class_="summary"),
        experiment_tables.unfinished(results),
    )


def summary(results: Results) -> list[str]:
    """What came out, in sentences made of figures alone."""
    counts = {
        state: sum(cell.state == state for cell in results.cells)
        for state in ("done", "failed", "missing")
    }
    first = f"{counts['done']} of {len(results.cells)} cells have finished"
    first += f", {counts['failed']} failed" if counts["failed"] else ""
    first += f", {counts['missing']} not yet run" if counts["missing"] else ""
    return [
        first + ".",
        *(_best_of_size(results, size) for size in results.sizes if size != ALL),
        *_benchmark(results),
    ]


def _best_of_size(results: Results, size: Any) -> str:
    rows = [row for row in results.table if row["size"] == size]
    if why_not := results.why_no_best(size):
        return f"With {size_words(size)}: {why_not}."
    best = max(rows, key=lambda row: row["mean"])
    name = title_text(results.titles[best["method"]])
    figure = f"{tables.spread(best['mean'], best['std'])} (n = {best['n']})"
    if len(rows) == 1:
        return f"With {size_words(size)}: {name} has a mean Dice of {figure}."
    text = f"With {size_words(size)}, {name} has the highest mean Dice: {figure}"
    paired = best.get("versus_random")
    if not paired:
        return text + "."
    reference = title_text(results.titles.get(RANDOM, RANDOM))
    difference = tables.interval(paired["mean"], paired["low"], paired["high"])
    return f"{text}; against {reference} over the same draws {difference}."


def _benchmark(results: Results) -> list[str]:
    return [
        f"{_method_at(results, row['method'], ALL)}: "
        f"{tables.spread(row['mean'], row['std'])} (n = {row['n']})."
        for row in results.table
        if row["size"] == ALL
    ]


def _method_at(results: Results, method: str, size: Any) -> str:
    """A method with a number of labelled volumes, which may be its very title."""
    title, words = title_text(results.titles[method]), size_words(size)
    return title if title.lower() == words else f"{title}, {words}"


def _embeddings(results: Results, cohort: PreparedCohort) -> Html:
    parts = []
    for each in results.pretraining:
        run = results.folder / each["run"]
        if each["state"] != "done":
            continue
        if not (run / "config.json").exists():
            gone = f"{run} is not there any more."
            parts.append((each["name"], markup.absent(gone)))
            continue
        if RunFolder(run).read_record().config.stage in embeddings.STAGES:
            parts.append((each["name"], embeddings.of_run(run, cohort)))
    if not parts:
        return markup.absent("No encoder has been pre-trained without labels.")
    shown = [markup.join(markup.tag("h3", name), it) for name, it in parts[:_OPEN]]
    return markup.join(
        markup.paragraph(embeddings.EXPLANATION, class_="note"),
        *shown,
        *(markup.folded(name, content) for name, content in parts[_OPEN:]),
    )


def _pictures(results: Results, cohort: PreparedCohort) -> Html:
    parts, shared = [], shared_draw(results)
    for method in results.methods:
        cell = shown_cell(results, method, shared)
        if cell is None:
            continue
        heading = (
            f"{_method_at(results, method, cell.size)}, draw {cell.draw}: Dice "
            f"{tables.number(cell.dice)}"
        )
        if (cell.evaluation / "summary.json").exists():
            drawn = pictures.triptych(cell.evaluation, cohort)
        else:
            drawn = markup.absent(f"{cell.evaluation} has no summary.json.")
        parts.append(markup.join(markup.tag("h3", heading), drawn))
    if not parts:
        return markup.absent("No cell has finished yet, so there are no masks.")
    note = (
        "Of each method the same draw, at the smallest number of labelled volumes: "
        "that in which the first method has its median Dice (of an even number of "
        "draws the lower one in the middle). Of its test volumes the best, the median "
        "and the worst by this method, three slices each, cropped around truth and "
        "prediction. Solid: truth; dashed white: prediction; none where nothing was "
        "found."
    )
    key = pictures.key(cohort.label_names)
    return markup.join(markup.paragraph(note, class_="note"), key, *parts)


def shared_draw(results: Results) -> Optional[Cell]:
    """The cell whose draw is shown of all methods: the first method's median one."""
    found = (median_cell(results, method) for method in results.methods)
    return next((cell for cell in found if cell is not None), None)


def shown_cell(results: Results, method: str, shared: Optional[Cell]) -> Optional[Cell]:
    """A method's cell of the shared draw; its median one where it has none."""
    if shared is not None:
        for cell in results.of(method, shared.size):
            same = (cell.draw, cell.seed) == (shared.draw, shared.seed)
            if same and cell.dice is not None:
                return cell
    return median_cell(results, method)


def median_cell(results: Results, method: str) -> Optional[Cell]:
    """The finished cell of a method's smallest size that has the median Dice."""
    for size in results.sizes:
        cells = [cell for cell in results.of(method, size) if cell.dice is not None]
        if cells:
            cells.sort(key=lambda cell: (cell.dice, cell.draw))
            return cells[(len(cells) - 1) // 2]
    return None


def _settings(results: Results) -> Html:
    configs, splits = {}, {}
    asked = {k: v for k, v in _chosen(results).items() if isinstance(v, dict)}
    full = [
        settings.in_full(f"the stage {name}, as it was asked for", content)
        for name, content in asked.items()
    ]
    for method in results.methods:
        cell = median_cell(results, method)
        path = cell.run / "config.json" if cell else None
        if path and path.exists():
            content = files.read_json_object(path, "run's config")
            title = title_text(results.titles[method])
            configs[title] = content.get("config") or {}
            splits[cell.size] = content.get("split")
            full.append(settings.in_full(f"{title} ({cell.run})", content))
    stages = {}
    for each in results.pretraining:
        path = results.folder / each["run"] / "config.json"
        if path.exists():
            content = files.read_json_object(path, "run's config")
            stages[each["name"]] = content.get("config") or {}
            full.append(settings.in_full(each["name"], content))
    return markup.join(
        settings.definitions({**_facts(results), **_volumes(splits)}),
        _differing("Fine-tuning of the methods", configs),
        _differing("Pre-training", stages),
        markup.tag("h3", "All settings", class_="bulk") if full else None,
        *full,
        _times(results),
        settings.made_by(asked.values(), results.folder),
    )


def _facts(results: Results) -> dict[str, Any]:
    grid, cohort = results.grid, results.cohort
    chosen = {k: v for k, v in _chosen(results).items() if not isinstance(v, dict)}
    return {
        "Folder": str(results.folder),
        "Grid": results.name,
        "Prepared cohort": str(cohort.get("prepared", "")),
        "Labelled volumes": grid.get("sizes", []),
        "Draws": grid.get("draws", []),
        "Seeds": grid.get("seeds", []),
        **chosen,
        **{f"Version of {name}": value for name, value in results.versions.items()},
    }


def _volumes(splits: dict[Any, Any]) -> dict[str, int]:
    """Numbers of volumes, from runs' splits by their number of labelled volumes."""
    known = {size: each for size, each in splits.items() if isinstance(each, dict)}
    if not known:
        return {}
    names = {
        "Pre-training volumes": "pretrain",
        "Labelled volumes that choose the weights": "validation",
        "Test volumes": "test",
    }
    first = next(iter(known.values()))
    found = {words: len(first.get(name) or ()) for words, name in names.items()}
    if ALL in known:
        found["Training volumes of the benchmark"] = len(known[ALL].get("train") or ())
    return found


def _chosen(results: Results) -> dict[str, Any]:
    """The experiment's own settings: flags, or the settings of each stage."""
    found = results.grid.get("flags") or results.grid.get("settings")
    return found if isinstance(found, dict) else {}


def _differing(title: str, configs: dict[str, Any]) -> Optional[Html]:
    if len(configs) < 2:
        return None
    return markup.join(markup.tag("h3", title), settings.differences(configs))


def _times(results: Results) -> Optional[Html]:
    """What the cells took, where it is known."""
    seconds = [cell.seconds for cell in results.cells if cell.seconds]
    before = [each.get("seconds") or 0 for each in results.pretraining]
    if not seconds:
        return None
    return markup.paragraph(
        f"The finished cells took {tables.duration(sum(seconds))} in all, pre-training "
        f"{tables.duration(sum(before))}.",
        class_="note",
    )
