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
_COUNTS = (
    ("n_distances", "with mm"),
    ("missed", "missed"),
    ("spurious", "spurious"),
    ("not_applicable", "no truth"),
)
_WORDS = {"missed": "missed", "spurious": "spurious", "not_applicable": "-"}


def case_line(case: summary.CaseResult, label_names: Sequence[str]) -> str:
    """One line for the log: the Dice of each structure, or why it has none."""
    parts = [
        f"{label_names[label]} "
        + (f"{found.dice:.3f}" if found.status == "found" else _WORDS[found.status])
        for label, found in case.structures.items()
    ]
    return f"{case.name}: Dice " + ", ".join(parts)


def table(content: dict[str, Any]) -> str:
    """A table of the means, a line per structure.

    Args:
      content: what `summary.summarise` returned.

    Returns:
      Lines; `with mm` is the number of cases that the distances are means of, `no
      truth` of those that have neither truth nor prediction. NSD is there if it was
      measured.
    """
    tolerance_mm = content["nsd_tolerance_mm"]
    has_nsd = tolerance_mm is not None
    figures = [each for each in _FIGURES if each[0] != "NSD" or has_nsd]
    head = ["", *(name for _, name, _ in figures), *(name for _, name in _COUNTS)]
    rows = [
        [name]
        + [_number(mean[key], digits) for key, _, digits in figures]
        + [str(mean[key]) for key, _ in _COUNTS]
        for name, mean in summary.named_means(content, "all")
    ]
    lines = _aligned([head, *rows])
    if has_nsd:
        lines += f"\nNSD at {tolerance_mm:g} mm."
    return lines


def _number(value: Optional[float], digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    )
