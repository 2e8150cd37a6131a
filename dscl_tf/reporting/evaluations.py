"""The evaluations of a run: means of each structure, and figures of each volume."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dscl_tf import csv_columns
from dscl_tf.inference import evaluated, summary
from dscl_tf.reporting.page import Section


def section(
    evaluations: Sequence[tuple[str, Path]], remarks: Mapping[str, str]
) -> Section:
    """Tables of evaluations.

    Args:
      evaluations: names and folders.
      remarks: notes to show before the figures of some evaluations, by name.

    Raises:
      UserError: a summary.json or cases.csv is damaged.
    """
    parts = [
        {"remark": remarks.get(name, ""), **_evaluation(name, folder)}
        for name, folder in evaluations
    ]
    title = "Dice on the evaluated volumes"
    return Section("dice", title, "evaluations", {"evaluations": parts})


def _evaluation(name: str, folder: Path) -> dict[str, Any]:
    content = evaluated.means(folder)
    means = summary.named_means(content, "Mean of structures")
    tolerance_mm = content.get("nsd_tolerance_mm")
    figures = [("Dice", "Dice", 3), ("HD95_mm", "HD95 (mm)", 1)]
    figures += [("ASSD_mm", "ASSD (mm)", 2)]
    cases = [("Dice", 3, _by_volume(folder, "dice"))]
    # The file was just read without error; earlier versions wrote fewer columns.
    columns = csv_columns.names(folder / summary.TABLE)
    if tolerance_mm is not None:
        title = f"NSD at {tolerance_mm:g} mm"
        if all("NSD" in mean for _, mean, _ in means):
            figures.insert(1, ("NSD", title, 3))
        if "nsd" in columns:
            cases.append((title, 3, _by_volume(folder, "nsd")))
    return {
        "name": name,
        "about": _about(content),
        "figures": figures,
        "means": means,
        "cases": [case for case in cases if case[-1]["rows"]],
        **_volumes(content, folder, columns),
    }


def _volumes(
    content: dict[str, Any], folder: Path, columns: set[str]
) -> dict[str, Any]:
    """Each structure's volume bias, and volumes; earlier versions wrote neither."""
    bias, names = content.get("volume_bias", {}), content["label_names"]
    has_volumes = bias and {"volume_ref_ml", "volume_pred_ml"} <= columns
    return {
        "bias": [(names[label], found) for label, found in bias.items()],
        "volumes": evaluated.case_volumes_ml(folder) if has_volumes else [],
    }


def _about(content: dict[str, Any]) -> str:
    text = f"{content['num_cases']} volumes of the subset {content['subset']}."
    intervals = content.get("intervals")
    if intervals is None:
        return text
    return (
        f"{text} In brackets {intervals['level']:.0%} intervals of the means: "
        f"bootstrap over {intervals['num_subjects']} subjects, none for fewer than "
        "three."
    )


def _by_volume(folder: Path, column: str) -> dict[str, Any]:
    """A figure of each volume: structures, and rows of name, mean and values."""
    found: dict[str, dict[str, float]] = {}
    for volume, structure, value in evaluated.case_figures(folder, column):
        found.setdefault(volume, {})[structure] = value
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    rows = [
        (volume, sum(it.values()) / len(it), [it.get(name) for name in names])
        for volume, it in found.items()
    ]
    return {"structures": names, "rows": rows}
