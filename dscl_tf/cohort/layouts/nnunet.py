"""nnU-Net v2: file names define case and channel, dataset.json defines the labels."""

import logging
import pathlib
from collections.abc import Mapping
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import file_channels, formats
from dscl_tf.cohort.cases import MAX_CLASSES, Case, Dataset, Request
from dscl_tf.cohort.layouts import dataset_json, listing
from dscl_tf.cohort.problems import ERROR, Problem

EXPECTED = (
    "nnunet: dataset.json with channel_names, labels and file_ending, beside "
    "imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz (nnU-Net v2)"
)
is_part = dataset_json.is_part  # `recognise` then decides for the folder above.
OTHERS = None
_LOG = logging.getLogger(__name__)


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is an nnU-Net v2 dataset, or "".

    Raises:
      UserError: its dataset.json is unreadable, or of no known kind.
    """
    if dataset_json.kind(folder) != "nnunet":
        return ""
    return f"{dataset_json.NAME} has channel_names or file_ending"


def read(root: pathlib.Path, request: Request, why: str) -> Dataset:
    """The cases of imagesTr and imagesTs; labels are optional.

    Raises:
      UserError: dataset.json lacks a field, or there is no such channel.
    """
    path, content = root / dataset_json.NAME, dataset_json.read(root)
    channels = dataset_json.channel_names(path, content, "channel_names")
    chosen = dataset_json.chosen_channels(path, channels, request)
    suffix = _suffix(path, content)
    labels = dict(dataset_json.field(path, content, "labels", dict))
    ignored = _ignored(path, labels)
    names, values = dataset_json.vocabulary(path, _named_values(path, labels))
    faults: list[Problem] = []
    training, test = (
        _cases(root, kind, suffix, chosen, faults) for kind in ("Tr", "Ts")
    )
    faults[:0] = _count_fault(path, content, len(training))
    if not training and not test:
        faults.append(_no_images(root, suffix))
    found = (*training, *test), names, values, {}, why, tuple(faults)
    taken = chosen if len(channels) > 1 else None
    return Dataset("nnunet", root, *found, ignore_label=ignored, channels=taken)


def _suffix(path: pathlib.Path, content: Mapping) -> str:
    suffix = dataset_json.field(path, content, "file_ending", str)
    if suffix.lower() not in formats.SUFFIXES:
        raise errors.UserError(
            f"{path}: field file_ending: found {suffix!r:.80}, expected one of "
            f"{', '.join(formats.SUFFIXES)}; convert the images first."
        )
    return suffix


def _cases(root, kind: str, suffix: str, channels, faults: list) -> list[Case]:
    """The cases of imagesTr or imagesTs; problems are added to `faults`."""
    folder = root / f"images{kind}"
    images = _by_stem(folder, suffix, faults)
    labels = _by_stem(root / f"labels{kind}", suffix, faults)
    cases = []
    names = {stem[:-5] if _is_channel(stem) else stem for stem in images}
    for name in sorted(names | set(labels)):
        stems = [f"{name}_{channel.number:04d}" for channel in channels]
        lacking = [stem for stem in stems if stem not in images]
        if not lacking:
            first, *more = (images[stem] for stem in stems)
            more = tuple((path, None) for path in more)
            cases.append(Case(name, name, first, labels.get(name), more=more))
        elif name in images:
            cure = "rename it so that its channel comes last"
            where = str(images[name]), "name", "no channel"
            faults.append(Problem(ERROR, name, *where, "one such as _0000", cure))
        elif name in names:
            faults += [
                file_channels.missing(name, folder / f"{stem}{suffix}")
                for stem in lacking
            ]
        else:
            wanted = str(folder / f"{stems[0]}{suffix}")
            found = listing.label_without_image(name, labels[name], wanted)
            faults.append(found)
    return cases


def _by_stem(folder: pathlib.Path, suffix: str, faults: list) -> dict:
    """The images of a folder by name without suffix; problems are added to `faults`.

    The suffix may be in capitals or not.
    """
    found: dict[str, pathlib.Path] = {}
    for path in listing.visible(folder):
        if not formats.has_image_suffix(path.name):
            continue
        stem = formats.strip_suffix(path.name)
        if formats.suffix_of(path.name) != suffix.lower():
            where = str(path), "name", formats.suffix_of(path.name)
            expected = f"file_ending ({suffix}) of {dataset_json.NAME}"
            faults.append(
                Problem(
                    ERROR, stem, *where, expected, "convert it, or move it elsewhere"
                )
            )
        elif stem in found:
            where = str(path), "name", f"the same as {found[stem].name}"
            faults.append(Problem(ERROR, stem, *where, "one file", "keep one of them"))
        else:
            found[stem] = path
    return found


def _is_channel(stem: str) -> bool:
    number = stem[-4:]
    return stem[-5:-4] == "_" and number.isascii() and number.isdigit() and stem[:-5]


def _count_fault(path: pathlib.Path, content: Mapping, found: int) -> list[Problem]:
    """An error if numTraining differs from the number of cases.

    dataset.json does not list the files, so only their number shows that some are
    missing.
    """
    said = content.get("numTraining", found)
    if said == found:
        return []
    cure = "copy the dataset again, or correct the number"
    where = "", str(path), "numTraining", f"{said!r:.40}"
    return [Problem(ERROR, *where, f"{found}, as imagesTr has {found} cases", cure)]


def _no_images(root: pathlib.Path, suffix: str) -> Problem:
    cure = f"copy the dataset again, or correct file_ending in {dataset_json.NAME}"
    wanted = f"files such as imagesTr/CASE_0000{suffix}"
    return Problem(ERROR, "", str(root), "images", "none", wanted, cure)


def _ignored(path: pathlib.Path, labels: dict) -> Optional[int]:
    """The value of unannotated voxels; removes it from `labels`, as it is no class."""
    if dataset_json.IGNORE not in labels:
        return None
    values = _values(path, dataset_json.IGNORE, labels.pop(dataset_json.IGNORE))
    if len(values) > 1:
        raise errors.UserError(
            f"{path}: field labels: ignore: found {values!r:.80}, expected one value."
        )
    return values[0]


def _named_values(path: pathlib.Path, labels: Mapping) -> dict[int, str]:
    """The name of each voxel value, from {"background": 0, "PZ": 1} or from regions."""
    if len(labels) > MAX_CLASSES:
        raise errors.UserError(
            f"{path}: field labels: found {len(labels)} names, expected at most "
            f"{MAX_CLASSES}."
        )
    regions = {name: _values(path, name, value) for name, value in labels.items()}
    taken = [region[0] for region in regions.values() if len(region) == 1]
    twice = listing.first_twice(map(str, taken))
    if twice is not None:
        raise errors.UserError(
            f"{path}: field labels: the value {twice} has two names; keep one."
        )
    if any(len(region) > 1 for region in regions.values()):
        return _named_by_region(path, regions)
    return {region[0]: name for name, region in regions.items()}


def _values(path: pathlib.Path, name: str, value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    fits = 1 <= len(values) <= MAX_CLASSES
    if not fits or not all(type(item) is int and item >= 0 for item in values):
        raise errors.UserError(
            f"{path}: field labels: {name}: found {value!r:.80}, expected a voxel "
            "value, or a list of them."
        )
    return values


def _named_by_region(path: pathlib.Path, regions: Mapping) -> dict[int, str]:
    """Names each value by its smallest region, since classes here do not overlap."""
    smallest = {}
    for value in sorted({value for region in regions.values() for value in region}):
        having = [name for name, region in regions.items() if value in region]
        smallest[value] = min(having, key=lambda name: len(regions[name]))
    shared = list(smallest.values())
    named = {
        value: name if shared.count(name) == 1 else f"{name} ({value})"
        for value, name in smallest.items()
    }
    _LOG.warning(
        "%s: labels has overlapping regions, but classes cannot overlap: each voxel "
        "value becomes one class, named after the smallest region that contains it "
        "(%s).",
        path,
        ", ".join(f"{value}: {name}" for value, name in named.items() if value),
    )
    return named
