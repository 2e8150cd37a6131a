"""A synthetic cohort of short-axis cardiac-MR-like volumes in the ACDC layout."""

import dataclasses
import logging
import pathlib

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import parallel, phantom_anatomy, volumes

_LOG = logging.getLogger(__name__)
LABEL_NAMES = ("background", "RV", "MYO", "LV")
_FRAME = 1  # The only one written: end-diastole.


@dataclasses.dataclass(frozen=True)
class PhantomConfig:
    """Which cohort to write."""

    output: str
    num_subjects: int = 48
    seed: int = 0
    num_workers: int = 0  # 0: one a core.


@dataclasses.dataclass(frozen=True)
class PhantomVolume:
    """One subject's scan."""

    image: sitk.Image  # int16.
    label: sitk.Image  # uint8: 1 RV, 2 myocardium, 3 LV.
    info: dict[str, str]  # For Info.cfg.


def write_cohort(config: PhantomConfig) -> pathlib.Path:
    """Writes the cohort; subjects that are whole already are left as they are.

    Args:
      config: which.

    Returns:
      The folder that holds `training/patientNNN`.

    Raises:
      UserError: the folder holds another cohort, or cannot be written.
    """
    root = pathlib.Path(config.output)
    _claim(root, config)
    subjects = {
        f"patient{number:03d}": number for number in range(1, config.num_subjects + 1)
    }
    missing = {
        name: number
        for name, number in subjects.items()
        if not (root / "training" / name / "Info.cfg").exists()
    }
    if missing:
        found = parallel.run_all(
            _write_subject, missing, (root, config.seed), config.num_workers
        )
        for name, result in found.items():
            if isinstance(result, BaseException):
                raise errors.UserError(parallel.describe(name, result))
    _LOG.info("%d subjects in %s (%d of them new).", len(subjects), root, len(missing))
    return root


def make_subject(seed: int, number: int) -> PhantomVolume:
    """Makes one subject; a pure function of its arguments.

    Args:
      seed: of the cohort.
      number: of the subject, from 1.
    """
    rng = np.random.default_rng([seed, number])
    group = phantom_anatomy.GROUPS[(number - 1) % len(phantom_anatomy.GROUPS)]
    subject = phantom_anatomy.draw_subject(rng, group)
    scan = _Scan.draw(rng)
    values, covers = _paint(subject, scan)
    image = sitk.GetImageFromArray(_acquire(values, scan, rng))
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


@dataclasses.dataclass(frozen=True)
class _Scan:
    """How a subject is scanned."""

    shape: tuple[int, int]  # Rows, columns.
    pixel_mm: float
    thickness_mm: float
    heights: tuple[float, ...]  # t at the middle of each slice.
    slab: float  # Thickness in units of t.
    bias: np.ndarray  # float [5], of the coil's sensitivity.
    gamma: float
    noise: float  # Of blood.
    scale: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "_Scan":
        length_mm = rng.uniform(76, 104)
        thickness = rng.uniform(6.5, 10)
        count = int(np.clip(round(length_mm / thickness), 8, 12))
        thickness = float(np.clip(0.98 * length_mm / count, 5, 10))
        first = rng.uniform(0.0, 0.07)
        last = rng.uniform(0.9, 0.97)
        return cls(
            shape=(int(rng.integers(186, 250)), int(rng.integers(196, 262))),
            pixel_mm=round(float(rng.uniform(1.3, 1.7)), 4),
            thickness_mm=round(thickness, 2),
            heights=tuple(np.linspace(first, last, count)),
            slab=(last - first) / (count - 1),
            bias=rng.normal(0, 1, 5) * np.array([0.35, 0.45, 0.25, 0.25, 0.2]),
            gamma=float(rng.uniform(0.6, 1.5)),
            noise=float(rng.uniform(0.02, 0.07)),
            scale=float(rng.uniform(250, 1100)),
        )


def _paint(subject: phantom_anatomy.Subject, scan: _Scan):
    """Intensities [Z, H, W] and label shares [3, Z, H, W], averaged over the slab."""
    x, y = (
        (np.arange(extent) - (extent - 1) / 2) * scan.pixel_mm
        for extent in scan.shape[::-1]
    )
    parts = []
    for offset in (-0.25, 0.25):
        heights = np.array(scan.heights) + offset * scan.slab
        # Blood and muscle meet over about a pixel in a real scan.
        canvas = phantom_anatomy.Canvas(subject, x, y, heights, 1.2 * scan.pixel_mm)
        phantom_anatomy.paint_trunk(canvas)
        phantom_anatomy.paint_heart(canvas)
        parts.append((canvas.values, canvas.covers))
    return [sum(part) / len(parts) for part in zip(*parts)]


def _majority(covers: np.ndarray) -> np.ndarray:
    """The label that most of a voxel is, uint8 [Z, H, W]."""
    background = 1 - covers.sum(axis=0, keepdims=True)
    return np.concatenate([background, covers]).argmax(axis=0).astype(np.uint8)


def _acquire(values: np.ndarray, scan: _Scan, rng: np.random.Generator) -> np.ndarray:
    """Texture, contrast curve, coil sensitivity, Rician noise; int16."""
    values = values * (1 + 0.5 * _smooth_noise(rng, values.shape))
    values = np.clip(values, 0, None) ** scan.gamma
    y, x = np.meshgrid(
        *(np.linspace(-1, 1, extent) for extent in scan.shape), indexing="ij"
    )
    basis = np.stack([x, y, x * y, x**2 - 0.3, y**2 - 0.3])
    drift = 1 + 0.06 * rng.normal(size=[len(values), 1, 1])  # Breath-holds differ.
    values = values * np.exp(np.tensordot(scan.bias, basis, 1)) * drift
    real, imaginary = scan.noise * rng.normal(size=[2, *values.shape])
    magnitude = np.hypot(values + real, imaginary)
    return np.round(scan.scale * magnitude).astype(np.int16)


def _smooth_noise(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Mottled tissue: noise with a correlation of a few pixels, about +-0.1."""
    noise = sitk.GetImageFromArray(rng.normal(size=shape).astype(np.float32))
    smooth = sitk.RecursiveGaussian(
        sitk.RecursiveGaussian(noise, 2.0, direction=0), 2.0, direction=1
    )
    values = sitk.GetArrayFromImage(smooth)
    return 0.1 * values / values.std()


def _write_subject(number: int, root: pathlib.Path, seed: int) -> bool:
    """Writes one subject; Info.cfg last, since it marks the subject as whole."""
    name = f"patient{number:03d}"
    folder = root / "training" / name
    made = make_subject(seed, number)
    stem = f"{name}_frame{_FRAME:02d}"
    volumes.write_image(made.image, folder / f"{stem}.nii.gz")
    volumes.write_image(made.label, folder / f"{stem}_gt.nii.gz")
    lines = [f"{key}: {value}" for key, value in made.info.items()]
    files.write_text(folder / "Info.cfg", "\n".join(lines) + "\n")
    return True


def _claim(root: pathlib.Path, config: PhantomConfig) -> None:
    """Marks the folder with its seed, so that no two cohorts mix."""
    marker = root / "phantom.json"
    if marker.exists():
        seed = files.read_json_object(marker, "phantom's marker").get("seed")
        if seed != config.seed:
            raise errors.UserError(
                f"--output={root} holds the phantom of seed {seed}, not {config.seed}: "
                "name another folder."
            )
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise errors.UserError(
            f"--output={root} is not empty: name an empty or new folder."
        )
    files.write_json(marker, {"seed": config.seed})
