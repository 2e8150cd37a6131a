"""MM-WHS 2017, MR or CT: file names define the cases, labels have three-digit codes."""

import pathlib
import re

from dscl_tf import errors
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.layouts import listing

EXPECTED = (
    "mmwhs, mmwhs_mr or mmwhs_ct: mr_train/mr_train_1001_image.nii.gz and "
    "mr_train_1001_label.nii.gz, or ct_ (MM-WHS 2017)"
)
NAMES = (
    "background",
    "myocardium",
    "left atrium",
    "left ventricle",
    "right atrium",
    "right ventricle",
    "ascending aorta",
    "pulmonary artery",
)
VALUES = {0: 0, 205: 1, 420: 2, 500: 3, 550: 4, 600: 5, 820: 6, 850: 7}
STRAYS = {421: 420}  # Some released labels have a few voxels of 421.
_FILE = re.compile(
    r"((mr|ct)_(?:train|test)_\d+)_(image|label)(?i:\.nii(\.gz)?)", re.ASCII
)
OTHERS = _FILE  # Images of the other modality.


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is MM-WHS, or ""."""
    files = _files(folder)
    return f"it has files such as {files[0].name}" if files else ""


def is_part(folder: pathlib.Path) -> bool:
    """Always False: mr_train alone is a dataset."""
    return False


def read(root: pathlib.Path, request: Request, why: str, modality: str = "") -> Dataset:
    """The images of one modality, those of *_test included, with their labels.

    Args:
      root: a folder with these files, or with folders that have them.
      request: not used.
      why: what the layout was recognised by.
      modality: "mr", "ct", or "" for the only one there is.

    Raises:
      UserError: there are both modalities and none is chosen, or a file occurs twice.
    """
    matches = [(_FILE.fullmatch(path.name), path) for path in _files(root)]
    there = sorted({match[2] for match, _ in matches})
    if not modality and len(there) > 1:
        raise errors.UserError(
            f"{root} has MM-WHS cases of MR and of CT, which are not trained together: "
            "choose --format=mmwhs_mr or --format=mmwhs_ct."
        )
    modality = modality or there[0]
    found: dict[str, dict[str, pathlib.Path]] = {"image": {}, "label": {}}
    twice = []
    for match, path in matches:
        if match[2] != modality:
            continue
        before = found[match[3]].setdefault(match[1], path)
        if before != path:
            twice.append(f"{before} and {path} both exist; keep one.")
    if not found["image"]:
        twice.append(f"{root} has no {modality}_..._image.nii.gz of MM-WHS.")
    listing.refuse_faults(twice)
    faults = tuple(
        listing.label_without_image(
            name, path, str(path.with_name(path.name.replace("_label.", "_image.")))
        )
        for name, path in sorted(found["label"].items())
        if name not in found["image"]
    )
    cases = tuple(
        Case(name, name, path, found["label"].get(name))
        for name, path in sorted(found["image"].items())
    )
    return Dataset("mmwhs", root, cases, NAMES, VALUES, STRAYS, why, faults)


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files named as in MM-WHS, in a folder and its subfolders."""
    here = listing.visible(folder)
    below = (p for each in listing.folders(folder) for p in listing.visible(each))
    return [path for path in (*here, *below) if _FILE.fullmatch(path.name)]
