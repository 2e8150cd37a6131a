"""Which volumes are for what."""

from absl import flags
from dscl_flags import command_line

from dscl_tf import config, errors

_DEFAULT = config.SplitConfig()

_FILE = flags.DEFINE_string(
    "split",
    None,
    "JSON file with the lists pretrain, train, validation and test of patients, or "
    "paper:acdc, paper:prostate, paper:mmwhs; else drawn by the sizes below.",
)
_NAME = flags.DEFINE_string(
    "split_name",
    None,
    "Which of a file's fine-tuning draws to use, such as tr1_c1, or benchmark.",
)
_NUM_TRAIN = flags.DEFINE_integer(
    "num_train_volumes", _DEFAULT.num_train, "Labelled subjects to fine-tune on.", 0
)
_NUM_VALIDATION = flags.DEFINE_integer(
    "num_validation_volumes",
    _DEFAULT.num_validation,
    "Labelled subjects to choose the best weights by; 0: the last weights are kept.",
    0,
)
_NUM_TEST = flags.DEFINE_integer(
    "num_test_volumes",
    _DEFAULT.num_test,
    "Subjects set aside for testing, the same for every --split_seed.",
    0,
)
_NUM_PRETRAIN = flags.DEFINE_integer(
    "num_pretrain_volumes",
    _DEFAULT.num_pretrain,
    "Subjects to pre-train on; 0: all that are not for testing.",
    0,
)
_SEED = flags.DEFINE_integer(
    "split_seed", _DEFAULT.seed, "Seed of the draw of training and validation.", 0
)


# Flags of the random draw; with the lists of a file there is nothing to draw.
_OF_A_DRAW = (_NUM_TRAIN, _NUM_VALIDATION, _NUM_TEST, _NUM_PRETRAIN, _SEED)


def split_config() -> config.SplitConfig:
    """The split's settings.

    Raises:
      UserError: one flag leaves others without effect.
    """
    if _FILE.value:
        _refuse_draws_beside_lists()
    elif _NAME.value and _FILE.value is None:
        raise errors.UserError(
            f"--split_name={_NAME.value} names a draw of a file: give --split=FILE, or "
            "--split_seed for another draw without a file."
        )
    return config.SplitConfig(
        file=_FILE.value or None,
        # It may be a preset's, whose file was removed by --split= .
        name=_NAME.value if _FILE.value else None,
        num_train=_NUM_TRAIN.value,
        num_validation=_NUM_VALIDATION.value,
        num_test=_NUM_TEST.value,
        num_pretrain=_NUM_PRETRAIN.value,
        seed=_SEED.value,
    )


def _refuse_draws_beside_lists() -> None:
    for holder in _OF_A_DRAW:
        if command_line.is_given(holder.name):
            raise errors.UserError(
                f"--{holder.name} has no effect with --split={_FILE.value}, whose "
                "lists are used (a preset may name that file): choose one of its "
                "draws with --split_name, or give an empty --split= to draw volumes."
            )
