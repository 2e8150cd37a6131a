"""The training curves of an experiment."""

from typing import Any, Optional

from dscl_tf.reporting import (
    charts,
    marks,
    markup,
    measurements,
    scales,
    training_charts,
)
from dscl_tf.reporting import experiment_charts as looks
from dscl_tf.reporting.charts import Axis
from dscl_tf.reporting.markup import Html, title_text
from dscl_tf.reporting.results import Results, size_words
from dscl_tf.reporting.training_charts import LOSS, PROBE, VALIDATION, Curves

_PROBE_TITLE = "Encoder: probe without labels"
_PROBE_LABEL = training_charts.QUANTITIES[PROBE]
_MOST_LINES = 8  # Of pre-training, in one chart.


def section(results: Results) -> Html:
    """Pre-training, then fine-tuning at each size."""
    parts = [_pretraining(results)]
    for size in results.sizes:
        parts.append(_finetuning(results, size, folded=size != results.sizes[0]))
    found = [part for part in parts if part]
    if not found:
        return markup.absent("No run has logged anything yet.")
    return markup.join(*found)


def _pretraining(results: Results) -> Html:
    """Loss and probe of the shared stages; those of one kind share a chart."""
    logged = {}
    for each in results.pretraining:
        logged[each["name"]] = measurements.curves(results.folder / each["run"])
    drawn: dict[str, Curves] = {}
    for name, curves in logged.items():
        stage = name.rpartition("/")[2]
        kind = "Decoder" if stage.startswith("decoder") else "Encoder"
        kind = "Pretext task" if stage == "pretext" else kind
        drawn.setdefault(f"{kind}: loss", {})[name] = curves.get(LOSS, [])
    probes = {name: curves.get(PROBE, []) for name, curves in logged.items()}
    drawn[_PROBE_TITLE] = probes
    numbers = marks.numbers_of(list(logged))
    figures, table = [], {}
    for title, curves in drawn.items():
        names = [name for name, curve in curves.items() if curve]
        for at in range(0, len(names), _MOST_LINES):
            part = {name: curves[name] for name in names[at : at + _MOST_LINES]}
            label = _PROBE_LABEL if title == _PROBE_TITLE else "loss"
            figures.append(training_charts.chart(title, part, Axis(label), numbers))
            table.setdefault(title, {}).update(part)
    if not figures:
        return Html("")
    return markup.join(
        markup.tag("h3", "Pre-training"),
        charts.small_multiples(*figures),
        training_charts.last_values(table),
    )


def _finetuning(results: Results, size: Any, folded: bool) -> Html:
    """Loss and validation Dice of fine-tuning, the mean over draws of each method."""
    figures, table, numbers = [], {}, looks.numbers_of(results)
    methods = [method for method in results.methods if results.of(method, size)]
    groups = looks.grouped(results, methods)
    for name, title in ((VALIDATION, "Validation Dice"), (LOSS, "Loss")):
        curves = _mean_curves(results, methods, size, name)
        axis = Axis(training_charts.QUANTITIES[name], _limits(curves))
        for group, members in groups.items():
            heading = title if group == looks.EVERY else f"{title}: {group}"
            shown = [title_text(results.titles[method]) for method in members]
            part = {each: curves[each] for each in shown if each in curves}
            if part:
                figures.append(training_charts.chart(heading, part, axis, numbers))
                table[heading] = part
    if not figures:
        return Html("")
    heading = f"Fine-tuning with {size_words(size)}"
    content = markup.join(
        markup.paragraph(
            "Means over the finished draws. A method in rounds (self-training, "
            "contrast of classes) goes on from a finished run: its curve begins there.",
            class_="note",
        ),
        charts.small_multiples(*figures),
        training_charts.last_values(table),
    )
    if folded:
        return markup.folded(heading, content)
    return markup.join(markup.tag("h3", heading), content)


def _mean_curves(results: Results, methods: list[str], size: Any, name: str) -> Curves:
    found = {}
    for method in methods:
        runs = [cell.run for cell in results.of(method, size)]
        curve = training_charts.mean_curve(runs, name)
        if curve:
            found[title_text(results.titles[method])] = curve
    return found


def _limits(curves: Curves) -> Optional[tuple[float, float]]:
    """One range for the charts of all groups, so that they can be compared."""
    values = [value for curve in curves.values() for _, value in curve]
    return scales.widened(min(values), max(values)) if values else None
