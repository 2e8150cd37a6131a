"""Training curves: the loss of each stage, the validation Dice, the probe."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dscl_tf.reporting import figures
from dscl_tf.reporting.figures import Chart, Series
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import EVERY, Results
from dscl_tf.reporting.words import size_words
from dscl_tf.training import logged

LOSS, VALIDATION = "train/loss", "validation/mean"
PROBE = "probe/partition_accuracy"
# Titles, and labels of axes.
QUANTITIES = {
    LOSS: ("loss", "loss"),
    VALIDATION: ("validation Dice", "mean validation Dice"),
    PROBE: ("probe without labels", "neighbours in partition (share)"),
}
_MOST_LINES = 8  # In one chart.


class Part(NamedTuple):
    """Some charts under a heading, and a table of their curves."""

    title: str
    is_finetuning: bool
    is_folded: bool
    charts: list[Chart]
    curves: list[tuple[str, Series]]  # By the chart's title.

    def add(
        self,
        title: str,
        curves: Iterable[tuple[str, int, logged.Curve]],
        label: str,
        limits: Optional[tuple[float, float]] = None,
    ) -> None:
        """Adds charts of curves, which come with a name and the number of a look."""
        found = [Series(name, k, *zip(*curve)) for name, k, curve in curves if curve]
        for at in range(0, len(found), _MOST_LINES):
            shown = found[at : at + _MOST_LINES]
            self.charts.append(figures.lines(title, shown, ("step", label), limits))
        self.curves.extend((title, each) for each in found)


def of_run(runs: Sequence[tuple[str, Path]]) -> Section:
    """A chart for each quantity of each stage; `runs` are names and folders."""
    part = Part("", False, False, [], [])
    for number, (name, run) in enumerate(runs):
        found = logged.curves(run)
        for quantity, (said, label) in QUANTITIES.items():
            part.add(f"{name}: {said}", [(name, number, found.get(quantity))], label)
    return _section([part], "No stage has logged anything yet.")


def of_experiment(results: Results) -> Section:
    """Pre-training, then fine-tuning at each size."""
    parts = [_pretraining(results)]
    parts += [_finetuning(results, size) for size in results.sizes]
    return _section(parts, "No run has logged anything yet.")


def _section(parts: list[Part], absent: str) -> Section:
    data = {"parts": [part for part in parts if part.charts], "absent": absent}
    return Section("training", "Training", "training", data)


def _pretraining(results: Results) -> Part:
    """Loss and probe of the shared stages; those of one kind share a chart."""
    part, losses, probes = Part("Pre-training", False, False, [], []), {}, []
    for number, each in enumerate(results.pretraining):
        name, found = each["name"], logged.curves(results.folder / each["run"])
        stage = name.rpartition("/")[2]
        kind = "Decoder" if stage.startswith("decoder") else "Encoder"
        kind = "Pretext task" if stage == "pretext" else kind
        losses.setdefault(kind, []).append((name, number, found.get(LOSS)))
        probes.append((name, number, found.get(PROBE)))
    for kind, curves in losses.items():
        part.add(f"{kind}: loss", curves, "loss")
    said, label = QUANTITIES[PROBE]
    part.add(f"Encoder: {said}", probes, label)
    return part


def _finetuning(results: Results, size: Any) -> Part:
    """Loss and validation Dice of fine-tuning, the mean over draws of each method."""
    is_folded = size != results.sizes[0]
    part = Part(f"Fine-tuning with {size_words(size)}", True, is_folded, [], [])
    runs = {m: [cell.run for cell in results.of(m, size)] for m in results.methods}
    for quantity in (VALIDATION, LOSS):
        curves = {
            method: (
                results.titles[method],
                results.numbers[method],
                logged.mean_curve(folders, quantity),
            )
            for method, folders in runs.items()
            if folders
        }
        values = [y for *_, curve in curves.values() for _, y in curve]
        said, label = QUANTITIES[quantity]
        for group, members in results.grouped(list(curves)).items() if values else ():
            heading = said[0].upper() + said[1:]
            title = heading if group == EVERY else f"{heading}: {group}"
            # One range for all groups, so that they can be compared.
            within = figures.limits(values)
            part.add(title, (curves[method] for method in members), label, within)
    return part
