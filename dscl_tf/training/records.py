"""Records of what runs were asked to do, and whether two of them are the same run."""

import dataclasses
import functools
import json
import operator
import os
import platform
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

import dscl_tf
from dscl_tf import checks, config, config_json, errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.cohort.splits import Split

FORMAT = 1
# What decides the final weights of a stage: these settings, and subsets of the split.
# All others may change, so that a finished encoder serves any fine-tuning.
_COMMON = ("stage", "init", "seed", "optimizer")
_STEPS = "config.optimizer.num_steps"
_NETWORK = (
    "filters",
    "norm",
    "batch_norm_momentum",
    "batch_norm_epsilon",
    "sync_batch_norm",
)
_SETTINGS = {
    "encoder": ("views", "global_", "num_probe"),
    "decoder": ("views", "local", "num_probe"),
    "pretext": ("pretext", "num_probe"),
    "finetune": ("finetune",),
}
# The field of NetworkConfig for the projection head of each group of settings.
_HEADS = {"global_": "global_head_units", "local": "local_head_units"}


@dataclasses.dataclass(frozen=True)
class Lengthening:
    """One occasion on which a run was given more steps."""

    at_step: int  # Steps taken before, while schedules were those of `from_steps`.
    from_steps: int  # The number of steps that it was to take until then.


@dataclasses.dataclass(frozen=True)
class Computing:
    """How a run computes, as resolved on the machine that began it."""

    precision: str  # A Keras mixed-precision policy.
    jit: bool  # Whether XLA compiles the training step.
    num_devices: int  # Devices that share each batch.

    def __str__(self) -> str:
        xla = "on" if self.jit else "off"
        return f"{self.precision}, XLA {xla}, on {self.num_devices} device(s)"


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """The content of a run's `config.json`."""

    config: config.StageConfig
    split: Split
    cohort_id: str
    label_names: tuple[str, ...]
    preprocessing: config.PreprocessingConfig
    versions: dict  # Versions of software packages, by name.
    # The voxel value of each class in mask files; None: the class numbers themselves.
    label_values: Optional[tuple[int, ...]] = dataclasses.field(
        default=None, metadata=checks.ABSENT
    )
    # The earliest first.
    lengthened: tuple[Lengthening, ...] = dataclasses.field(
        default=(), metadata=checks.ABSENT
    )
    # None: recorded by an earlier version, without it.
    computing: Optional[Computing] = dataclasses.field(
        default=None, metadata=checks.ABSENT
    )

    def volumes_learned_from(self) -> set[str]:
        """Names of the volumes used to train or to choose its weights."""
        subsets = set(_subsets(self.config)) - {"test"}
        return {name for subset in subsets for name in getattr(self.split, subset)}


