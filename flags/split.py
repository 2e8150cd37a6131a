"""Which volumes are for what."""

from absl import flags

from dscl_tf import config

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


def split_config() -> config.SplitConfig:
    """The split's settings."""
    return config.SplitConfig(
        file=_FILE.value,
        name=_NAME.value,
        num_train=_NUM_TRAIN.value,
        num_validation=_NUM_VALIDATION.value,
        num_test=_NUM_TEST.value,
        num_pretrain=_NUM_PRETRAIN.value,
        seed=_SEED.value,
    )
