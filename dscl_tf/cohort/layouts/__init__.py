"""Layouts of datasets as people download them: finds the cases of each.

There is one module per layout. Each has

* EXPECTED: what it looks for, for error messages;
* OTHERS: a pattern of the names, with the suffix in lower case, of images that belong
  to the layout although they are in no case; None: it accounts for all images itself;
* `recognise`: why a folder has this layout, or "";
* `is_part`: whether a folder is a part of the dataset in the folder above;
* `read`: lists the cases, and reads no voxels. A problem of one case becomes a fault of
  the dataset, which is a row of the check; a problem of the whole dataset is raised.
"""

import dataclasses
import functools
import logging
import pathlib
import re
from types import ModuleType
from typing import Optional

from dscl_tf import errors, files
from dscl_tf.cohort import formats, nifti_headers, subjects
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.layouts import (
    acdc,
    decathlon,
    dicom,
    folder,
    listing,
    mmwhs,
    nnunet,
)
from dscl_tf.cohort.problems import WARNING, Problem

__all__ = ["ACDC_FRAMES", "FORMATS", "Case", "Dataset", "Request", "find"]

ACDC_FRAMES = acdc.FRAMES
_MODULES = {
    "acdc": acdc,
    "decathlon": decathlon,
    "mmwhs": mmwhs,
    "mmwhs_ct": mmwhs,
    "mmwhs_mr": mmwhs,
    "nnunet": nnunet,
    "folder": folder,
    "dicom": dicom,
}
FORMATS = tuple(sorted(_MODULES))
# Tried in this order, and before the plain folders of volumes or DICOM files, which the
# images of every other layout resemble.
_AUTO = ("nnunet", "decathlon", "acdc", "mmwhs")
_PLAIN = ("folder", "dicom")
_WITH_CHANNELS = ("decathlon", "nnunet")
_WITHOUT_SUBJECTS = ("decathlon", "folder", "nnunet")  # Each case counts as a subject.
_LOG = logging.getLogger(__name__)


def find(request: Request, layout: str = "auto") -> Dataset:
    """Finds the cases of a dataset.

    If the dataset is in the folder above or below the source, that folder is taken. The
    log says which layout was recognised, and why.

    Args:
      request: where to look, and what for.
      layout: one of FORMATS, or "auto".

    Raises:
      UserError: the folder does not exist, has no known layout or several datasets, or
        has no cases or one twice.
    """
    _check_source(request.source)
    name, root, why = _locate(request, layout)
    _check_request(request, name)
    read = _MODULES[name].read
    if name.startswith("mmwhs_"):
        read = functools.partial(read, modality=name[len("mmwhs_") :])
    dataset = read(root, request, why)
    if not dataset.cases:
        listing.refuse_faults([str(fault) for fault in dataset.faults])
    more = _left_out(dataset, _MODULES[name].OTHERS)
    if name == "folder":
        more += _unreadable(dataset)
        more += dicom.left_out(dataset.root) if layout == "auto" else []
    _check_names(dataset)
    if request.subject_pattern is not None:
        dataset = subjects.by_pattern(dataset, request.subject_pattern)
    elif name in _WITHOUT_SUBJECTS:
        more += subjects.doubts(dataset)
    dataset = dataclasses.replace(dataset, faults=(*dataset.faults, *more))
    paths = [path for case in dataset.cases for path in case.files]
    files.require_utf8(paths)
    _LOG.info("%s: the layout is %s, since %s.", dataset.root, dataset.format, why)
    nifti_headers.warn_of_conflicts(paths)
    return dataset


def _check_source(source: pathlib.Path) -> None:
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        raise errors.UserError(
            f"--source={source} {what}; expected the folder of a dataset (unpacked)."
        )


def _locate(request: Request, layout: str) -> tuple[str, pathlib.Path, str]:
    """The layout's name, the dataset's folder, and what it was recognised by."""
    source = request.source
    names = _AUTO if layout == "auto" else (layout,)
    found = _recognised(source, names)
    if not found and not request.labels:
        # If --labels is given, a folder of images is a dataset, whatever lies above it.
        found = _above(source, names)
    if not found and layout == "auto":
        found = _recognised(source, _PLAIN)
    if not found:
        found = _below(source, names)
    if not found and layout == "auto":
        found = _below(source, ("folder",))
    if not found:
        raise _unrecognised(source, layout)
    if len(found) > 1:
        several = ", ".join(f"{root} ({name})" for name, root, _ in found[:8])
        raise errors.UserError(
            f"--source={source} has {len(found)} datasets in it: {several}; name the "
            "folder of one."
        )
    name, root, why = found[0]
    if root != source:
        _LOG.info("The dataset is taken from %s, not from %s.", root, source)
    return name, root, why


