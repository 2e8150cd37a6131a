"""The built-in grids, and those that are read from files."""

import pathlib
from collections.abc import Sequence
from typing import Any

from dscl_tf import errors, files
from dscl_tf.config import GridConfig
from dscl_tf.experiments import comparison
from dscl_tf.experiments.plan import Grid

TABLE_1 = ("random", "gr", "gd_minus", "gd", "gr+lr", "gr+ld", "gd+lr")
TABLE_2 = (
    "random",
    "gr",
    "gd+lr",
    "rotation",
    "inpainting",
    "context_restoration",
    "self_training",
    "mixup",
    "learned_augmentation",
    "adversarial",
    "learned_augmentation+mixup",
    "gd+lr+self_training",
    "gd+lr+mixup",
    "benchmark",
)
BEYOND = (
    "random",
    "gr",
    "gd+lr",
    "positional",
    "joint",
    "class_contrast",
    "gd+lr+class_contrast",
)


def _swept(name: str, value: str, settings: dict[str, Any]) -> dict[str, Any]:
    title = f"G^D + L^R, {value}"
    return {"name": name, "title": title, "method": "gd+lr", "settings": settings}


def _of_local(name: str, value: str, field: str, number: int) -> dict[str, Any]:
    return _swept(name, value, {f"local.{field}": number})


def _partitions(count: int) -> dict[str, Any]:
    # A batch has as many slices as with the default S = 4 and m = 3 volumes.
    numbers = {"num_partitions": count, "batch_volumes": 12 // count}
    groups = ("global_", "local")
    settings = {f"{g}.{name}": n for g in groups for name, n in numbers.items()}
    return _swept(f"s{count}", f"S = {count}", settings)


SWEEPS = (
    "random",
    "gr",
    "gd+lr",
    *(_partitions(count) for count in (2, 3, 6)),
    # With K = 1: regions of 3 x 3 do not fit on the first block's map of small slices.
    _swept("l1", "l = 1, K = 1", {"local.num_blocks": 1, "local.region_size": 1}),
    *(_of_local(f"l{n}", f"l = {n}", "num_blocks", n) for n in (2, 4, 5)),
    _of_local("k1", "K = 1", "region_size", 1),
    *(_of_local(f"a{n * n}", f"A = {n * n}", "grid", n) for n in (2, 4)),
    _of_local("nearest5", "5 nearest negatives", "num_negatives", 5),
)
PRESETS: dict[str, dict[str, Any]] = {
    "table1": {"methods": TABLE_1, "sizes": (1, 2, 8), "draws": 6},
    "table2": {"methods": TABLE_2, "sizes": (1, 2, 8), "draws": 6},
    "beyond": {"methods": BEYOND, "sizes": (1, 2, 8), "draws": 6},
    "sweeps": {"methods": SWEEPS, "sizes": (2,), "draws": 6},
    "quick": {"methods": ("random", "gr", "gd+lr"), "sizes": (1,), "draws": 2},
}
_KEYS = {"name", "methods", "sizes", "draws", "seeds", "rounds"}


def make_grid(settings: GridConfig) -> Grid:
    """The grid of a preset or a file, with what the settings give in its place.

    Args:
      settings: `name` is one of PRESETS, or the path of a JSON file
        (docs/experiments.md); `methods` are as `comparison.parse` reads them.

    Raises:
      UserError: there is no such preset or file, or the file holds no valid grid.
    """
    name = settings.name
    content = PRESETS[name] if name in PRESETS else _read(pathlib.Path(name))
    given = {key: getattr(settings, key) for key in _KEYS - {"name"}}
    content = {**content, **{k: v for k, v in given.items() if v is not None}}
    rows = tuple(comparison.from_json(each) for each in content["methods"])
    _check_unique(rows)
    if name not in PRESETS:
        name = str(content.get("name", pathlib.Path(name).stem))
    return Grid(
        name=name,
        methods=rows,
        sizes=_numbers("sizes", content["sizes"], 1),
        draws=tuple(range(_number("draws", content["draws"], 1))),
        seeds=_numbers("seeds", content.get("seeds", [0]), 0),
        num_rounds=_number("rounds", content.get("rounds", 1), 1),
    )


def _read(path: pathlib.Path) -> dict:
    if not path.suffix and not path.exists():
        raise errors.UserError(
            f"--grid={path}: expected {', '.join(PRESETS)}, or a JSON file."
        )
    content = files.read_json_object(path, "grid file")
    missing = {"methods", "sizes", "draws"} - set(content)
    unknown = set(content) - _KEYS
    if missing or unknown or not isinstance(content.get("methods"), list):
        found = [f"{name} is missing" for name in sorted(missing)]
        found += [f"{name} is not known" for name in sorted(unknown)]
        raise errors.UserError(
            f"{path}: {', '.join(found) or 'methods is not a list'}; a grid has the "
            f"keys {', '.join(sorted(_KEYS))}, of which name, seeds and rounds may be "
            "left out, and methods is a list."
        )
    return content


def _check_unique(rows: Sequence[comparison.Method]) -> None:
    names = [row.name for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not rows:
        raise errors.UserError(
            f"A grid needs one method or more, each once; found {names}: give those "
            'that differ in their settings a "name" each.'
        )


def _numbers(what: str, values: Any, least: int) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple)) or not values:
        raise errors.UserError(f"{what} must be a list of numbers, found {values!r}.")
    found = tuple(_number(what, value, least) for value in values)
    if len(set(found)) < len(found):
        raise errors.UserError(f"{what} names a number twice: {list(found)}.")
    return found


def _number(what: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise errors.UserError(
            f"{what}: expected whole numbers of at least {least}, found {value!r}."
        )
    return value
