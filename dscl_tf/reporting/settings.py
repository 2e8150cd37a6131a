"""The settings of runs: what tells them apart, and all of them."""

import json
import pathlib
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from dscl_tf.reporting import markup, tables
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.tables import Column

# Where files are and how a run computes does not tell methods apart.
LEFT_OUT = ("workdir", "prepared", "runtime", "split", "seed")
_UNUSED = {
    "encoder": ("local", "finetune", "pretext"),
    "decoder": ("global_", "finetune", "pretext"),
    "pretext": ("views", "global_", "local", "finetune"),
}


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


def differences(configs: Mapping[str, Mapping[str, Any]]) -> Html:
    """A table of the settings in which runs differ.

    Args:
      configs: `config` of their config.json, by the runs' names.
    """
    flats = {name: flat(_decisive(config)) for name, config in configs.items()}
    keys = sorted(set().union(*flats.values())) if flats else []
    texts = {
        name: {key: _short(found[key]) if key in found else "–" for key in keys}
        for name, found in flats.items()
    }
    differing = [k for k in keys if len({found[k] for found in texts.values()}) > 1]
    if not differing:
        return markup.absent("Their settings are the same.")
    # The longer way down, so that the table fits on a screen and on paper.
    if len(differing) > len(texts):
        heads = ["Setting", *texts]
        rows = [[key, *(found[key] for found in texts.values())] for key in differing]
    else:
        heads = ["Run", *differing]
        rows = [[name, *(found[k] for k in differing)] for name, found in texts.items()]
    columns = [Column(name, numeric=False) for name in heads]
    return tables.table("Settings that are not the same everywhere.", columns, rows)


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that the stage does not use or that decide nothing."""
    unused = (*LEFT_OUT, *_UNUSED.get(str(settings.get("stage")), ()))
    return {name: value for name, value in settings.items() if name not in unused}


def _short(value: Any) -> str:
    if isinstance(value, str) and pathlib.PurePath(value).is_absolute():
        # A run's stage and the folder that it is in.
        return "/".join(pathlib.PurePath(value).parts[-2:])
    return value if isinstance(value, str) else json.dumps(value)


def in_full(name: str, content: Mapping[str, Any]) -> Html:
    """A whole config.json, folded and not printed."""
    text = markup.tag("pre", markup.tag("code", json.dumps(content, indent=1)))
    return markup.folded(f"Settings of {name}", text, printed=False)


def definitions(values: Mapping[str, Any]) -> Html:
    """Names and values, one below the other."""
    items = [
        markup.join(markup.tag("dt", name), markup.tag("dd", _shown(value)))
        for name, value in values.items()
        if value not in (None, "")
    ]
    return markup.tag("dl", *items)


def _shown(value: Any) -> Any:
    if isinstance(value, (str, Html)):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    return json.dumps(value)


def made_by(configs: Iterable[Mapping[str, Any]], folder: pathlib.Path) -> Html:
    """The command lines that trained, where runs know them, and that of the report.

    Args:
      configs: `config` of their config.json, in order.
      folder: that the report is of.
    """
    trained = [flat(each).get("runtime.command") for each in configs]
    report = shlex.join(["dscl-report", f"--input={folder}"])
    # Runs of an earlier version have none.
    lines = dict.fromkeys([*(str(line) for line in trained if line), report])
    code = markup.tag("pre", markup.tag("code", "\n".join(lines)))
    return markup.join(markup.tag("h3", "Made by"), code)
