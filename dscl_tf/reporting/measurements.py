"""The tables that runs and evaluations write: metrics.csv and cases.csv."""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterator

from dscl_tf import errors

Curve = list[tuple[float, float]]  # (step, value), by step.
_MOST_POINTS = 160  # More cannot be seen in a chart.


@dataclasses.dataclass(frozen=True)
class CaseDice:
    """Dice of one structure of one test volume."""

    volume: str
    structure: str
    dice: float


def curves(run: pathlib.Path) -> dict[str, Curve]:
    """What a run logged, by name; empty where it logged nothing.

    Values that are not finite are left out.

    Args:
      run: its folder.

    Raises:
      UserError: metrics.csv is damaged.
    """
    found: dict[str, Curve] = {}
    for row in _rows(run / "metrics.csv", ("step", "name", "value")):
        value = float(row["value"])
        if math.isfinite(value):
            found.setdefault(row["name"], []).append((float(row["step"]), value))
    return {name: thinned(sorted(curve)) for name, curve in found.items()}


def thinned(curve: Curve) -> Curve:
    """A curve of so many points as can be seen, each the mean of its neighbours."""
    count = math.ceil(len(curve) / _MOST_POINTS)
    if count < 2:
        return curve
    groups = [curve[at : at + count] for at in range(0, len(curve), count)]
    return [
        (group[-1][0], sum(value for _, value in group) / len(group))
        for group in groups
    ]


def case_dice(evaluation: pathlib.Path) -> list[CaseDice]:
    """Dice of each structure and volume that an evaluation has a figure for.

    Args:
      evaluation: its folder; without cases.csv the list is empty.

    Raises:
      UserError: cases.csv is damaged.
    """
    return [
        CaseDice(row["volume"], row["structure"], float(row["dice"]))
        for row in _rows(
            evaluation / "cases.csv", ("volume", "structure", "dice"), ("dice",)
        )
    ]


def _rows(
    path: pathlib.Path, columns: tuple[str, ...], may_be_empty: tuple[str, ...] = ()
) -> Iterator[dict[str, str]]:
    """Rows of a CSV with these columns; the last ones are numbers.

    Rows in which a column of `may_be_empty` has no number are left out.
    """
    if not path.exists():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values = {name: row[name] for name in columns}
                if any(not _is_number(values[name]) for name in may_be_empty):
                    continue
                float(values[columns[-1]])
                yield values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.UserError(f"Cannot read {path}: {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{path}: expected the columns {', '.join(columns)} with numbers in the "
            f"last, found otherwise ({error}): bring the file back, or leave it out."
        ) from None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
