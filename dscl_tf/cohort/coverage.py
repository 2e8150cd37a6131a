"""How much of each structure the prepared grid keeps.

The grid's field of view may clip a structure, and its pixels may be too large for one.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import cases, sparse
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.cohort.integrity import Facts
from dscl_tf.cohort.problems import WARNING, Problem
from dscl_tf.config import PreprocessingConfig

_LOG = logging.getLogger(__name__)
# Share of a structure's volume that may lie beyond the grid: a few voxels at its edge.
_MOST_OUTSIDE = 0.005
# Share of the volume inside the grid that must survive. Nearest-neighbour interpolation
# normally keeps nearly all of it.
_LEAST_LEFT = 0.5


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Volume and extent of one structure of a case, in its file and on the grid."""

    label: int
    file_ml: float
    grid_ml: float
    outside_ml: float  # The part of `file_ml` beyond the grid.
    # Height and width of the centred field of view that holds the whole structure.
    extent_mm: tuple[float, float]
    image_mm: tuple[float, float]  # Height and width of the file's field of view.
    pixel_mm: float  # The smaller in-plane spacing of the file.

    @property
    def is_clipped(self) -> bool:
        """Whether more than a negligible part lies beyond the grid."""
        return self.outside_ml > _MOST_OUTSIDE * self.file_ml

    @property
    def is_thinned(self) -> bool:
        """Whether the grid's pixels are too large for the part inside the grid."""
        inside = self.file_ml - self.outside_ml
        return self.grid_ml < _LEAST_LEFT * inside


def measure(
    item: tuple[Case, Facts], dataset: Dataset, settings: PreprocessingConfig
) -> list[Coverage]:
    """Measures each structure of a case before and after resampling to the grid.

    Args:
      item: a labelled case, and the facts that its check found.
      dataset: with its label values.
      settings: with the cohort's orientation.

    Raises:
      UserError: as `cases.read_label`.
    """
    oriented, on_grid = sparse.laid_on_grid(item, dataset, settings)
    kept = np.bincount(on_grid.ravel(), minlength=cases.MAX_CLASSES)
    values = sitk.GetArrayViewFromImage(oriented)
    return [
        _of_class(k, values == k, kept[k], oriented.GetSpacing(), settings)
        for k in np.unique(values).tolist()
        if k not in (0, cases.unknown_value(dataset))
    ]


def _of_class(
    label: int, is_it: np.ndarray, kept: int, spacing_mm, settings: PreprocessingConfig
) -> Coverage:
    """The coverage of one class.

    Args:
      label: the class.
      is_it: bool [Q, rows, columns], its voxels in the file's resolution.
      kept: number of its voxels on the prepared grid.
      spacing_mm: of the file, as SimpleITK orders it.
      settings: define the grid.
    """
    across_mm = spacing_mm[2]
    in_plane_mm = spacing_mm[1], spacing_mm[0]  # Rows, columns.
    voxel_ml = math.prod(spacing_mm) / 1000
    far = [
        np.abs(index - (extent - 1) / 2) * mm
        for index, extent, mm in zip(
            np.nonzero(is_it)[1:], is_it.shape[1:], in_plane_mm
        )
    ]
    half = [extent * settings.spacing_mm / 2 for extent in settings.size_px]
    outside = (far[0] > half[0]) | (far[1] > half[1])
    return Coverage(
        label=label,
        file_ml=far[0].size * voxel_ml,
        grid_ml=kept * settings.spacing_mm**2 * across_mm / 1000,
        outside_ml=int(np.count_nonzero(outside)) * voxel_ml,
        extent_mm=tuple(2 * f.max() + mm for f, mm in zip(far, in_plane_mm)),
        image_mm=tuple(n * mm for n, mm in zip(is_it.shape[1:], in_plane_mm)),
        pixel_mm=min(in_plane_mm),
    )


def problems(
    found: Mapping[str, Sequence[Coverage]],
    dataset: Dataset,
    settings: PreprocessingConfig,
) -> list[Problem]:
    """A warning for each structure of a case that the grid clips or loses.

    Args:
      found: from `measure`, by case name.
      dataset: with its cases and label names.
      settings: define the grid.
    """
    by_name = {case.name: case for case in dataset.cases}
    every = [each for several in found.values() for each in several]
    clipped, thinned = _cure_of_clipped(every, settings), _cure_of_thin(every, settings)
    return [
        Problem(
            WARNING,
            name,
            str(by_name[name].label),
            dataset.label_names[each.label],
            f"{each.grid_ml:.3g} ml on the prepared grid, "
            f"{each.outside_ml:.3g} ml beyond it",
            f"{each.file_ml:.3g} ml as in the file",
            clipped if each.is_clipped else thinned,
        )
        for name, several in found.items()
        for each in several
        if each.is_clipped or each.is_thinned
    ]


def _cure_of_clipped(every: Sequence[Coverage], settings: PreprocessingConfig) -> str:
    wanted = [each.extent_mm for each in every if each.is_clipped]
    if not wanted:
        return ""
    # The current field of view must stay covered, for the other structures.
    wanted += [tuple(extent * settings.spacing_mm for extent in settings.size_px)]
    most_mm = [max(each) for each in zip(*wanted)]
    spacing_mm = max(mm / px for mm, px in zip(most_mm, settings.size_px))
    # Rounded up, so that the whole extent stays inside.
    spacing_mm = math.ceil(spacing_mm * 1000 - 1e-6) / 1000
    return f"{_size(most_mm, settings.spacing_mm)}, or --spacing_mm={spacing_mm:g}"


def _cure_of_thin(every: Sequence[Coverage], settings: PreprocessingConfig) -> str:
    wanted = [each for each in every if each.is_thinned]
    if not wanted:
        return ""
    pixel_mm = math.floor(min(each.pixel_mm for each in wanted) * 1000 + 1e-6) / 1000
    # Keeps the current field of view, cut to the largest image's; but large enough for
    # all structures.
    images_mm = [max(each) for each in zip(*(each.image_mm for each in every))]
    extents_mm = [max(each) for each in zip(*(each.extent_mm for each in every))]
    field_mm = [
        max(min(px * settings.spacing_mm, image), extent)
        for px, image, extent in zip(settings.size_px, images_mm, extents_mm)
    ]
    return f"--spacing_mm={pixel_mm:g} with {_size(field_mm, pixel_mm)}"


def warn_of_size(settings: PreprocessingConfig) -> None:
    """Warns early if the default U-Net cannot be trained on slices of this size."""
    network = config.NetworkConfig()
    if not network.fits(settings.size_px):
        field_mm = [extent * settings.spacing_mm for extent in settings.size_px]
        _LOG.warning(
            "--size_px=%s: the default U-Net needs multiples of %d, such as %s; with "
            "this size dscl-train needs fewer levels (--filters).",
            ",".join(map(str, settings.size_px)),
            network.multiple_px,
            _size(field_mm, settings.spacing_mm),
        )


def _size(field_mm: Sequence[float], spacing_mm: float) -> str:
    """The --size_px flag for a field of view, in a size that fits the default U-Net."""
    multiple = config.NetworkConfig().multiple_px
    extents = [
        math.ceil(mm / spacing_mm / multiple - 1e-6) * multiple for mm in field_mm
    ]
    return f"--size_px={','.join(map(str, dict.fromkeys(extents)))}"
