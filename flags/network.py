"""The networks."""

from absl import flags
from dscl_flags import command_line

from dscl_tf import config, errors

_DEFAULT = config.NetworkConfig()

_FILTERS = flags.DEFINE_list(
    "filters",
    [str(count) for count in _DEFAULT.filters],
    "Filters of each level of the U-Net, full resolution first.",
)
_LOCAL_HEAD_UNITS = flags.DEFINE_integer(
    "local_head_units",
    _DEFAULT.local_head_units,
    "Units of a dense layer on each region after g2 (the released commands use 128); "
    "0: none.",
    lower_bound=0,
)
_NORM = flags.DEFINE_enum(
    "norm",
    _DEFAULT.norm.value,
    [kind.value for kind in config.NormKind],
    "What features are normalised by: the batch, or each image's own map.",
)
_BATCH_NORM_MOMENTUM = flags.DEFINE_float(
    "batch_norm_momentum",
    _DEFAULT.batch_norm_momentum,
    "Momentum of BatchNorm's moving statistics; lower it for runs of well under "
    "1000 steps, or they still hold their starting values when the run ends.",
    lower_bound=0.0,
    upper_bound=0.9999,
)
_SYNC_BATCH_NORM = flags.DEFINE_boolean(
    "sync_batch_norm",
    _DEFAULT.sync_batch_norm,
    "With --distribution, BatchNorm uses the statistics of the whole batch, as on "
    "one device; if off, each device uses those of its own share.",
)


def network_config() -> config.NetworkConfig:
    """The networks' settings."""
    try:
        filters = tuple(int(count) for count in _FILTERS.value)
    except ValueError:
        raise errors.UserError(
            "--filters must be whole numbers separated by commas, found "
            f"{','.join(_FILTERS.value)!r}."
        ) from None
    return config.NetworkConfig(
        filters=filters,
        local_head_units=_LOCAL_HEAD_UNITS.value,
        norm=config.NormKind(_NORM.value),
        batch_norm_momentum=_BATCH_NORM_MOMENTUM.value,
        sync_batch_norm=_SYNC_BATCH_NORM.value,
    )


def refuse_unused(settings: config.NetworkConfig) -> None:
    """Refuses command-line flags of batch normalisation if the network has none.

    Raises:
      UserError: such a flag is given; presets may have it.
    """
    for flag in (_BATCH_NORM_MOMENTUM, _SYNC_BATCH_NORM):
        if flag.name in settings.unused:
            command_line.refuse_typed(flag, _NORM, config.NormKind.BATCH.value)
