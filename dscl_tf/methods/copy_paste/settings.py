"""Settings of copy-paste."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import TaughtSettings, Term


@dataclasses.dataclass(frozen=True)
class CopyPasteConfig(TaughtSettings):
    """Slices that show a labelled one inside or outside a box (Bai et al., 2023)."""

    pseudo_weight: float = 0.5  # Of the loss on pixels that a teacher labelled.
    box_fraction: float = 2 / 3  # Sides of the box, as a fraction of the slice's.

    unlabelled_flag = "--copy_paste_weight"
    needs_true_labels = True
    term = Term(
        "copy_paste",
        "Copy-paste",
        "Semi-supervised",
        {"weight": 1.0},
        in_rounds=True,
    )

    def __post_init__(self):
        super().__post_init__()
        checks.at_least(self, 0, "pseudo_weight")
        side = self.box_fraction
        checks.require(0 < side < 1, "box_fraction", side, "between 0 and 1")
