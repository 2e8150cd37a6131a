"""The groups of flags that training has, in the order of its help."""

from dscl_flags import (
    adversarial,
    contrast,
    finetuning,
    network,
    optimizer,
    pretext,
    run,
    semi_supervised,
    split,
)

GROUPS = (
    run,
    split,
    contrast,
    pretext,
    optimizer,
    finetuning,
    semi_supervised,
    adversarial,
    network,
)
