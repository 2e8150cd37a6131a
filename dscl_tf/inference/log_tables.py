"""The figures of an evaluation as lines for the log."""

from collections.abc import Sequence
from typing import Any, Optional

from dscl_tf.inference import summary

# Keys of summary.json with their headings and digits.
_FIGURES = (
    ("Dice", "Dice", 3),
    ("NSD", "NSD", 3),
    ("HD95_mm", "HD95 mm", 1),
    ("ASSD_mm", "ASSD mm", 1),
)
_COUNTS = {
    "n_distances": "with mm",
    "missed": "missed",
    "spurious": "spurious",
    "not_applicable": "no truth",
}
_WORDS = {"missed": "missed", "spurious": "spurious", "not_applicable": "-"}


def case_line(case: summary.CaseResult, label_names: Sequence[str]) -> str:
    """One line for the log: the Dice of each structure, or why it has none."""
    parts = [
        f"{label_names[label]} "
        + (f"{found.dice:.3f}" if found.status == "found" else _WORDS[found.status])
        for label, found in case.structures.items()
    ]
    return f"{case.name}: Dice " + ", ".join(parts)


def tables(content: dict[str, Any]) -> str:
    """Tables of means with their intervals, counts and volumes, a line per structure.

    Args:
      content: what `summary.summarise` returned.

    Returns:
      Lines. `with mm` is the number of cases over which distances are averaged, `no
      truth` that of cases with neither truth nor prediction. NSD is included if it
      was measured. Bias is found minus true volume, SD that of these differences.
    """
    tolerance_mm = content["nsd_tolerance_mm"]
    has_nsd = tolerance_mm is not None
    figures = [each for each in _FIGURES if each[0] != "NSD" or has_nsd]
    means, counts = [["", *(name for _, name, _ in figures)]], [["", *_COUNTS.values()]]
    for name, mean, bounds in summary.named_means(content, "all"):
        cells = [_bounded(mean[k], bounds.get(k), digits) for k, _, digits in figures]
        means.append([name, *cells])
        counts.append([name, *(str(mean[key]) for key in _COUNTS)])
    notes = [f"NSD at {tolerance_mm:g} mm."] if has_nsd else []
    if any("[" in cell for row in means for cell in row):
        notes.append(
            f"In brackets {content['intervals']['level']:.0%} intervals: bootstrap "
            f"over {content['intervals']['num_subjects']} subjects."
        )
    said = [" ".join(notes)] if notes else []
    parts = [_aligned(means), *said, "", _aligned(counts), "", _volumes(content)]
    return "\n".join(parts)


def _volumes(content: dict[str, Any]) -> str:
    rows = [["", "true ml", "found ml", "bias ml", "bias %", "SD ml", "cases"]]
    for label, found in content["volume_bias"].items():
        bias = _bounded(found["bias_ml"], found["bias_ml_interval"], 2)
        cells = [_number(found[key], 2) for key in ("ref_ml", "pred_ml")]
        cells += [bias, _number(found["bias_percent"], 1), _number(found["std_ml"], 2)]
        rows.append([content["label_names"][label], *cells, str(found["n"])])
    return _aligned(rows)


def _bounded(mean: Optional[float], bounds: Optional[dict], digits: int) -> str:
    if bounds is None:
        return _number(mean, digits)
    ends = (_number(bounds[end], digits) for end in ("low", "high"))
    return f"{_number(mean, digits)} [{', '.join(ends)}]"


def _number(value: Optional[float], digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Aligns columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    )
