"""Settings of preparation and of splits."""

import dataclasses
import math
from typing import Optional

from dscl_tf import checks


@dataclasses.dataclass(frozen=True)
class OrientationConfig:
    """The orientation that all volumes are turned to; found from their headers."""

    # Direction cosines of the reference as SimpleITK orders them: the axes along its
    # columns, rows and slices are the columns of this 3 x 3 matrix.
    axes: tuple[float, ...]
    # True: stacks keep their acquired slices; False: all volumes are sliced along the
    # last of these axes.
    is_stack: bool

    def __post_init__(self):
        checks.require(len(self.axes) == 9, "axes", self.axes, "9 direction cosines")


@dataclasses.dataclass(frozen=True)
class ChannelConfig:
    """One of several images of a subject, all on the same grid."""

    name: str  # The dataset's name for it, or the ending of its files' names.
    # Index from 0, as in CASE_0000 or along the fourth axis; None: files end in `name`.
    number: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class PreprocessingConfig:
    """What `prepare` does to a volume before it is a stack of slices."""

    size_px: tuple[int, int] = (192, 192)  # Rows, columns of a prepared slice.
    spacing_mm: float = 1.367  # In-plane pixel size of a prepared slice.
    percentiles: tuple[float, float] = (1.0, 99.0)  # Mapped to 0 and 1, per volume.
    # Intensities (of CT in HU) mapped to 0 and 1 and clipped; None: the percentiles.
    window: Optional[tuple[float, float]] = None
    bias_correction: bool = True  # N4, as the paper does for its MR data.
    bias_shrink: int = 8  # In-plane shrink factor of the image that N4 fits.
    bias_levels: int = 3  # Finer ones follow the anatomy (docs/scaling.md).
    bias_iterations: int = 50  # At each level.
    bias_convergence: float = 0.001
    # Found by `prepare`; None: each volume is oriented by itself, as in old cohorts.
    orientation: Optional[OrientationConfig] = dataclasses.field(
        default=None, metadata=checks.LATER
    )
    # The channels chosen from a dataset with several, in the order of the network's
    # input; None: the one image that each subject has.
    channels: Optional[tuple[ChannelConfig, ...]] = dataclasses.field(
        default=None, metadata=checks.ABSENT
    )
    # Whether the first pixel of a prepared slice lies on a voxel of the scan. Earlier
    # versions kept the scan's exact centre. With a spacing once or twice the scan's,
    # all pixels could then lie between two voxels, and the labels, which take the
    # nearest voxel, half a voxel beside their image.
    on_voxels: bool = dataclasses.field(default=True, metadata=checks.later(False))

    @property
    def num_channels(self) -> int:
        """Channels of the network's input."""
        return len(self.channels or (None,))

    @property
    def slice_shape(self) -> tuple[int, ...]:
        """Shape of a stored slice: [rows, columns], and channels if several."""
        several = self.num_channels > 1
        return (*self.size_px, self.num_channels) if several else self.size_px

    def __post_init__(self):
        names = [channel.name for channel in self.channels or ()]
        checks.require(
            self.channels is None or len(set(names)) == len(names) > 0,
            "channels",
            names,
            "different names",
        )
        checks.require(min(self.size_px) >= 1, "size_px", self.size_px, "at least 1")
        checks.require(self.spacing_mm > 0, "spacing_mm", self.spacing_mm, "above 0")
        low, high = self.percentiles
        checks.require(
            0 <= low < high <= 100,
            "percentiles",
            self.percentiles,
            "two increasing numbers in [0, 100]",
        )
        low, high = self.window or (0, 1)
        checks.require(
            -math.inf < low < high < math.inf,
            "window",
            self.window,
            "two increasing numbers",
        )
        checks.at_least(self, 1, "bias_shrink", "bias_levels", "bias_iterations")


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """The subsets of the volumes: read from a file, or drawn by number and seed."""

    file: Optional[str] = None
    name: Optional[str] = None  # Name of a fine-tuning draw in a file with several.
    num_train: int = 1
    num_validation: int = 2
    num_test: int = 20
    num_pretrain: int = 0  # 0: all volumes that are not for testing.
    seed: int = 0

    def __post_init__(self):
        subsets = ("num_train", "num_validation", "num_test", "num_pretrain")
        checks.at_least(self, 0, *subsets)
