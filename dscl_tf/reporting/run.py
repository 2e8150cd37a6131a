"""The report of one run: a --workdir with its stages, or the folder of one stage."""

import datetime
import pathlib
from typing import Any, Optional

from dscl_tf import config_json, errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.reporting import (
    charts,
    embeddings,
    marks,
    markup,
    measurements,
    pictures,
    settings,
    tables,
    training_charts,
)
from dscl_tf.reporting.charts import Axis
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.tables import Cell, Column
from dscl_tf.training import records
from dscl_tf.training.run_folder import RunFolder

_ORDER = ("encoder", "pretext", "decoder", "finetune")
_FIGURES = (("Dice", 3), ("HD95_mm", 1), ("ASSD_mm", 2))
_HEADINGS = ("Dice", "HD95 (mm)", "ASSD (mm)")

Runs = dict[str, RunFolder]


def sections(folder: pathlib.Path) -> tuple[str, Html, list[Section]]:
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
    parts = [
        Section("dice", "Dice on the evaluated volumes", _tables(evaluations)),
        Section("training", "Training", _training(runs)),
        Section(
            "embeddings",
            "Embeddings of slices",
            _embeddings(runs, cohort) if cohort else markup.absent(why_not),
        ),
        Section(
            "masks",
            "Masks",
            _pictures(evaluations, cohort) if cohort else markup.absent(why_not),
        ),
        Section("settings", "Settings", _settings(folder, runs)),
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


def _evaluations(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Folders of evaluations in the folder and in its stages, by relative path."""
    found = [*folder.glob("*/summary.json"), *folder.glob("*/*/summary.json")]
    return {
        str(path.parent.relative_to(folder)): path.parent
        for path in sorted(found)
        # What a teacher labelled has no truth to be compared with.
        if path.parent.name != pseudo_labels.FOLDER
    }


def _head(runs: Runs, record: records.RunRecord) -> Html:
    newest = max(run.config_file.stat().st_mtime for run in runs.values())
    day = datetime.datetime.fromtimestamp(newest).strftime("%d %B %Y, %H:%M")
    size = " × ".join(str(each) for each in record.preprocessing.size_px)
    about = (
        f"Cohort {record.cohort_id} · {', '.join(record.label_names[1:])} · {size} px "
        f"of {record.preprocessing.spacing_mm} mm · begun {day} · "
        + ", ".join(f"{name} {number}" for name, number in record.versions.items())
    )
    items = [markup.tag("li", _state(name, run)) for name, run in runs.items()]
    return markup.join(
        markup.paragraph(about, class_="meta"),
        markup.tag("ul", *items, class_="summary"),
    )


def _state(name: str, run: RunFolder) -> str:
    result = run.read_result()
    if result is None:
        return f"{name} has not finished."
    text = f"{name} has finished {result.get('steps', '?')} steps"
    dice = result.get("validation_dice")
    if isinstance(dice, (int, float)):
        text += (
            f"; its best validation Dice, {tables.number(dice)}, was at step "
            f"{result.get('best_step', '?')}"
        )
    return text + "."


def _tables(evaluations: dict[str, pathlib.Path]) -> Html:
    if not evaluations:
        return markup.absent(
            "There is no evaluation yet. dscl-evaluate --model=RUN --prepared=DIR "
            "--output=RUN/test writes one, which the next report shows."
        )
    return markup.join(
        *(_evaluation_table(name, path) for name, path in evaluations.items())
    )


def _evaluation_table(name: str, folder: pathlib.Path) -> Html:
    path = folder / "summary.json"
    content = files.read_json_object(path, "evaluation summary")
    try:
        names = {**content["label_names"], "": "Mean of structures"}
        means = {**content["mean"], "": content["foreground_mean"]}
        rows = [
            [names[label], *(_cell(found[k], digits) for k, digits in _FIGURES)]
            for label, found in means.items()
        ]
        caption = f"{content['num_cases']} volumes of the subset {content['subset']}."
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise errors.UserError(
            f"{path} is not what dscl-evaluate writes ({type(error).__name__}: "
            f"{error}): evaluate again."
        ) from None
    columns = [Column("Structure", numeric=False)]
    columns += [Column(heading) for heading in _HEADINGS]
    return markup.join(
        markup.tag("h3", name),
        tables.table(caption, columns, rows),
        _volumes(folder),
    )


def _volumes(folder: pathlib.Path) -> Optional[Html]:
    """Dice of each volume, folded."""
    found: dict[str, dict[str, float]] = {}
    structures: dict[str, None] = {}
    for case in measurements.case_dice(folder):
        found.setdefault(case.volume, {})[case.structure] = case.dice
        structures[case.structure] = None
    if not found:
        return None
    columns = [Column("Volume", numeric=False), Column("Mean")]
    columns += [Column(structure) for structure in structures]
    rows = [
        [volume, _cell(sum(dice.values()) / len(dice), 3)]
        + [_cell(dice.get(structure), 3) for structure in structures]
        for volume, dice in found.items()
    ]
    return markup.folded("Each volume", tables.table("Dice.", columns, rows))


def _cell(value: Optional[float], digits: int) -> Cell:
    return Cell(tables.number(value, digits), value)


def _training(runs: Runs) -> Html:
    figures, table = [], {}
    for name, run in runs.items():
        logged = measurements.curves(run.path)
        for quantity, label in training_charts.QUANTITIES.items():
            if quantity in logged:
                title = f"{name}: {training_charts.TITLES[quantity]}"
                curves = {name: logged[quantity]}
                numbers = marks.numbers_of(list(runs))
                figures.append(
                    training_charts.chart(title, curves, Axis(label), numbers)
                )
                table[title] = curves
    if not figures:
        return markup.absent("No stage has logged anything yet.")
    return markup.join(
        charts.small_multiples(*figures), training_charts.last_values(table)
    )


def _embeddings(runs: Runs, cohort: PreparedCohort) -> Html:
    parts = [
        markup.join(markup.tag("h3", name), embeddings.of_run(run.path, cohort))
        for name, run in runs.items()
        if run.read_record().config.stage in embeddings.STAGES
    ]
    if not parts:
        return markup.absent("No stage of this run pre-trained an encoder.")
    return markup.join(markup.paragraph(embeddings.EXPLANATION, class_="note"), *parts)


def _pictures(evaluations: dict[str, pathlib.Path], cohort: PreparedCohort) -> Html:
    if not evaluations:
        return markup.absent("There is no evaluation, so there are no masks.")
    note = (
        "The best, the median and the worst volume, three slices each. Solid: truth; "
        "dashed white: prediction."
    )
    drawn = [
        markup.join(markup.tag("h3", name), pictures.triptych(path, cohort))
        for name, path in evaluations.items()
    ]
    key = pictures.key(cohort.label_names)
    return markup.join(markup.paragraph(note, class_="note"), key, *drawn)


def _settings(folder: pathlib.Path, runs: Runs) -> Html:
    found = {name: run.read_record() for name, run in runs.items()}
    configs = {n: config_json.to_json(each.config) for n, each in found.items()}
    last = list(found.values())[-1]
    facts: dict[str, Any] = {
        "Folder": str(folder),
        "Prepared cohort": last.config.prepared,
        "Seed": last.config.seed,
        "Pre-training volumes": len(last.split.pretrain),
        "Labelled volumes": last.split.train,
        "Validation volumes": last.split.validation,
        "Test volumes": last.split.test,
        **{f"Version of {name}": value for name, value in last.versions.items()},
    }
    return markup.join(
        settings.definitions(facts),
        markup.tag("h3", "All settings", class_="bulk"),
        *(settings.in_full(n, records.to_json(each)) for n, each in found.items()),
        settings.made_by(configs.values(), folder),
    )
