"""The groups of flags that training has, in the order of its help."""

from dscl_flags import (
    contrast,
    finetuning,
    methods,
    network,
    optimizer,
    pretext,
    run,
    split,
)

GROUPS = (
    run,
    split,
    contrast,
    pretext,
    optimizer,
    finetuning,
    *methods.MODULES.values(),
    network,
)
