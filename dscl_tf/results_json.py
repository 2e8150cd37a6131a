"""results.json of an experiment: the format that is written, checked and read."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any, Union

from dscl_tf import errors, files, json_forms
from dscl_tf.json_forms import MAYBE, NUMBER, Each, Either, Word

FORMAT = 1
FILE = "results.json"
ALL = "all"  # The benchmark's size: it is trained on all labelled volumes.
# The method that each comparison column of the table compares with.
REFERENCES = {"versus_random": "random", "versus_gr": "gr"}
_CURE = "run dscl-experiment again, which writes it anew from its cells"
_TEXT = (str, type(None))
_SIZE = Either((int, Word(ALL)))
_PAIRED = {"n": int, "mean": NUMBER, "low": MAYBE, "high": MAYBE, "num_above": int}
_FORM = {
    "name": str,
    "versions": dict,
    "cohort": {"label_names": [str], "size_px": list},
    "grid": {"methods": [{"name": str, "title?": str, "group?": str}]},
    "pretraining": [
        {"name": str, "run": str, "state": str, "seconds?": MAYBE, "error?": _TEXT}
    ],
    "cells": [
        {
            "method": str,
            "size": _SIZE,
            "draw": int,
            "seed": int,
            "state": str,
            "run": str,
            "evaluation": str,
            "dice": MAYBE,
            "seconds?": MAYBE,
            "error?": _TEXT,
        }
    ],
    "table": [
        {
            "method": str,
            "size": _SIZE,
            "n": int,
            "mean": NUMBER,
            "std": MAYBE,
            "structures": Each({"mean": NUMBER, "std": MAYBE}),
            "paper?": MAYBE,
            "versus_random?": Either((type(None), _PAIRED)),
            "versus_gr?": Either((type(None), _PAIRED)),
        }
    ],
}


def size_order(size: Union[int, str]) -> float:
    """Sort key for a number of labelled volumes; ALL comes last."""
    return math.inf if size == ALL else size


def means_of_draws(values: Mapping[tuple[int, int], float]) -> list[float]:
    """The mean over seeds of each draw.

    Runs that differ in the seed alone share their volumes and are not independent: as
    separate samples they would make spreads and intervals too narrow.

    Args:
      values: by (draw, seed).
    """
    found: dict[int, list[float]] = {}
    for (draw, _), value in values.items():
        found.setdefault(draw, []).append(value)
    return [math.fsum(each) / len(each) for each in found.values()]


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads and checks a results.json, and changes nothing in it.

    Raises:
      UserError: it is missing, or not what dscl-experiment writes.
    """
    content = files.read_json_object(path, "experiment's results")
    if content.get("format") != FORMAT:
        raise errors.UserError(
            f"{path}: format {content.get('format')!r}, expected {FORMAT}: {_CURE}."
        )
    json_forms.check(path, content, _FORM, _CURE)
    if not content["cohort"]["label_names"]:
        raise errors.UserError(
            f"{path}: cohort.label_names: found no name, expected some: {_CURE}."
        )
    known = {each["name"] for each in content["grid"]["methods"]}
    for place in ("cells", "table"):
        unknown = {each["method"] for each in content[place]} - known
        if unknown:
            raise errors.UserError(
                f"{path}: {place}: found the method {min(unknown)!r}, expected one of "
                f"grid.methods: {_CURE}."
            )
    return content
