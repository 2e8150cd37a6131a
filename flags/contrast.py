"""The contrastive losses, their batches and their views."""

import dataclasses
from collections.abc import Collection, Sequence

from absl import flags
from dscl_flags import command_line, pretext

from dscl_tf import config, errors

_GLOBAL, _LOCAL, _VIEW = (
    config.GlobalConfig(),
    config.LocalConfig(),
    config.ViewConfig(),
)

_GLOBAL_STRATEGY = flags.DEFINE_enum(
    "global_strategy",
    _GLOBAL.strategy.value,
    [strategy.value for strategy in config.GlobalStrategy],
    "Pairs of slices that the encoder stage contrasts; none: no encoder stage.",
)
_LOCAL_STRATEGY = flags.DEFINE_enum(
    "local_strategy",
    _LOCAL.strategy.value,
    [strategy.value for strategy in config.LocalStrategy],
    "Pairs of maps that the decoder stage contrasts; none: no decoder stage.",
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature", _GLOBAL.temperature, "Softmax temperature tau.", lower_bound=1e-6
)
_NUM_PARTITIONS = flags.DEFINE_integer(
    "num_partitions",
    _GLOBAL.num_partitions,
    "S, number of groups of consecutive slices into which a volume is divided.",
    lower_bound=2,
)
_BATCH_VOLUMES = flags.DEFINE_integer(
    "batch_volumes",
    _GLOBAL.batch_volumes,
    "m, number of volumes in a batch of the encoder and decoder stages; each gives S "
    "slices.",
    lower_bound=1,
)
_POSITION_THRESHOLD = flags.DEFINE_float(
    "position_threshold",
    _GLOBAL.position_threshold,
    "With --global_strategy=positional: slices closer than this, as a fraction of the "
    "volume's height, attract.",
    lower_bound=1e-6,
    upper_bound=0.999,
)
_NUM_BLOCKS = flags.DEFINE_integer(
    "num_blocks",
    _LOCAL.num_blocks,
    "l, number of decoder blocks that the decoder stage trains.",
    lower_bound=1,
)
_REGION_SIZE = flags.DEFINE_integer(
    "region_size",
    _LOCAL.region_size,
    "K, side of a region in positions of the feature map.",
    lower_bound=1,
)
_GRID = flags.DEFINE_integer(
    "region_grid",
    _LOCAL.grid,
    "With --local_views=intensity: regions along each side of a regular grid (A is its "
    "square); 0: the 13 regions of the released commands.",
    lower_bound=0,
)
_NUM_NEGATIVES = flags.DEFINE_integer(
    "num_negatives",
    _LOCAL.num_negatives,
    "With --local_views=intensity: nearest other regions that a region is contrasted "
    "with; 0: all others.",
    lower_bound=0,
)
_LOCAL_VIEWS = flags.DEFINE_enum(
    "local_views",
    _LOCAL.views.value,
    [views.value for views in config.LocalViews],
    "How two views of a slice differ for the local loss: in intensity alone, as in "
    "the paper, with regions at fixed places; or each is also a random crop, with "
    "regions at random places that both show.",
)
_LOCAL_CROP_SIDE = flags.DEFINE_float(
    "local_crop_side",
    _LOCAL.crop_side[0],
    "With --local_views=crops: least side of a crop, as a fraction of the slice's "
    "side; the largest is the whole slice.",
    lower_bound=0.501,
    upper_bound=1.0,
)
_NUM_REGIONS = flags.DEFINE_integer(
    "num_regions",
    _LOCAL.num_regions,
    "With --local_views=crops: A, number of regions in each pair of maps.",
    lower_bound=2,
)
# Flags by field of `config.LocalConfig`, each used by one kind of views only.
_OF_VIEWS = {
    "grid": _GRID,
    "num_negatives": _NUM_NEGATIVES,
    "crop_side": _LOCAL_CROP_SIDE,
    "num_regions": _NUM_REGIONS,
}
_CROP = flags.DEFINE_float(
    "crop_fraction",
    _VIEW.crop_fraction,
    "Side of the global views' random crop, as a fraction of the slice's side.",
    lower_bound=0.01,
    upper_bound=1.0,
)
_BRIGHTNESS = flags.DEFINE_float(
    "view_brightness",
    _VIEW.brightness,
    "Largest brightness change of a view, in units of the normalised intensity.",
    lower_bound=0.0,
)
_CONTRAST = flags.DEFINE_float(
    "view_contrast",
    _VIEW.contrast[1] - 1,
    "Largest contrast change of a view, as a fraction.",
    lower_bound=0.0,
    upper_bound=1.0,
)

# All flags that only the local loss uses, and those that both losses use.
_OF_LOCAL = (*_OF_VIEWS.values(), _LOCAL_VIEWS, _NUM_BLOCKS, _REGION_SIZE)
_OF_BOTH = (_TEMPERATURE, _NUM_PARTITIONS, _BATCH_VOLUMES, _BRIGHTNESS, _CONTRAST)


