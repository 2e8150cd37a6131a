"""The voxel values of masks."""

from absl import flags

from dscl_tf.config import masks

_MASK_VALUES = flags.DEFINE_enum(
    "mask_values",
    masks.DATASET,
    list(masks.MASK_VALUES),
    "Voxel values of masks. dataset: those that the dataset's labels have (0 and 255, "
    "say); classes: 0 the background, 1, 2, ... the structures in their order.",
)


def mask_values() -> str:
    """Which voxel values masks have for the classes."""
    return _MASK_VALUES.value
