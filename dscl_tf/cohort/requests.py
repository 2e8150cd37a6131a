"""The request that a cohort is prepared for: its settings and original files."""

import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Optional

from dscl_tf import config_json, errors
from dscl_tf.cohort import cases, dicom_series, formats, voxel_files
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.config import PreprocessingConfig

# Keys that describe the original files.
ORIGINALS = ("sources_id", "volumes")
LABELS = "labels"  # Key of the labels' folder.


def describe(
    settings: PreprocessingConfig,
    label_names: Optional[Sequence[str]],
    dataset: Dataset,
) -> dict:
    """Everything that determines the prepared cohort, as JSON values."""
    sources = [[case.name, *stamps(case)] for case in dataset.cases]
    asked = config_json.to_json(settings)
    del asked["orientation"]  # Determined by the check, not requested.
    if settings.num_channels == 1:
        # Left out as in earlier versions; `sources_id` tells which channel it is.
        asked.pop("channels", None)
    return {
        "settings": asked,
        "source": str(dataset.root.resolve()),
        **_labels(dataset),
        "layout": dataset.format,
        "label_names": list(label_names) if label_names else None,
        **sparse(dataset),
        **subjects(dataset),
        "volumes": len(dataset.cases),
        "sources_id": hashlib.sha256(json.dumps(sources).encode()).hexdigest(),
    }


def _labels(dataset: Dataset) -> dict:
    """The folder of the labels; empty if the layout fixes it.

    Two annotators' labels may agree in names, sizes and times, so the folder matters.
    """
    return {LABELS: str(dataset.labels.resolve())} if dataset.labels else {}


def sparse(dataset: Dataset) -> dict:
    """The settings that say which voxels are labelled; empty if all are."""
    asked = {"labelled_slices": dataset.labelled_slices}
    if dataset.labelled_slices == cases.ALL_SLICES:
        asked = {}
    if dataset.ignore_label is not None:
        asked["ignore_label"] = dataset.ignore_label
    return asked


def subjects(dataset: Dataset) -> dict:
    """The pattern that finds subjects in names; empty if there is none."""
    if dataset.subject_pattern is None:
        return {}
    return {"subject_pattern": dataset.subject_pattern}


def stamps(case: Case) -> list:
    """Name, size and modification time of a case's files, to detect changed files."""
    more = [[_stamp(path), fourth] for path, fourth in case.more]
    return [_stamp(case.image), _stamp(case.label), case.fourth, *more]


def differences(before: dict, now: dict) -> str:
    """The differences between two requests, in words; "" if there are none."""
    flat = [_flat(content) for content in (before, now)]
    return "; ".join(
        "the original files have changed"
        if key == "sources_id"
        else f"{key} was {flat[0].get(key)}, is now {flat[1].get(key)}"
        for key in sorted(set(flat[0]) | set(flat[1]))
        if flat[0].get(key) != flat[1].get(key)
    )


def _flat(content: dict) -> dict:
    """A request whose settings are moved to the top level."""
    settings = content.get("settings")
    if not isinstance(settings, dict):
        return content  # Damaged, so it will differ anyway.
    return {**{key: content[key] for key in content if key != "settings"}, **settings}


def _stamp(path: Optional[pathlib.Path]) -> Optional[list]:
    if path is None:
        return None
    try:
        found = [each.stat() for each in _files(path)]
    except (OSError, errors.UserError):  # The check reports what is wrong.
        return [path.name, None, None]
    changed_ns = max(status.st_mtime_ns for status in found)
    return [path.name, sum(status.st_size for status in found), changed_ns]


def _files(path: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """The files that an image is read from."""
    if formats.is_dicom(path):
        return dicom_series.of(path).files
    return voxel_files.paths(path)
