"""A synthetic cohort of short-axis cardiac-MR-like volumes in the ACDC layout."""

import dataclasses
import logging
import pathlib

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import image_writing, parallel
from dscl_tf.cohort.phantom import acquisition, anatomy
from dscl_tf.cohort.phantom.subject import GROUPS, Subject, draw_subject

_LOG = logging.getLogger(__name__)
LABEL_NAMES = ("background", "RV", "MYO", "LV")
_FRAME = 1  # The only frame that is written: end-diastole.
_MARKER = "phantom.json"
_VERSION = 2  # Of the anatomy and its drawing; one cohort must have one version.


@dataclasses.dataclass(frozen=True)
class PhantomConfig:
    """Which cohort to write."""

    output: str
    num_subjects: int = 48
    seed: int = 0
    num_workers: int = 0  # 0: one per core.


@dataclasses.dataclass(frozen=True)
class PhantomVolume:
    """One subject's scan."""

    image: sitk.Image  # int16.
    label: sitk.Image  # uint8: 1 RV, 2 myocardium, 3 LV.
    info: dict[str, str]  # For Info.cfg.


def write_cohort(config: PhantomConfig) -> pathlib.Path:
    """Writes the cohort, except for subjects that already exist completely.

    Args:
      config: which cohort to write.

    Returns:
      The folder that holds `training/patientNNN`.

    Raises:
      UserError: the folder holds another cohort, or cannot be written.
    """
    root = pathlib.Path(config.output)
    _claim(root, config)
    missing = {
        _name(number): number
        for number in range(1, config.num_subjects + 1)
        if not all(path.is_file() for path in _paths(root, number))
    }
    if missing:
        found = parallel.run_all(
            _write_subject, missing, (root, config.seed), config.num_workers
        )
        for name, result in found.items():
            if isinstance(result, BaseException):
                raise errors.UserError(parallel.describe(name, result))
    _LOG.info("%d subjects in %s (%d new).", config.num_subjects, root, len(missing))
    return root


def make_subject(seed: int, number: int) -> PhantomVolume:
    """Makes one subject; a pure function of its arguments.

    Args:
      seed: of the cohort, at least 0.
      number: of the subject, from 1.
    """
    rng = np.random.default_rng([seed, number])
    group = GROUPS[(number - 1) % len(GROUPS)]
    subject = draw_subject(rng, group)
    scan = acquisition.draw_scan(rng)
    values, covers = paint(subject, scan)
    image = sitk.GetImageFromArray(acquisition.acquire(values, scan, rng))
    label = sitk.GetImageFromArray(_majority(covers))
    for volume in (image, label):
        volume.SetSpacing([scan.pixel_mm, scan.pixel_mm, scan.thickness_mm])
    info = {
        "ED": str(_FRAME),
        "ES": str(rng.integers(9, 14)),
        "Group": group,
        "Height": f"{rng.uniform(150, 195):.1f}",
        "NbFrame": str(rng.integers(25, 36)),
        "Weight": f"{rng.uniform(50, 110):.1f}",
    }
    return PhantomVolume(image, label, info)


def paint(subject: Subject, scan: acquisition.Scan) -> tuple[np.ndarray, np.ndarray]:
    """Intensities [Z, H, W] and label shares [3, Z, H, W], averaged over the slab."""
    x, y = (
        (np.arange(extent) - (extent - 1) / 2) * scan.pixel_mm
        for extent in scan.shape[::-1]
    )
    parts = []
    for offset in (-0.25, 0.25):
        heights = np.array(scan.heights) + offset * scan.slab
        # In a real scan, the border of blood and muscle is about a pixel wide.
        canvas = anatomy.Canvas(subject, x, y, heights, 1.2 * scan.pixel_mm)
        anatomy.paint_trunk(canvas)
        anatomy.paint_heart(canvas)
        parts.append((canvas.values, canvas.covers))
    values, covers = (sum(part) / len(parts) for part in zip(*parts))
    return values, covers


def _majority(covers: np.ndarray) -> np.ndarray:
    """The label with the largest share of each voxel, uint8 [Z, H, W]."""
    background = 1 - covers.sum(axis=0, keepdims=True)
    return np.concatenate([background, covers]).argmax(axis=0).astype(np.uint8)


def _name(number: int) -> str:
    return f"patient{number:03d}"


def _paths(root: pathlib.Path, number: int) -> tuple[pathlib.Path, ...]:
    """A subject's image, label and Info.cfg."""
    name = _name(number)
    stem = root / "training" / name / f"{name}_frame{_FRAME:02d}"
    return (
        stem.with_suffix(".nii.gz"),
        stem.with_name(f"{stem.name}_gt.nii.gz"),
        stem.with_name("Info.cfg"),
    )


def _write_subject(number: int, root: pathlib.Path, seed: int) -> None:
    """Writes one subject; Info.cfg comes last, since readers find subjects by it."""
    made = make_subject(seed, number)
    image, label, info = _paths(root, number)
    image_writing.write_image(made.image, image)
    image_writing.write_image(made.label, label)
    lines = [f"{key}: {value}" for key, value in made.info.items()]
    files.write_text(info, "\n".join(lines) + "\n")


def _claim(root: pathlib.Path, config: PhantomConfig) -> None:
    """Marks the folder with version and seed, so that no two cohorts mix."""
    if root.exists() and not root.is_dir():
        raise errors.UserError(f"--output={root} is a file: name a folder.")
    marker, ours = root / _MARKER, {"version": _VERSION, "seed": config.seed}
    if marker.exists():
        _require_same(root, files.read_json_object(marker, "phantom's marker"), ours)
        return
    # Hidden files do not count: writing the marker leaves one if it is killed.
    if root.exists() and any(p for p in root.iterdir() if p.name[0] != "."):
        raise errors.UserError(
            f"--output={root} is not empty: name an empty or new folder."
        )
    files.write_json(marker, ours)


def _require_same(root: pathlib.Path, found: dict, ours: dict) -> None:
    found = {"version": 1, **found}  # Version 1 did not write its number.
    for field, value in ours.items():
        if found.get(field) != value:
            raise errors.UserError(
                f"--output={root} holds the phantom of {field} {found.get(field)}, not "
                f"{value}: name another folder."
            )
