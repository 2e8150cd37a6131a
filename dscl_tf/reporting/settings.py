"""The settings of runs: what tells them apart, and all of them."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from dscl_tf.reporting import markup, tables
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.tables import Column

# Where files are and how a run computes does not tell methods apart.
_LEFT_OUT = ("workdir", "prepared", "init", "runtime", "split", "seed")


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
    """A table of the settings in which runs differ, a column for each run.

    Args:
      configs: `config` of their config.json, by the runs' names.
    """
    flats = {
        name: {
            key: _short(value)
            for key, value in flat(config).items()
            if key.partition(".")[0] not in _LEFT_OUT
        }
        for name, config in configs.items()
    }
    keys = sorted(set().union(*flats.values())) if flats else []
    rows = [
        [key, *(found.get(key, "–") for found in flats.values())]
        for key in keys
        if len({found.get(key) for found in flats.values()}) > 1
    ]
    if not rows:
        return markup.absent("Their settings are the same.")
    columns = [Column(name, numeric=False) for name in ("Setting", *flats)]
    return tables.table("Settings that are not the same everywhere.", columns, rows)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def in_full(name: str, content: Mapping[str, Any]) -> Html:
    """A whole config.json, folded and not printed."""
    text = markup.tag("pre", markup.tag("code", json.dumps(content, indent=1)))
    return markup.folded(f"config.json of {name}", text, printed=False)


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


def command(binary: str, **flags: Any) -> Html:
    """A command line, quoted for a shell."""
    words = [binary, *(f"--{name}={value}" for name, value in flags.items())]
    return markup.tag("pre", markup.tag("code", shlex.join(words)))
