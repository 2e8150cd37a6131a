"""Training curves: the loss of each stage, the validation Dice, the probe."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from dscl_tf.reporting import figures, measurements
from dscl_tf.reporting.figures import Chart, Series
from dscl_tf.reporting.measurements import Curve
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import EVERY, Results, size_words
from dscl_tf.training.run_folder import RunFolder

LOSS, VALIDATION = "train/loss", "validation/mean"
PROBE = "probe/partition_accuracy"
# Titles, and labels of axes.
QUANTITIES = {
    LOSS: ("loss", "loss"),
    VALIDATION: ("validation Dice", "mean validation Dice"),
    PROBE: ("probe without labels", "neighbours in partition (share)"),
}
_MOST_LINES = 8  # In one chart.

Curves = Sequence[tuple[str, int, Curve]]  # Name, number of its look, points.


class Part(NamedTuple):
    """Some charts under a heading, and a table of their curves."""

    title: str
    note: str
    is_folded: bool
    charts: list[Chart]
    curves: list[tuple[str, Series]]  # By the chart's title.


def _part(title: str, note: str = "", is_folded: bool = False) -> Part:
    return Part(title, note, is_folded, [], [])


def of_run(runs: Mapping[str, RunFolder]) -> Section:
    """Of each stage what it logged, a chart for each quantity."""
    part = _part("")
    for number, (name, run) in enumerate(runs.items()):
        logged = measurements.curves(run.path)
        for quantity, (words, label) in QUANTITIES.items():
            curves = [(name, number, logged.get(quantity, []))]
            _add(part, f"{name}: {words}", curves, label)
    return _section([part], "No stage has logged anything yet.")


def of_experiment(results: Results) -> Section:
    """Pre-training, then fine-tuning at each size."""
    parts = [_pretraining(results)]
    parts += [_finetuning(results, size) for size in results.sizes]
    return _section(parts, "No run has logged anything yet.")


def _section(parts: list[Part], sentence: str) -> Section:
    data = {"parts": [part for part in parts if part.charts], "absent": sentence}
    return Section("training", "Training", "training", data)


def _add(
    part: Part,
    title: str,
    curves: Curves,
    label: str,
    limits: Optional[tuple[float, float]] = None,
) -> None:
    """Adds the chart of some curves; of many it takes several."""
    found = [Series(name, k, *zip(*curve)) for name, k, curve in curves if curve]
    for at in range(0, len(found), _MOST_LINES):
        shown = found[at : at + _MOST_LINES]
        part.charts.append(figures.lines(title, shown, ("step", label), limits))
    part.curves.extend((title, each) for each in found)


def _pretraining(results: Results) -> Part:
    """Loss and probe of the shared stages; those of one kind share a chart."""
    part, losses, probes = _part("Pre-training"), {}, []
    for number, each in enumerate(results.pretraining):
        name, logged = each["name"], measurements.curves(results.folder / each["run"])
        stage = name.rpartition("/")[2]
        kind = "Decoder" if stage.startswith("decoder") else "Encoder"
        kind = "Pretext task" if stage == "pretext" else kind
        losses.setdefault(kind, []).append((name, number, logged.get(LOSS, [])))
        probes.append((name, number, logged.get(PROBE, [])))
    for kind, curves in losses.items():
        _add(part, f"{kind}: loss", curves, "loss")
    words, label = QUANTITIES[PROBE]
    _add(part, f"Encoder: {words}", probes, label)
    return part


def _finetuning(results: Results, size: Any) -> Part:
    """Loss and validation Dice of fine-tuning, the mean over draws of each method."""
    note = (
        "Means over the finished draws. A method in rounds (self-training, "
        "contrast of classes) goes on from a finished run: its curve begins there."
    )
    is_folded = size != results.sizes[0]
    part = _part(f"Fine-tuning with {size_words(size)}", note, is_folded)
    methods = [method for method in results.methods if results.of(method, size)]
    for quantity in (VALIDATION, LOSS):
        curves = {}
        for method in methods:
            runs = [cell.run for cell in results.of(method, size)]
            curve = measurements.mean_curve(runs, quantity)
            curves[method] = (results.titles[method], results.numbers[method], curve)
        values = [y for *_, curve in curves.values() for _, y in curve]
        words, label = QUANTITIES[quantity]
        for group, members in results.grouped(methods).items() if values else ():
            title = words[0].upper() + words[1:]
            title += "" if group == EVERY else f": {group}"
            shown = [curves[method] for method in members]
            # One range for all groups, so that they can be compared.
            _add(part, title, shown, label, figures.limits(values))
    return part
