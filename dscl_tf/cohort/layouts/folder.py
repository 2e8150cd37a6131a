"""A plain folder of volumes, and optionally a folder of labels with the same names."""

import pathlib
from collections.abc import Collection, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import file_channels, formats
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.layouts import listing
from dscl_tf.cohort.problems import WARNING, Problem, first_of

EXPECTED = (
    f"folder: volumes ({', '.join(formats.SUFFIXES)}) in the folder itself; label "
    "volumes of the same names in labels/ in it, or in --labels=DIR"
)
OTHERS = None
_IMAGES = "images"
_SHOWN = 4  # A message lists at most this many names.


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is a dataset of volumes, or ""."""
    if _has_images(folder):
        return "it has volumes in it, and no other layout fits"
    if _has_images(folder / _IMAGES) and _has_images(folder / listing.LABELS):
        return f"it has volumes in {_IMAGES}/ and {listing.LABELS}/"
    return ""


def is_part(folder: pathlib.Path) -> bool:
    """Always False: any folder of volumes is a dataset by itself."""
    return False


def read(root: pathlib.Path, request: Request, why: str) -> Dataset:
    """The volumes of a folder; each is a subject.

    Raises:
      UserError: two volumes have the same name, or labels are given but none fits.
    """
    folder = request.labels or listing.default_labels(root)
    if not _has_images(root):
        root = root / _IMAGES
    found = listing.images_by_name(root)
    channels = file_channels.parse(request.channels) if request.channels else None
    faults: list[Problem] = []
    if channels:
        images, faults = file_channels.group(found, channels)
    else:
        images = {name: [path] for name, path in found.items()}
    labels = labels_by_name(root, folder, images)
    cases = tuple(
        Case(name, name, paths[0], labels.get(name), more=_later(paths))
        for name, paths in sorted(images.items())
        if all(paths)
    )
    faults += [
        listing.label_without_image(name, path, f"{root / name}.*")
        for name, path in sorted(labels.items())
        if name not in images
    ]
    faults += _labels_among(images)
    faults += [] if folder else _labels_beside(root, images)
    told = {"why": why, "faults": tuple(faults), "labels": folder}
    return Dataset("folder", root, cases, None, channels=channels, **told)


def _labels_among(images: Collection[str]) -> list[Problem]:
    """A warning if images have names like label maps of other images."""
    found = formats.labels_among(images)
    if not found:
        return []
    names = list(found)
    cure = "if they are labels, move them to a separate folder, each named like its "
    cure += f"image ({found[names[0]]}), and give that folder as --labels"
    shown = first_of(names, _SHOWN, " and ")
    what = f"{shown}, treated as images", "only images", cure
    return [Problem(WARNING, "", "all images", "name", *what)]


def _labels_beside(root: pathlib.Path, images: Collection[str]) -> list[Problem]:
    """A warning if labels lie beside the folder of images, and were not asked for."""
    beside = root.resolve().parent / listing.LABELS
    if root.name == listing.LABELS or not beside.is_dir():
        return []
    names = [formats.strip_suffix(path.name) for path in listing.visible(beside)]
    count = len({*names} & {*images})
    if not count:
        return []
    what = f"{count} volumes of the images' names", "--labels with it"
    cure = f"they are not read: give --labels={beside} if they are labels"
    return [Problem(WARNING, "", str(beside), "labels", *what, cure)]


def _later(paths: Sequence[pathlib.Path]) -> tuple[tuple[pathlib.Path, None], ...]:
    """The channels after the first, in the form of `Case.more`."""
    return tuple((path, None) for path in paths[1:])


def _has_images(folder: pathlib.Path) -> bool:
    return any(
        formats.has_image_suffix(path.name) and not path.is_dir()
        for path in listing.visible(folder)
    )


def labels_by_name(
    root: pathlib.Path, labels: Optional[pathlib.Path], images: Collection[str]
) -> dict[str, pathlib.Path]:
    """The label volumes of a folder by name without suffix, or without .seg.nrrd.

    Args:
      root: folder of the images, for the error message.
      labels: folder of the labels; None: there are none.
      images: the images' names.

    Raises:
      UserError: `labels` is not a folder, two labels have the same name, or none has
        the name of an image.
    """
    if not labels:
        return {}
    if not labels.is_dir():
        raise errors.UserError(f"--labels={labels} is not a folder.")
    found = _without_seg(labels, images)
    if not set(found) & set(images):
        shown = ", ".join(sorted(found)[:5]) or "-"
        longer = [i for i in images for n in found if i.startswith((f"{n}_", f"{n}-"))]
        raise errors.UserError(
            f"--labels={labels}: no label has the name of an image in {root}; found "
            f"{shown} ({len(found)} labels in all)."
            + (f" If {longer[0]} is a channel, see --channels." if longer else "")
        )
    return found


def _without_seg(
    folder: pathlib.Path, images: Collection[str]
) -> dict[str, pathlib.Path]:
    """The volumes in a folder by name; 3D Slicer's NAME.seg.nrrd has the name NAME."""
    found: dict[str, pathlib.Path] = {}
    for stem, path in listing.images_by_name(folder).items():
        name = stem
        if formats.is_segmentation(path.name) and stem not in images:
            name = stem[: -len(formats.SEGMENTATION)]
        if name in found:
            raise listing.two_of_a_name(name, found[name], path)
        found[name] = path
    return found
