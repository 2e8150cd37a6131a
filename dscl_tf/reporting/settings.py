"""The settings of runs: in what they differ, and all of them."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dscl_tf import config_differences
from dscl_tf.reporting.page import Section


def section(
    facts: Mapping[str, Any],
    compared: Mapping[str, Mapping[str, Any]],
    full: Mapping[str, Any],
    seconds: Sequence[float],
    commands: Sequence[str],
) -> Section:
    """The section on settings.

    Args:
      facts: names and values; empty values are left out.
      compared: for each table's title, `config` of config.json by the runs' names.
      full: whole documents by their names.
      seconds: total times of cells and of pre-training; empty: not shown.
      commands: the command lines that made the runs and the report.
    """
    kept = {name: it for name, it in facts.items() if it not in (None, "")}
    data = {
        "facts": [(name, shown(value)) for name, value in kept.items()],
        "tables": [
            (title, *differences(configs))
            for title, configs in compared.items()
            if len(configs) > 1
        ],
        "full": [(name, json.dumps(it, indent=1)) for name, it in full.items()],
        "seconds": seconds,
        "commands": commands,
    }
    return Section("settings", "Settings", "settings", data)


def differences(configs: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table; without rows the settings are the same."""
    found = config_differences.between(configs)
    keys = list(next(iter(found.values())))
    # The longer side runs down, so that the table fits on a screen and on paper.
    if len(keys) > len(found):
        rows = [[key, *(texts[key] for texts in found.values())] for key in keys]
        return ["Setting", *found], rows
    rows = [[name, *texts.values()] for name, texts in found.items()] if keys else []
    return ["Run", *keys], rows


def shown(value: Any) -> str:
    """A value as a text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def made_by(configs: Iterable[Mapping[str, Any]], folder: Path) -> list[str]:
    """The command lines of the training, if runs recorded them, and of the report.

    Args:
      configs: `config` of their config.json, in order.
      folder: the folder that the report is about.
    """
    trained = [config_differences.flat(it).get("runtime.command") for it in configs]
    report = shlex.join(["dscl-report", f"--input={folder}"])
    # Runs of earlier versions have no command.
    return list(dict.fromkeys([*(str(line) for line in trained if line), report]))