def _recognised(root: pathlib.Path, names) -> list[tuple[str, pathlib.Path, str]]:
    """The first layout that recognises a folder, as a list of one; or an empty list."""
    for name in names:
        why = _MODULES[name].recognise(root)
        if why:
            return [(name, root, why)]
    return []


def _above(source: pathlib.Path, names) -> list[tuple[str, pathlib.Path, str]]:
    above = source.resolve().parent
    parts = [name for name in names if _MODULES[name].is_part(source)]
    return _recognised(above, parts)


def _below(source: pathlib.Path, names) -> list[tuple[str, pathlib.Path, str]]:
    below = listing.folders(source)
    return [found for path in below for found in _recognised(path, names)]


def _unrecognised(source: pathlib.Path, layout: str) -> errors.UserError:
    modules: dict[ModuleType, None] = dict.fromkeys(_MODULES.values())
    if layout != "auto":
        modules = {_MODULES[layout]: None}
    expected = "".join(f"\n  {module.EXPECTED}" for module in modules)
    what = "any known layout" if layout == "auto" else f"the layout {layout}"
    return errors.UserError(
        f"--source={source} is not in {what}. Found there: {listing.summary(source)}. "
        f"Expected:{expected}"
    )


def _check_request(request: Request, name: str) -> None:
    """Refuses flags that the layout would silently ignore."""
    if request.labels and name not in _PLAIN:
        raise errors.UserError(
            f"--labels={request.labels}: the labels of {name} are read from beside "
            "the images; leave --labels out, or use --format=folder."
        )
    if request.channel and name not in _WITH_CHANNELS:
        raise errors.UserError(
            f"--channel={request.channel}: the layout {name} has one image of each "
            "subject; leave --channel out, or see --format."
        )
    if request.channels and name not in (*_WITH_CHANNELS, "folder"):
        raise errors.UserError(
            f"--channels={','.join(request.channels)}: the layout {name} has one image "
            "of each subject; leave --channels out, or see --format."
        )
    if request.subject_pattern is not None and name not in _WITHOUT_SUBJECTS:
        raise errors.UserError(
            f"--subject_pattern={request.subject_pattern}: the layout {name} itself "
            "tells which volumes belong to one patient; leave --subject_pattern out, "
            "or see --format."
        )
    if request.acdc_frames != "ED" and name != "acdc":
        raise errors.UserError(
            f"--acdc_frames={request.acdc_frames}: the dataset is {name}, not ACDC; "
            "leave --acdc_frames out, or see --format."
        )


def _left_out(dataset: Dataset, others: Optional[re.Pattern]) -> list[Problem]:
    """Warnings of images beside the cases' that are in no case and not in `others`."""
    if others is None:
        return []
    used = {path for case in dataset.cases for path in case.files}
    return [
        Problem(
            WARNING,
            formats.strip_suffix(path.name),
            str(path),
            "name",
            "an image that belongs to no case",
            f"a name as the layout {dataset.format} has it",
            "it is left out: rename it, or move it elsewhere",
        )
        for folder in sorted({path.parent for path in used})
        for path in listing.visible(folder)
        if formats.has_image_suffix(path.name)
        and path not in used
        and not others.fullmatch(formats.lower_suffix(path.name))
    ]


def _unreadable(dataset: Dataset) -> list[Problem]:
    """Warnings of files beside images and labels that are volumes in other formats."""
    folders = [it for it in (dataset.root, dataset.labels) if it]
    found = {it: listing.unreadable(it) for it in folders}
    cure = "they are left out: convert them to .nii.gz, or move them elsewhere"
    return [
        Problem(
            WARNING,
            "",
            str(folder),
            "folder",
            f"{len(paths)} files such as {paths[0].name}",
            f"names that end in {', '.join(formats.SUFFIXES)}",
            cure,
        )
        for folder, paths in found.items()
        if paths
    ]


def _check_names(dataset: Dataset) -> None:
    before: dict[str, Case] = {}
    faults = []
    for case in dataset.cases:
        if case.name in before:
            faults.append(
                f"The subject {case.name} occurs twice: {before[case.name].image} and "
                f"{case.image}; keep one."
            )
        before[case.name] = case
    listing.refuse_faults(faults)
