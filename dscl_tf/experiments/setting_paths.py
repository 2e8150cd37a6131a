"""Dotted paths of single settings of the stages, such as "global_.temperature"."""

from collections.abc import Mapping
from typing import Any

from dscl_tf import config, config_json, errors

# Groups of settings that a stage has no use for.
_NO_PART: dict[str, tuple[str, ...]] = {
    "encoder": ("finetune", "local", "pretext"),
    "decoder": ("finetune", "pretext"),
    "pretext": ("finetune", "global_", "local", "views"),
    "finetune": (),
}
STAGES = tuple(_NO_PART)


def matters(path: str, stage: str) -> bool:
    """Whether a setting may matter to a stage."""
    group = path.partition(".")[0]
    if path != in_stage(path):
        return group == stage
    return group not in _NO_PART[stage]


def in_stage(path: str) -> str:
    """The path in StageConfig: without the stage, if it is for one stage alone."""
    stage, _, inner = path.partition(".")
    return inner if stage in _NO_PART and inner.startswith("optimizer.") else path


def replaced(stage: config.StageConfig, settings: Mapping[str, Any]):
    """The stage with some of its settings changed.

    Args:
      stage: the settings before.
      settings: JSON values by dotted path in StageConfig. Before `optimizer` the path
        may name the stage that it is for.

    Raises:
      UserError: there is no such path, or the value does not fit.
    """
    content = config_json.to_json(stage)
    for path, value in settings.items():
        inner, names = content, in_stage(path).split(".")
        for name in names[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or names[-1] not in inner:
            raise errors.UserError(
                f"Setting {path!r}: the stages have no such setting; expected a path "
                f"such as global_.num_partitions, starting with one of "
                f"{', '.join(sorted(content))}."
            )
        inner[names[-1]] = list(value) if isinstance(value, tuple) else value
    return config_json.from_json(config.StageConfig, content, "setting")
