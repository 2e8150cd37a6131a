"""The regions that a stage's local loss contrasts, on its feature maps."""

from typing import Callable

from dscl_tf import config, errors, losses
from dscl_tf.losses import regions as local_regions
from dscl_tf.pipeline import crops
from dscl_tf.training import steps


def check(stage: config.StageConfig, size_px: tuple[int, int]) -> None:
    """Refuses regions that do not fit the slices of a cohort.

    Raises:
      UserError: too few blocks, or a feature map too small for regions or crops.
    """
    stage.network.check_blocks(stage.local.num_blocks)
    level = stage.network.num_blocks - stage.local.num_blocks
    map_size = (size_px[0] >> level, size_px[1] >> level)
    if stage.local.views is config.LocalViews.CROPS:
        crops.check(stage.local, map_size)
    else:
        make_regions(stage, map_size)


def region_source(
    stage: config.StageConfig, map_size: tuple[int, int]
) -> Callable[[steps.Batch], local_regions.LocalRegions]:
    """A function from a batch of a stage to its regions on the feature maps.

    Raises:
      UserError: the map is too small for them.
    """
    # With `local_head_units`, g2's last layer already makes one vector of each region.
    is_single = bool(stage.network.local_head_units)
    as_used = local_regions.single_positions if is_single else lambda regions: regions
    if stage.local.views is config.LocalViews.INTENSITY:
        fixed = as_used(make_regions(stage, map_size))
        return lambda batch: fixed
    size = stage.local.region_size
    return lambda batch: as_used(losses.LocalRegions(size, batch["corners"]))


def make_regions(
    stage: config.StageConfig, map_size: tuple[int, int]
) -> local_regions.LocalRegions:
    """The regions of a stage whose views show the same places at the same positions.

    Raises:
      UserError: the map is too small for them.
    """
    local = stage.local
    try:
        return local_regions.make_regions(
            map_size, local.region_size, local.grid, local.num_negatives
        )
    except ValueError as error:
        raise errors.UserError(
            f"{error} Use more decoder blocks (--num_blocks), a smaller "
            "--region_size, or larger slices."
        ) from None