def make_record(
    stage_config: config.StageConfig, cohort: PreparedCohort, split: Split
) -> RunRecord:
    """The record of a new run; its folders are valid from any working directory."""
    return RunRecord(
        config=stage_config.from_anywhere,
        split=split,
        cohort_id=cohort.content_id,
        label_names=cohort.label_names,
        preprocessing=cohort.settings,
        versions={
            "dscl_tf": dscl_tf.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        label_values=cohort.label_values,
    )


def to_json(record: RunRecord) -> dict:
    """The content of config.json."""
    return {"format": FORMAT, **config_json.to_json(record)}


def from_json(content: Mapping[str, Any], where: str) -> RunRecord:
    """The record of a config.json.

    Args:
      content: content of the file.
      where: path of the file, for messages.

    Raises:
      UserError: a field is missing or not valid, or it is of another version.
    """
    fields = dict(content)
    if fields.pop("format", None) != FORMAT:
        raise errors.UserError(
            f"{where}: format {content.get('format')!r}, expected {FORMAT}: it is not "
            "a run of this version of dscl_tf."
        )
    record: RunRecord = config_json.from_json(RunRecord, fields, where)
    if record.config.stage not in _SETTINGS:
        raise errors.UserError(
            f"{where}: config.stage must be one of {', '.join(_SETTINGS)}, found "
            f"{record.config.stage!r}."
        )
    return record


def differences(old: RunRecord, new: RunRecord) -> str:
    """Describes what makes two records different runs; empty if nothing does.

    Settings that the stage does not use, how it computes, and where its files are
    do not count.
    """
    return _in_words(_differing(old, new))


def steps_added(old: RunRecord, new: RunRecord) -> int:
    """How many more steps the new run has than the old; negative if it has fewer.

    It is 0, too, if anything else makes them different runs.
    """
    found = _differing(old, new)
    if [name for name, _, _ in found] != [_STEPS]:
        return 0
    return new.config.optimizer.num_steps - old.config.optimizer.num_steps


def _differing(old: RunRecord, new: RunRecord) -> list[tuple]:
    """The names of fields that make two records different runs, with both values."""
    before, now = _decisive(old), _decisive(new)
    for path in config.paths_of_runs(new.config):
        if path[0] in before["config"]:
            runs = [_at(each["config"], path) for each in (before, now)]
            if _same_start(old.config, new.config, *runs):
                _set(before["config"], path, runs[1])
    return list(_unequal(before, now))


def other_preprocessing(
    old: config.PreprocessingConfig, new: config.PreprocessingConfig
) -> str:
    """Describes how preparation of the slices differs; empty if it does not.

    Orientation is left out, since each cohort has a reference of its own, and so are
    channels, which `channels.require_same` compares.
    """
    plain = {"orientation": None, "channels": None}
    both = [dataclasses.replace(each, **plain) for each in (old, new)]
    return _in_words(_unequal(*map(config_json.to_json, both)))


def fingerprint(record: RunRecord) -> int:
    """A checksum that is equal for requests that processes can work on together."""
    content = to_json(record)
    settings = content["config"]
    # Hosts may have the same files in other places, and another version of Python.
    for path in config.paths_of_runs(record.config):
        _set(settings, path, None)
    del settings["prepared"], settings["workdir"], settings["runtime"]["command"]
    del content["versions"]
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _decisive(record: RunRecord) -> dict:
    content, stage = config_json.to_json(record), record.config.stage
    settings = _without_unused(record.config)
    network = settings["network"]
    more = record.config.finetune.uses_groups if stage == "finetune" else ()
    names = (*_COMMON, *_SETTINGS[stage], *more)
    used = (*_NETWORK, *(_HEADS[name] for name in names if name in _HEADS))
    return {
        "config": {
            **{name: settings[name] for name in names},
            "network": {name: network[name] for name in used},
        },
        "split": {name: content["split"][name] for name in _subsets(record.config)},
        "cohort_id": content["cohort_id"],
        "label_names": content["label_names"],
        **_several_channels(record),
    }


def _several_channels(record: RunRecord) -> dict:
    if record.preprocessing.num_channels == 1:
        return {}  # Implied by the cohort; earlier versions did not record which it is.
    return {"channels": [it.name for it in record.preprocessing.channels]}


def _without_unused(settings: Any) -> dict:
    """The settings as JSON, with defaults for those that others make ineffective."""
    content = config_json.to_json(settings)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            content[field.name] = _without_unused(value)
        elif field.name in getattr(settings, "unused", ()):
            content[field.name] = config_json.to_json(field.default)
    return content


def _subsets(settings: config.StageConfig) -> tuple[str, ...]:
    """The subsets of the split that define a run; in fine-tuning the test set, too."""
    if settings.stage != "finetune":
        return ("pretrain",)
    more = ("pretrain",) if settings.finetune.uses_unlabelled else ()
    return (*more, "train", "validation", "test")


def _at(content: Mapping, path: Sequence[str]) -> Any:
    return functools.reduce(operator.getitem, path, content)


def _set(content: dict, path: Sequence[str], value: Any) -> None:
    _at(content, path[:-1])[path[-1]] = value


def _same_start(
    old: config.StageConfig,
    new: config.StageConfig,
    before: Optional[str],
    now: Optional[str],
) -> bool:
    """Whether both start from the same run, which may have been moved with them."""
    if before is None or now is None:
        return before == now
    return os.path.abspath(before) == os.path.abspath(now) or os.path.relpath(
        before, old.workdir
    ) == os.path.relpath(now, new.workdir)


def _in_words(found: Iterable[tuple]) -> str:
    return "; ".join(
        f"{name} was {first!r}, is now {second!r}" for name, first, second in found
    )


def _unequal(old: Any, new: Any, where: str = "") -> Iterator[tuple]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(set(old) | set(new)):
            inner = f"{where}.{name}" if where else name
            yield from _unequal(old.get(name), new.get(name), inner)
    elif old != new:
        yield where, old, new
