"""Settings of the networks."""

import dataclasses
import enum

from dscl_tf import checks, errors


class NormKind(enum.Enum):
    """Whose statistics normalise features."""

    BATCH = "batch"  # The batch's; in inference, their moving averages.
    INSTANCE = "instance"  # Those of each image's own map, also in inference.


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The U-Net and the two projection heads (design: settings table)."""

    filters: tuple[int, ...] = (16, 32, 64, 128, 128, 128)  # Of each level.
    global_head_units: tuple[int, int] = (1024, 128)
    local_head_units: int = 0  # Per-region dense layer on g2; 0: none.
    batch_norm_momentum: float = 0.99
    batch_norm_epsilon: float = 1e-3
    norm: NormKind = dataclasses.field(default=NormKind.BATCH, metadata=checks.LATER)
    # BatchNorm takes the statistics of the whole batch when devices divide it.
    sync_batch_norm: bool = dataclasses.field(default=False, metadata=checks.LATER)

    def __post_init__(self):
        checks.make_members(self)
        checks.require(
            len(self.filters) >= 2, "filters", self.filters, "two levels or more"
        )
        checks.require(min(self.filters) >= 1, "filters", self.filters, "all positive")
        momentum = self.batch_norm_momentum
        checks.require(
            0 <= momentum < 1, "batch_norm_momentum", momentum, "0 or more, below 1"
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect."""
        if self.norm is NormKind.BATCH:
            return ()
        return ("batch_norm_momentum", "batch_norm_epsilon", "sync_batch_norm")

    @property
    def num_blocks(self) -> int:
        """Decoder blocks of the whole U-Net: one less than its levels."""
        return len(self.filters) - 1

    @property
    def multiple_px(self) -> int:
        """What sides of slices must be multiples of, to halve evenly at each level."""
        return 2**self.num_blocks

    def fits(self, size_px: tuple[int, int]) -> bool:
        """Whether slices of that size halve evenly at each level."""
        return not any(extent % self.multiple_px for extent in size_px)

    def check_blocks(self, num_blocks: int) -> None:
        """Raises UserError unless the U-Net has `num_blocks` decoder blocks."""
        if not 1 <= num_blocks <= self.num_blocks:
            raise errors.UserError(
                f"num_blocks must be 1 to {self.num_blocks} for a U-Net of "
                f"{len(self.filters)} levels, found {num_blocks}."
            )

    def check_size(self, size_px: tuple[int, int]) -> None:
        """Raises UserError unless `size_px` halves evenly, to maps the norm can take.

        A map of one pixel is its own mean: its instance norm is 0 whatever it shows.
        """
        if not self.fits(size_px):
            raise errors.UserError(
                f"The prepared slices are {size_px[0]}x{size_px[1]} pixels, but a "
                f"U-Net of {len(self.filters)} levels needs multiples of "
                f"{self.multiple_px}: prepare with another --size_px or use fewer "
                "levels (--filters)."
            )
        is_one_pixel = set(size_px) == {self.multiple_px}
        if self.norm is NormKind.INSTANCE and is_one_pixel:
            raise errors.UserError(
                f"The prepared slices are {size_px[0]}x{size_px[1]} pixels, so the "
                f"last of the U-Net's {len(self.filters)} levels has maps of a single "
                "pixel, of which --norm=instance leaves nothing: prepare with a larger "
                "--size_px, use fewer levels (--filters), or --norm=batch."
            )
