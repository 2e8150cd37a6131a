"""Reads and compares results.json files for the scripts beside this one."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from dscl_tf import config_differences, errors, results_json
from dscl_tf.methods import registered

# Including `init`, which the grid sets for each cell.
_NOT_DECISIVE = (*config_differences.LEFT_OUT, "init")
# Fields of a split that all draws have in common.
_OF_ALL_DRAWS = ("num_validation", "num_test", "num_pretrain")


def read_all(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The contents of results files.

    Raises:
      UserError: one is missing, or not what dscl-experiment writes.
    """
    return [results_json.read(pathlib.Path(path)) for path in paths]


def check_same_settings(paths: Sequence[str], contents: Sequence[Mapping]) -> None:
    """Refuses experiments whose stages have different settings.

    Settings that only one of two versions knows do not count, nor do those of methods
    that no row has.

    Raises:
      UserError: naming the settings.
    """
    first = _settings(contents[0])
    for path, content in zip(paths[1:], contents[1:]):
        other = _settings(content)
        names = differing(first, other)
        if names:
            said = [f"{name} is {first[name]!r} and {other[name]!r}" for name in names]
            raise errors.UserError(
                f"{paths[0]} and {path} are of other settings: {'; '.join(said)}. "
                "Compare experiments of the same settings."
            )


def check_same_methods(paths: Sequence[str], contents: Sequence[Mapping]) -> None:
    """Refuses a method that has other settings in another file, such as its rounds.

    Raises:
      UserError: naming the files, the method and both.
    """
    known: dict[str, tuple[str, Mapping]] = {}
    for path, content in zip(paths, contents):
        for method in content["grid"]["methods"]:
            settings = method.get("settings", {})
            before, other = known.setdefault(method["name"], (path, settings))
            if differing(settings, other):
                raise errors.UserError(
                    f"{before} and {path}: {method['name']} is {other} and {settings}. "
                    "Give experiments with the same methods."
                )


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings that both have and that differ."""
    return [name for name in one if name in other and one[name] != other[name]]


def check_apart(paths: Sequence[str], contents: Sequence[Mapping]) -> None:
    """Refuses experiments that share a cohort and a seed: their draws are the same.

    Raises:
      UserError: naming the files.
    """
    for (path, one), (other_path, other) in itertools.combinations(
        zip(paths, contents), 2
    ):
        seeds = {cell["seed"] for cell in one["cells"]}
        shared = seeds & {cell["seed"] for cell in other["cells"]}
        if one["cohort"].get("id") == other["cohort"].get("id") and shared:
            raise errors.UserError(
                f"{path} and {other_path} are of the same cohort and seed: their draws "
                "would count twice. Give experiments of different cohorts or seeds."
            )


def _settings(content: Mapping) -> dict[str, Any]:
    stages = content["grid"].get("settings")
    found = stages if isinstance(stages, dict) else {}
    kept = {
        stage: {k: v for k, v in each.items() if k not in _NOT_DECISIVE}
        for stage, each in found.items()
        if isinstance(each, dict)
    }
    for stage, each in kept.items():
        own = each.pop("finetune", {})
        if stage == "finetune":  # Other stages have no use for it.
            unused = _unused_methods(content["grid"]["methods"])
            each["finetune"] = {k: v for k, v in own.items() if k not in unused}
    split = kept.get("finetune") and found["finetune"].get("split")
    if isinstance(split, dict):
        kept["split"] = _of_split(split)
    # Set by benchmarks/retested.py if they are not the chosen ones.
    kept["weights"] = content["cohort"].get("weights", "chosen")
    return config_differences.flat(kept)


def _unused_methods(rows: Sequence[Mapping]) -> set[str]:
    """The methods of fine-tuning that no row has: their settings had no effect."""
    if not all("settings" in row for row in rows):
        return set()  # Written by an earlier version, which did not say.
    paths = {path for row in rows for path in row["settings"]}
    used = {path.split(".")[1] for path in paths if path.startswith("finetune.")}
    if "rounds" in paths:
        used.add("pseudo_labels")
    return set(registered.METHODS) - used


def _of_split(split: Mapping[str, Any]) -> dict[str, Any]:
    """Which volumes an experiment's draws can take, whatever folder the file is in."""
    if split.get("file"):
        return {"file": pathlib.PurePath(split["file"]).name}
    drawn = {name: split[name] for name in _OF_ALL_DRAWS if name in split}
    return {"file": None, **drawn}
