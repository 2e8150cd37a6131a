"""Settings of every part, as frozen dataclasses that know nothing of flags.

Defaults are those of the paper and of its released commands (docs/method.md).
"""

from dscl_tf.config.cohort import (
    OrientationConfig,
    PreprocessingConfig,
    SplitConfig,
)
from dscl_tf.config.experiment import EngineConfig, ExperimentConfig, GridConfig
from dscl_tf.config.finetuning import (
    AdversarialConfig,
    AugmentationConfig,
    ClassContrastConfig,
    FinetuneConfig,
    JointConfig,
    LearnedAugmentationConfig,
    PseudoLabelConfig,
)
from dscl_tf.config.networks import (
    NetworkConfig,
)
from dscl_tf.config.pretraining import (
    GlobalConfig,
    GlobalStrategy,
    LocalConfig,
    LocalStrategy,
    LocalViews,
    PretextConfig,
    PretextTask,
    ViewConfig,
)
from dscl_tf.config.run import (
    OptimizerConfig,
    RuntimeConfig,
    StageConfig,
)

__all__ = [
    "AdversarialConfig",
    "AugmentationConfig",
    "ClassContrastConfig",
    "EngineConfig",
    "ExperimentConfig",
    "FinetuneConfig",
    "GlobalConfig",
    "GlobalStrategy",
    "GridConfig",
    "JointConfig",
    "LearnedAugmentationConfig",
    "LocalConfig",
    "LocalStrategy",
    "LocalViews",
    "NetworkConfig",
    "OptimizerConfig",
    "OrientationConfig",
    "PreprocessingConfig",
    "PretextConfig",
    "PretextTask",
    "PseudoLabelConfig",
    "RuntimeConfig",
    "SplitConfig",
    "StageConfig",
    "ViewConfig",
]
