"""Settings of the pretext stage."""

import dataclasses
import enum
import itertools

from dscl_tf import checks


class PretextTask(enum.Enum):
    """What the pretext stage has the network find out about a changed slice."""

    NONE = "none"  # No pretext stage.
    ROTATION = "rotation"  # By which quarter turns it was rotated.
    INPAINTING = "inpainting"  # What was in the boxes that were masked.
    CONTEXT_RESTORATION = "context_restoration"  # What it was before swaps of patches.


@dataclasses.dataclass(frozen=True)
class PretextConfig:
    """The pretext stage, instead of the contrastive ones (paper, Table 2)."""

    task: PretextTask = PretextTask.NONE
    batch_size: int = 36  # As many images as an encoder step: 3 views of 3 x 4 slices.
    num_boxes: int = 3  # For inpainting, per slice; they may overlap.
    box_fraction: tuple[float, float] = (0.15, 0.3)  # Sides, relative to the slice's.
    num_swaps: int = 10  # For context restoration, pairs of patches per slice.
    patch_fraction: float = 0.1  # Side of a patch, relative to the slice's.

    def __post_init__(self):
        checks.make_members(self)
        checks.at_least(self, 1, "batch_size", "num_boxes", "num_swaps")
        low, high = self.box_fraction
        checks.require(
            0 < low <= high < 1, "box_fraction", self.box_fraction, "ordered, in (0, 1)"
        )
        checks.require(
            0 < self.patch_fraction <= 0.5,
            "patch_fraction",
            self.patch_fraction,
            "in (0, 0.5]",
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings that the task ignores."""
        own = {
            PretextTask.INPAINTING: ("num_boxes", "box_fraction"),
            PretextTask.CONTEXT_RESTORATION: ("num_swaps", "patch_fraction"),
        }
        names = itertools.chain(*own.values())
        return tuple(name for name in names if name not in own.get(self.task, ()))
