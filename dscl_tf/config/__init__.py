"""Settings of every part, as frozen dataclasses that know nothing of flags.

Defaults are those of the paper and of its released commands (docs/method.md).
"""

from dscl_tf.config.cohort import (
    ChannelConfig,
    OrientationConfig,
    PreprocessingConfig,
    SplitConfig,
)
from dscl_tf.config.experiment import EngineConfig, ExperimentConfig, GridConfig
from dscl_tf.config.finetuning import (
    AugmentationConfig,
    AugmentationKind,
    FinetuneConfig,
    LossKind,
)
from dscl_tf.config.networks import (
    NetworkConfig,
    NormKind,
)
from dscl_tf.config.pretraining import (
    GlobalConfig,
    GlobalStrategy,
    LocalConfig,
    LocalStrategy,
    LocalViews,
    ViewConfig,
)
from dscl_tf.config.run import (
    OptimizerConfig,
    RuntimeConfig,
    StageConfig,
    paths_of_runs,
    with_other_runs,
)
from dscl_tf.methods.pretext.settings import PretextConfig, PretextTask

__all__ = [
    "AugmentationConfig",
    "AugmentationKind",
    "ChannelConfig",
    "EngineConfig",
    "ExperimentConfig",
    "FinetuneConfig",
    "GlobalConfig",
    "GlobalStrategy",
    "GridConfig",
    "LocalConfig",
    "LocalStrategy",
    "LocalViews",
    "LossKind",
    "NetworkConfig",
    "NormKind",
    "OptimizerConfig",
    "OrientationConfig",
    "PreprocessingConfig",
    "PretextConfig",
    "PretextTask",
    "RuntimeConfig",
    "SplitConfig",
    "StageConfig",
    "ViewConfig",
    "paths_of_runs",
    "with_other_runs",
]