def global_config() -> config.GlobalConfig:
    """The encoder stage's settings."""
    return config.GlobalConfig(
        strategy=config.GlobalStrategy(_GLOBAL_STRATEGY.value),
        temperature=_TEMPERATURE.value,
        num_partitions=_NUM_PARTITIONS.value,
        batch_volumes=_BATCH_VOLUMES.value,
        position_threshold=_POSITION_THRESHOLD.value,
    )


def local_config() -> config.LocalConfig:
    """The decoder stage's settings."""
    return config.LocalConfig(
        strategy=config.LocalStrategy(_LOCAL_STRATEGY.value),
        temperature=_TEMPERATURE.value,
        num_partitions=_NUM_PARTITIONS.value,
        batch_volumes=_BATCH_VOLUMES.value,
        num_blocks=_NUM_BLOCKS.value,
        region_size=_REGION_SIZE.value,
        grid=_GRID.value,
        num_negatives=_NUM_NEGATIVES.value,
        views=config.LocalViews(_LOCAL_VIEWS.value),
        crop_side=(_LOCAL_CROP_SIDE.value, 1.0),
        num_regions=_NUM_REGIONS.value,
    )


def refuse_unused(settings: config.StageConfig) -> None:
    """Refuses command-line flags of the contrastive losses that would have no effect.

    Flags of presets are not refused: presets are for all kinds of losses and views.

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    if settings.global_.unused:
        needed = config.GlobalStrategy.POSITIONAL.value
        command_line.refuse_typed(_POSITION_THRESHOLD, _GLOBAL_STRATEGY, needed)
    local, in_joint = settings.local, settings.finetune.uses_groups
    has_global = settings.global_.strategy is not config.GlobalStrategy.NONE
    has_local = local.strategy is not config.LocalStrategy.NONE
    replaced = pretext.replaces_contrast()
    if "local" not in in_joint and (replaced or not has_local):
        _refuse(_OF_LOCAL, _LOCAL_STRATEGY, config.LocalStrategy.LR.value)
        if "global_" not in in_joint and (replaced or not has_global):
            of_global = (_POSITION_THRESHOLD, _CROP, *_OF_BOTH)
            _refuse(of_global, _GLOBAL_STRATEGY, config.GlobalStrategy.GD.value)
    (other,) = set(config.LocalViews) - {local.views}
    for field in local.unused:
        command_line.refuse_typed(_OF_VIEWS[field], _LOCAL_VIEWS, other.value)


def _refuse(
    unused: Sequence[flags.FlagHolder], strategy: flags.FlagHolder, needed: str
) -> None:
    """Refuses typed flags of a loss that a pretext task or its strategy turns off."""
    for flag in unused:
        if pretext.replaces_contrast():
            pretext.refuse_of_contrast(flag)
        command_line.refuse_typed(flag, strategy, needed)


def refuse_unused_in_rows(
    starts: Collection[str], views: Collection[str], is_said: bool
) -> None:
    """Refuses command-line flags of strategies and views that no row has.

    Args:
      starts: the rows' first terms, such as "gd".
      views: those of the rows' decoder stages, as their terms state.
      is_said: whether a row takes its views from --local_views.

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    positional = config.GlobalStrategy.POSITIONAL.value
    command_line.refuse_without_row(_POSITION_THRESHOLD, [positional], starts)
    own = local_config()
    if command_line.is_given(_LOCAL_VIEWS.name) and not is_said:
        raise errors.UserError(
            f"--{_LOCAL_VIEWS.name} is for dscl-train: in an experiment lr and ld have "
            "views that differ in intensity, lr_crops and ld_crops random crops."
        )
    used = {config.LocalViews(each) for each in views}
    used |= {own.views} if is_said else set()
    unused = [dataclasses.replace(own, views=each).unused for each in used]
    needless = set(_OF_VIEWS).intersection(*unused)
    for flag in _typed(sorted(needless)):
        raise errors.UserError(
            f"{flag} has no effect, since no row of --methods has a local stage with "
            "such views: add one (lr, ld; lr_crops, ld_crops), or leave the flag out."
        )


def _typed(fields: Collection[str]) -> list[str]:
    """The flags of some fields of `_OF_VIEWS` that are on the command line."""
    names = (f"--{_OF_VIEWS[field].name}" for field in fields)
    return [name for name in names if command_line.is_given(name)]


def chosen() -> list[str]:
    """The contrastive strategies, other than none, that the user named."""
    flags_of = (_GLOBAL_STRATEGY, _LOCAL_STRATEGY)
    return [
        f"--{flag.name}={flag.value}"
        for flag in flags_of
        if command_line.is_given(flag.name) and flag.value != "none"
    ]


def view_config() -> config.ViewConfig:
    """The random views' settings."""
    side = _CROP.value
    # Distances to the borders are the default's, scaled by the room that is left.
    room = (1 - side) / (1 - _VIEW.crop_fraction)
    return config.ViewConfig(
        crop_fraction=side,
        crop_start=tuple(room * each for each in _VIEW.crop_start),
        brightness=_BRIGHTNESS.value,
        contrast=(1 - _CONTRAST.value, 1 + _CONTRAST.value),
    )
