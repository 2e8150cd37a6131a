"""Settings of the stages that learn without labels."""

import dataclasses
import enum
import math
from typing import Any

from dscl_tf import checks


class GlobalStrategy(enum.Enum):
    """Which images the global loss attracts and repels (paper, section 3.2)."""

    NONE = "none"  # No encoder stage: random initialisation.
    GR = "gr"  # Every other slice is a negative.
    GD_MINUS = "gd_minus"  # Slices of the same partition are never negatives ...
    GD = "gd"  # ... and are positives across volumes.
    # Slices at about the same height attract, those of other heights repel.
    POSITIONAL = "positional"


class LocalStrategy(enum.Enum):
    """Which maps the local loss takes as positive pairs (paper, section 3.3)."""

    NONE = "none"  # No decoder stage: the decoder starts at random.
    LR = "lr"  # Two views of one slice.
    LD = "ld"  # ... and slices of the same partition across volumes.


class LocalViews(enum.Enum):
    """How the two views of a slice differ in the local stage."""

    INTENSITY = "intensity"  # The paper's: brightness and contrast alone.
    CROPS = "crops"  # ... and each view is a random crop of its own.


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """The random views of the contrastive stages (design: settings table)."""

    crop_fraction: float = 100 / 192  # Side of the global crop; 1: no crop.
    # Range of the crop's start, as fractions of the side; lowered where the crop would
    # not fit.
    crop_start: tuple[float, float] = (10 / 192, 69 / 192)
    brightness: float = 0.3  # What is added is uniform in +-brightness.
    contrast: tuple[float, float] = (0.7, 1.3)  # Factor about the image's mean.
    clip: tuple[float, float] = (0.0, 1.5)

    def __post_init__(self):
        checks.require(
            0 < self.crop_fraction <= 1, "crop_fraction", self.crop_fraction, "in (0,1]"
        )
        checks.ordered(self, 0, "crop_start", "contrast")
        checks.require(self.crop_start[1] < 1, "crop_start", self.crop_start, "below 1")
        checks.ordered(self, -math.inf, "clip")
        checks.at_least(self, 0, "brightness")


def _check_contrast(config: Any) -> None:
    checks.require(config.temperature > 0, "temperature", config.temperature, "above 0")
    checks.require(
        config.num_partitions >= 2,
        "num_partitions",
        config.num_partitions,
        "at least 2, since negatives come from other partitions",
    )
    checks.at_least(config, 1, "batch_volumes")


@dataclasses.dataclass(frozen=True)
class GlobalConfig:
    """The encoder stage: L_g and its batches."""

    strategy: GlobalStrategy = GlobalStrategy.GD
    temperature: float = 0.1
    num_partitions: int = 4  # S.
    batch_volumes: int = 3  # m; a batch has m x S slices.
    # For `positional` only: the distance below which a pair is positive, as a fraction
    # of the volume's height.
    position_threshold: float = dataclasses.field(default=0.1, metadata=checks.LATER)

    def __post_init__(self):
        checks.make_members(self)
        _check_contrast(self)
        checks.require(
            0 < self.position_threshold < 1,
            "position_threshold",
            self.position_threshold,
            "in (0, 1)",
        )
        if self.strategy is GlobalStrategy.GD:
            checks.require(
                self.batch_volumes >= 2,
                "batch_volumes",
                self.batch_volumes,
                "at least 2, since gd pairs slices across volumes",
            )

    @property
    def num_views(self) -> int:
        """Views of a slice: two random ones; for G^D and G^D- the slice itself, too."""
        of_two = (GlobalStrategy.GR, GlobalStrategy.POSITIONAL)
        return 2 if self.strategy in of_two else 3

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings that the strategy ignores."""
        positional = self.strategy is GlobalStrategy.POSITIONAL
        return () if positional else ("position_threshold",)


@dataclasses.dataclass(frozen=True)
class LocalConfig:
    """The decoder stage: L_l, its regions and its batches."""

    strategy: LocalStrategy = LocalStrategy.LR
    temperature: float = 0.1
    num_partitions: int = 4  # S.
    batch_volumes: int = 3
    num_blocks: int = 3  # l, decoder blocks that are trained.
    region_size: int = 3  # K.
    # For intensity views: regions per side of a regular grid (0: the released 13), and
    # how many of the nearest other regions are negatives (0: all others).
    grid: int = 0
    num_negatives: int = 0
    views: LocalViews = dataclasses.field(
        default=LocalViews.CROPS, metadata=checks.later(LocalViews.INTENSITY)
    )
    # For crops: the range of their sides, as fractions of the slice's; and A, the
    # number of regions, at random places that all views show.
    crop_side: tuple[float, float] = dataclasses.field(
        default=(0.6, 1.0), metadata=checks.LATER
    )
    num_regions: int = dataclasses.field(default=13, metadata=checks.LATER)

    def __post_init__(self):
        checks.make_members(self)
        _check_contrast(self)
        low, high = self.crop_side
        checks.require(
            0.5 < low <= high <= 1,
            "crop_side",
            self.crop_side,
            "ordered, above 0.5 (two smaller crops may show nothing in common) and at "
            "most 1",
        )
        checks.at_least(self, 2, "num_regions")
        checks.at_least(self, 1, "num_blocks", "region_size")
        checks.require(
            self.grid == 0 or self.grid >= 2, "grid", self.grid, "0 or at least 2"
        )
        checks.at_least(self, 0, "num_negatives")
        if self.strategy is LocalStrategy.LD:
            checks.require(
                self.batch_volumes >= 2,
                "batch_volumes",
                self.batch_volumes,
                "at least 2, since ld pairs slices across volumes",
            )

    @property
    def num_views(self) -> int:
        """Views of a slice: two random ones, and a third for L^D."""
        return 3 if self.strategy is LocalStrategy.LD else 2

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect on this kind of views."""
        if self.views is LocalViews.CROPS:
            return ("grid", "num_negatives")
        return ("crop_side", "num_regions")
