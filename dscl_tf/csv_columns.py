"""Reads columns of CSV files; a damaged file is refused with one sentence."""

import csv
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Optional

from dscl_tf import errors


def names(path: pathlib.Path) -> set[str]:
    """The names of the file's columns; none if there is no file."""
    if not path.exists():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return set(next(csv.reader(file), ()))


def read(
    path: pathlib.Path,
    texts: Sequence[str],
    numbers: Sequence[str],
    lacking: Optional[str] = None,
) -> Iterator[tuple]:
    """Yields the texts, then the numbers of each row; nothing if there is no file.

    Args:
      path: the file; its first row names the columns.
      texts: names of the columns read as text.
      numbers: names of the columns read as numbers.
      lacking: the text that stands for an unknown number, which becomes NaN.

    Raises:
      UserError: it cannot be read, or a column or a number is missing.
    """
    if not path.exists():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values = (row[name] for name in numbers)
                found = [math.nan if it == lacking else float(it) for it in values]
                yield (*(row[name] for name in texts), *found)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.UserError(f"Cannot read {path}: {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{path}: expected the columns {', '.join((*texts, *numbers))} with "
            f"numbers in {' and '.join(numbers)}, found something else ({error}): "
            "restore the file, or leave it out."
        ) from None
