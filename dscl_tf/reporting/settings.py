"""The settings of runs: what tells them apart, and all of them."""

import json
import pathlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# Where files are and how a run computes does not tell methods apart.
LEFT_OUT = ("workdir", "prepared", "runtime", "split", "seed")
_UNUSED = {
    "encoder": ("local", "finetune", "pretext"),
    "decoder": ("global_", "finetune", "pretext"),
    "pretext": ("views", "global_", "local", "finetune"),
}


class Differences(NamedTuple):
    """A table of the settings in which runs differ; without rows they are the same."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def flat(settings: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found = {}
    for name, value in settings.items():
        inner = f"{where}.{name}" if where else str(name)
        if isinstance(value, Mapping):
            found |= flat(value, inner)
        else:
            found[inner] = value
    return found


def differences(title: str, configs: Mapping[str, Mapping[str, Any]]) -> Differences:
    """The settings in which runs differ.

    Args:
      title: of the table.
      configs: `config` of their config.json, by the runs' names.
    """
    flats = {name: flat(_decisive(config)) for name, config in configs.items()}
    keys = sorted(set().union(*flats.values())) if flats else []
    texts = {
        name: {key: _short(found[key]) if key in found else "–" for key in keys}
        for name, found in flats.items()
    }
    differing = [k for k in keys if len({found[k] for found in texts.values()}) > 1]
    # The longer way down, so that the table fits on a screen and on paper.
    if len(differing) > len(texts):
        rows = [[key, *(found[key] for found in texts.values())] for key in differing]
        return Differences(title, ["Setting", *texts], rows)
    rows = [[name, *(found[k] for k in differing)] for name, found in texts.items()]
    return Differences(title, ["Run", *differing], rows if differing else [])


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that the stage does not use or that decide nothing."""
    unused = (*LEFT_OUT, *_UNUSED.get(str(settings.get("stage")), ()))
    return {name: value for name, value in settings.items() if name not in unused}


def _short(value: Any) -> str:
    if isinstance(value, str) and pathlib.PurePath(value).is_absolute():
        # A run's stage and the folder that it is in.
        return "/".join(pathlib.PurePath(value).parts[-2:])
    return value if isinstance(value, str) else json.dumps(value)


def in_full(contents: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Whole documents as texts, by their names."""
    return [(name, json.dumps(it, indent=1)) for name, it in contents.items()]


def definitions(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as texts; what is empty is left out."""
    return [
        (name, _shown(value))
        for name, value in values.items()
        if value not in (None, "")
    ]


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def made_by(configs: Iterable[Mapping[str, Any]], folder: pathlib.Path) -> list[str]:
    """The command lines that trained, where runs know them, and that of the report.

    Args:
      configs: `config` of their config.json, in order.
      folder: that the report is of.
    """
    trained = [flat(each).get("runtime.command") for each in configs]
    report = shlex.join(["dscl-report", f"--input={folder}"])
    # Runs of an earlier version have none.
    return list(dict.fromkeys([*(str(line) for line in trained if line), report]))
