"""Pseudo-labels, and self-training in rounds with them."""

from typing import Optional

from absl import flags

from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig

_ROUNDS = flags.DEFINE_integer(
    "self_training_rounds",
    0,
    "After fine-tuning, fine-tune this many more times, with pseudo-labels that the "
    "previous round gives the unlabelled pre-training volumes; 0: off.",
    lower_bound=0,
)
_FIRST = flags.DEFINE_string(
    "self_training_first",
    None,
    "Finished fine-tuning run, or a --workdir that has one, that serves as the first "
    "one, in place of all earlier stages; by default finetune_round_0 in --workdir "
    "is trained.",
)
_CONFIDENCE = flags.DEFINE_float(
    "pseudo_confidence",
    PseudoLabelConfig().confidence,
    "Probability below which a pixel's pseudo-label is unknown.",
    0,
    0.99999,
)
_KEEP = flags.DEFINE_float(
    "pseudo_keep_fraction",
    PseudoLabelConfig().keep_fraction,
    "Keep this share of each class's most confident pixels, instead of those above "
    "--pseudo_confidence; 0: off.",
    0,
    1,
)
_TARGETS = flags.DEFINE_bool(
    "pseudo_targets",
    True,
    "With --self_training_rounds: use pseudo-labels in the Dice loss; if off, only "
    "in the contrast of classes.",
)


def settings() -> PseudoLabelConfig:
    """How pseudo-labels are used; which run gives them is known only in each round."""
    return PseudoLabelConfig(
        confidence=_CONFIDENCE.value,
        # Without rounds there are none, and the flag must not make it a different run.
        as_targets=_TARGETS.value and _ROUNDS.value > 0,
        keep_fraction=_KEEP.value,
    )


def num_rounds() -> int:
    """Rounds of fine-tuning with pseudo-labels; 0: none."""
    return _ROUNDS.value


def first_round() -> Optional[str]:
    """An existing run that serves as round 0; None: round 0 is trained."""
    return _FIRST.value
