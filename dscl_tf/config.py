"""Settings of every part, as frozen dataclasses that know nothing of flags.

Defaults are those of the paper and of its released commands (docs/method.md).
"""

import dataclasses
import enum
import math
from typing import Any, Optional

from dscl_tf import errors

# Of a field that the config.json of an earlier version may lack.
LATER = {"may_be_missing": True}


def _check_contrast(config: Any) -> None:
    _require(config.temperature > 0, "temperature", config.temperature, "above 0")
    _require(
        config.num_partitions >= 2,
        "num_partitions",
        config.num_partitions,
        "at least 2, since negatives come from other partitions",
    )
    _require(
        config.batch_volumes >= 1, "batch_volumes", config.batch_volumes, "at least 1"
    )


def _require(condition: bool, field: str, found: Any, expected: str) -> None:
    if not condition:
        raise errors.UserError(f"{field} must be {expected}, found {found}.")


class GlobalStrategy(enum.Enum):
    """Which images the global loss attracts and repels (paper, section 3.2)."""

    NONE = "none"  # No encoder stage: random initialisation.
    GR = "gr"  # Every other slice is a negative.
    GD_MINUS = "gd_minus"  # Slices of the same partition are never negatives ...
    GD = "gd"  # ... and are positives across volumes.


class LocalStrategy(enum.Enum):
    """Which maps the local loss takes as positive pairs (paper, section 3.3)."""

    NONE = "none"  # No decoder stage: the decoder starts at random.
    LR = "lr"  # Two intensity views of one slice.
    LD = "ld"  # ... and slices of the same partition across volumes.


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

    def __post_init__(self):
        _require(min(self.size_px) >= 1, "size_px", self.size_px, "at least 1")
        _require(self.spacing_mm > 0, "spacing_mm", self.spacing_mm, "above 0")
        low, high = self.percentiles
        _require(
            0 <= low < high <= 100,
            "percentiles",
            self.percentiles,
            "two increasing numbers in [0, 100]",
        )
        low, high = self.window or (0, 1)
        _require(
            -math.inf < low < high < math.inf,
            "window",
            self.window,
            "two increasing numbers",
        )
        for name in ("bias_shrink", "bias_levels", "bias_iterations"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The U-Net and the two projection heads (design: settings table)."""

    filters: tuple[int, ...] = (16, 32, 64, 128, 128, 128)  # Of each level.
    global_head_units: tuple[int, int] = (1024, 128)
    local_head_units: int = 0  # Per-region dense layer on g2; 0: none.
    batch_norm_momentum: float = 0.99
    batch_norm_epsilon: float = 1e-3
    # Statistics of the whole batch where it is divided among devices.
    sync_batch_norm: bool = dataclasses.field(default=False, metadata=LATER)

    def __post_init__(self):
        _require(len(self.filters) >= 2, "filters", self.filters, "two levels or more")
        _require(min(self.filters) >= 1, "filters", self.filters, "all positive")

    @property
    def num_blocks(self) -> int:
        """Decoder blocks of the whole U-Net: one less than its levels."""
        return len(self.filters) - 1

    def check_blocks(self, num_blocks: int) -> None:
        """Raises UserError unless the U-Net has `num_blocks` decoder blocks."""
        if not 1 <= num_blocks <= self.num_blocks:
            raise errors.UserError(
                f"num_blocks must be 1 to {self.num_blocks} for a U-Net of "
                f"{len(self.filters)} levels, found {num_blocks}."
            )

    def check_size(self, size_px: tuple[int, int]) -> None:
        """Raises UserError unless `size_px` halves evenly at each level."""
        multiple = 2**self.num_blocks
        if any(extent % multiple for extent in size_px):
            raise errors.UserError(
                f"The prepared slices are {size_px[0]}x{size_px[1]} pixels, but a "
                f"U-Net of {len(self.filters)} levels needs multiples of {multiple}: "
                "prepare with another --size_px or use fewer levels (--filters)."
            )


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """The random views of the contrastive stages (design: settings table)."""

    crop_fraction: float = 100 / 192  # Side of the global crop; 1: no crop.
    # Where the crop starts, as fractions of the side; less where it would not fit.
    crop_start: tuple[float, float] = (10 / 192, 69 / 192)
    brightness: float = 0.3  # Added, uniform in +-.
    contrast: tuple[float, float] = (0.7, 1.3)  # Factor about the image's mean.
    clip: tuple[float, float] = (0.0, 1.5)

    def __post_init__(self):
        _require(
            0 < self.crop_fraction <= 1, "crop_fraction", self.crop_fraction, "in (0,1]"
        )
        low, high = self.crop_start
        _require(
            0 <= low <= high < 1, "crop_start", self.crop_start, "ordered, in [0, 1)"
        )
        _require(self.brightness >= 0, "brightness", self.brightness, "at least 0")


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """Fine-tuning augmentation of image and label together (design: table)."""

    rotation_deg: float = 15.0
    scale: tuple[float, float] = (0.95, 1.05)
    flip: bool = True  # Left-right; off where left and right must be told apart.
    rotation_step_deg: float = 45.0
    # Of the 3x3 displacement grid, as a fraction of the side: 5 of 192 pixels.
    elastic_sigma: float = 5 / 192
    brightness: float = 0.1
    contrast: tuple[float, float] = (0.8, 1.2)


@dataclasses.dataclass(frozen=True)
class GlobalConfig:
    """The encoder stage: L_g and its batches."""

    strategy: GlobalStrategy = GlobalStrategy.GD
    temperature: float = 0.1
    num_partitions: int = 4  # S.
    batch_volumes: int = 3  # m; a batch has m x S slices.

    def __post_init__(self):
        _check_contrast(self)
        if self.strategy is GlobalStrategy.GD:
            _require(
                self.batch_volumes >= 2,
                "batch_volumes",
                self.batch_volumes,
                "at least 2, since gd pairs slices across volumes",
            )


@dataclasses.dataclass(frozen=True)
class LocalConfig:
    """The decoder stage: L_l, its regions and its batches."""

    strategy: LocalStrategy = LocalStrategy.LR
    temperature: float = 0.1
    num_partitions: int = 4  # S.
    batch_volumes: int = 3
    num_blocks: int = 3  # l, decoder blocks that are trained.
    region_size: int = 3  # K.
    grid: int = 0  # Corners per side of a regular grid; 0: the released 13.
    num_negatives: int = 5  # Nearest other regions; 0: all of them.

    def __post_init__(self):
        _check_contrast(self)
        _require(self.num_blocks >= 1, "num_blocks", self.num_blocks, "at least 1")
        _require(self.region_size >= 1, "region_size", self.region_size, "at least 1")
        _require(self.grid == 0 or self.grid >= 2, "grid", self.grid, "0 or at least 2")
        _require(
            self.num_negatives >= 0, "num_negatives", self.num_negatives, "at least 0"
        )
        if self.strategy is LocalStrategy.LD:
            _require(
                self.batch_volumes >= 2,
                "batch_volumes",
                self.batch_volumes,
                "at least 2, since ld pairs slices across volumes",
            )


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """The fine-tuning stage."""

    batch_size: int = 20
    augmentation: AugmentationConfig = AugmentationConfig()
    validate_every: int = 100  # Steps.

    def __post_init__(self):
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        _require(
            self.validate_every >= 1, "validate_every", self.validate_every, ">= 1"
        )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and its learning rate over the steps."""

    num_steps: int = 10_000
    learning_rate: float = 1e-3
    warmup_steps: int = 0  # Linear from 0.
    cosine: bool = False  # Decay to 0 at `num_steps` after the warm-up.

    def __post_init__(self):
        _require(self.num_steps >= 1, "num_steps", self.num_steps, "at least 1")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        _require(
            0 <= self.warmup_steps <= self.num_steps,
            "warmup_steps",
            self.warmup_steps,
            f"in [0, num_steps = {self.num_steps}]",
        )


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """How a run computes and reports; none of it changes what is computed."""

    precision: str = "auto"  # auto, float32, mixed_float16 or mixed_bfloat16.
    jit: str = "auto"  # auto, on or off.
    checkpoint_every: int = 500  # Steps.
    log_every: int = 50  # Steps.
    panel_every: int = 1000  # Steps between picture panels.
    # none, mirrored or multi_worker.
    distribution: str = dataclasses.field(default="none", metadata=LATER)


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """Which volumes are for what: from a file, or drawn by sizes from a seed."""

    file: Optional[str] = None
    name: Optional[str] = None  # Of one fine-tuning draw in a file that has several.
    num_train: int = 1
    num_validation: int = 2
    num_test: int = 20
    num_pretrain: int = 0  # 0: all volumes that are not for testing.
    seed: int = 0

    def __post_init__(self):
        for field in ("num_train", "num_validation", "num_test", "num_pretrain"):
            _require(
                getattr(self, field) >= 0, field, getattr(self, field), "at least 0"
            )


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """Everything that one training stage needs; `config.json` of its run."""

    stage: str  # "encoder", "decoder" or "finetune".
    prepared: str
    workdir: str  # The run folder of this stage.
    init: Optional[str] = None  # Run folder that is taken over.
    seed: int = 0
    network: NetworkConfig = NetworkConfig()
    views: ViewConfig = ViewConfig()
    global_: GlobalConfig = GlobalConfig()
    local: LocalConfig = LocalConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    split: SplitConfig = SplitConfig()
    num_probe: int = 2  # Pre-training volumes held out for the partition probe.
