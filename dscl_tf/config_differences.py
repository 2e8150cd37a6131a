"""The settings in which runs differ."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

# Where files are, how a run computes, and its draw (volumes and seed) do not
# distinguish methods.
LEFT_OUT = ("workdir", "prepared", "runtime", "split", "seed")
_UNUSED = {
    "encoder": ("local", "finetune", "pretext"),
    "decoder": ("global_", "finetune", "pretext"),
    "pretext": ("views", "global_", "local", "finetune"),
}


def flat(settings: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Flattens nested settings to dotted names."""
    found = {}
    for name, value in settings.items():
        inner = f"{where}.{name}" if where else str(name)
        if isinstance(value, Mapping):
            found |= flat(value, inner)
        else:
            found[inner] = value
    return found


def between(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The values of the settings in which runs differ, by run and setting.

    Values are short texts, a dash where a run has no such setting.

    Args:
      configs: the `config` of each run's config.json, by the run's name.
    """
    flats = {name: flat(_decisive(config)) for name, config in configs.items()}
    keys = sorted(set().union(*flats.values())) if flats else []
    texts = {
        name: {key: _short(found[key]) if key in found else "–" for key in keys}
        for name, found in flats.items()
    }
    differing = [k for k in keys if len({found[k] for found in texts.values()}) > 1]
    return {name: {k: found[k] for k in differing} for name, found in texts.items()}


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that the stage does not use or that decide nothing."""
    unused = (*LEFT_OUT, *_UNUSED.get(str(settings.get("stage")), ()))
    return {name: value for name, value in settings.items() if name not in unused}


def _short(value: Any) -> str:
    if isinstance(value, str) and pathlib.PurePath(value).is_absolute():
        # For a run these are the folder that it is in and its stage.
        return "/".join(pathlib.PurePath(value).parts[-2:])
    return value if isinstance(value, str) else json.dumps(value)
