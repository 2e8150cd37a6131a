"""What a prepared cohort was asked to be: settings and original files."""

import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Optional

from dscl_tf import config_json, errors
from dscl_tf.cohort import cases, dicom_series, formats, voxel_files
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.config import PreprocessingConfig

# Keys that say which original files there were.
ORIGINALS = ("sources_id", "volumes")
LABELS = "labels"  # Key of their folder.


def describe(
    settings: PreprocessingConfig,
    label_names: Optional[Sequence[str]],
    dataset: Dataset,
) -> dict:
    """All that decides the outcome, as JSON values."""
    sources = [[case.name, *stamps(case)] for case in dataset.cases]
    asked = config_json.to_json(settings)
    del asked["orientation"]  # Found, not asked for.
    if settings.num_channels == 1:
        # As it was before cohorts remembered it; the files tell which one it is.
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
    """The folder of the labels; nothing where the source tells.

    Labels of two readers may have the same names, sizes and times.
    """
    return {LABELS: str(dataset.labels.resolve())} if dataset.labels else {}


def sparse(dataset: Dataset) -> dict:
    """What says which voxels are labelled; nothing where all are."""
    asked = {"labelled_slices": dataset.labelled_slices}
    if dataset.labelled_slices == cases.ALL_SLICES:
        asked = {}
    if dataset.ignore_label is not None:
        asked["ignore_label"] = dataset.ignore_label
    return asked


def subjects(dataset: Dataset) -> dict:
    """What told the subjects by the names; nothing where the layout does."""
    if dataset.subject_pattern is None:
        return {}
    return {"subject_pattern": dataset.subject_pattern}


def stamps(case: Case) -> list:
    """Name, size and time of a case's image and label; they tell a changed file."""
    more = [[_stamp(path), fourth] for path, fourth in case.more]
    return [_stamp(case.image), _stamp(case.label), case.fourth, *more]


def differences(before: dict, now: dict) -> str:
    """What differs between two requests, in words."""
    flat = [_flat(content) for content in (before, now)]
    return "; ".join(
        "the original files have changed"
        if key == "sources_id"
        else f"{key} was {flat[0].get(key)}, is now {flat[1].get(key)}"
        for key in sorted(set(flat[0]) | set(flat[1]))
        if flat[0].get(key) != flat[1].get(key)
    )


def _flat(content: dict) -> dict:
    """A request with its settings among the other fields."""
    settings = content.get("settings")
    if not isinstance(settings, dict):
        return content  # Damaged, and so different.
    return {**{key: content[key] for key in content if key != "settings"}, **settings}


def _stamp(path: Optional[pathlib.Path]) -> Optional[list]:
    if path is None:
        return None
    try:
        found = [each.stat() for each in _files(path)]
    except (OSError, errors.UserError):  # The check says what is wrong with it.
        return [path.name, None, None]
    changed_ns = max(status.st_mtime_ns for status in found)
    return [path.name, sum(status.st_size for status in found), changed_ns]


def _files(path: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """The files that an image is read from."""
    if formats.is_dicom(path):
        return dicom_series.of(path).files
    return voxel_files.paths(path)
