"""Settings of a run as a whole."""

import dataclasses
import functools
import os
from typing import Any, Callable, Optional

import numpy as np

from dscl_tf import checks
from dscl_tf.config.cohort import SplitConfig
from dscl_tf.config.finetuning import FinetuneConfig
from dscl_tf.config.networks import NetworkConfig
from dscl_tf.config.pretraining import (
    GlobalConfig,
    LocalConfig,
    ViewConfig,
)
from dscl_tf.methods.pretext.settings import PretextConfig


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and its learning rate over the steps."""

    num_steps: int = 10_000
    learning_rate: float = 1e-3
    warmup_steps: int = 0  # Linear from 0.
    cosine: bool = False  # Decay to 0 at `num_steps` after the warm-up.

    def __post_init__(self):
        checks.at_least(self, 1, "num_steps")
        checks.require(
            self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0"
        )
        checks.require(
            0 <= self.warmup_steps <= self.num_steps,
            "warmup_steps",
            self.warmup_steps,
            f"in [0, num_steps = {self.num_steps}]",
        )


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """How a run computes and reports, which is not part of its identity.

    Results still depend on it: by rounding, and by BatchNorm over each device's slices.
    """

    precision: str = "auto"  # auto, float32, mixed_float16 or mixed_bfloat16.
    jit: str = "auto"  # auto, on or off.
    checkpoint_every: int = 500  # Steps.
    log_every: int = 50  # Steps.
    panel_every: int = 1000  # Steps between picture panels.
    # none, mirrored or multi_worker.
    distribution: str = dataclasses.field(default="none", metadata=checks.LATER)
    # The command line that first asked for the run; empty if none did.
    command: str = dataclasses.field(default="", metadata=checks.LATER)


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """Everything that one training stage needs, as kept in its run's `config.json`."""

    stage: str  # "encoder", "decoder", "pretext" or "finetune".
    prepared: str
    workdir: str  # The run folder of this stage.
    # Run folder whose weights are taken over.
    init: Optional[str] = dataclasses.field(default=None, metadata=checks.RUN)
    seed: int = 0
    network: NetworkConfig = NetworkConfig()
    views: ViewConfig = ViewConfig()
    global_: GlobalConfig = GlobalConfig()
    local: LocalConfig = LocalConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    split: SplitConfig = SplitConfig()
    # Pre-training subjects held out for the probes, at most (`probe_volumes.hold_out`).
    num_probe: int = 2
    pretext: PretextConfig = dataclasses.field(
        default=PretextConfig(), metadata=checks.LATER
    )

    def __post_init__(self):
        # TensorFlow's stateless random functions get the seed as int32.
        known = 0 <= self.seed < 2**31
        checks.require(known, "seed", self.seed, "at least 0 and below 2^31")

    @property
    def draw_seed(self) -> int:
        """The seed of batches, below 2^31.

        Each stage and each round of fine-tuning has its own: otherwise a step would
        draw the same slices as that step of the stage before. Only the encoder stage
        and the first fine-tuning, which draw from other volumes, share `seed` itself.
        """
        number = self.finetune.draw_number if self.stage == "finetune" else 0
        if self.stage in ("encoder", "finetune") and not number:
            return self.seed
        key = [self.seed, *self.stage.encode(), number]
        return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)

    @property
    def alone(self) -> "StageConfig":
        """The stage on one device and without other runs, which may not exist yet."""
        needing = [k for k, v in self.finetune.methods.items() if paths_of_runs(v)]
        return dataclasses.replace(
            self,
            init=None,
            finetune=self.finetune.without(needing),
            runtime=dataclasses.replace(self.runtime, distribution="none"),
        )

    @property
    def from_anywhere(self) -> "StageConfig":
        """The stage with absolute paths, valid from any working directory."""
        found = with_other_runs(self, os.path.abspath)
        own = {k: os.path.abspath(getattr(self, k)) for k in ("prepared", "workdir")}
        return dataclasses.replace(found, **own)

    @property
    def own_optimizer(self) -> OptimizerConfig:
        """The optimizer's settings as this stage uses them."""
        falls = self.stage == "finetune" and self.finetune.cosine
        return dataclasses.replace(
            self.optimizer, cosine=self.optimizer.cosine or falls
        )

    @property
    def steps_flag(self) -> str:
        """The flag that gives this stage more steps, and no other one if possible."""
        on = self.finetune.methods_on if self.stage == "finetune" else {}
        rounds = {k: it.steps_factor for k, it in on.items() if it.needs_first_round}
        if rounds:
            return f"--{max(rounds, key=rounds.get)}_steps_factor"
        return f"--{self.stage}_steps"

    @property
    def other_runs(self) -> list[str]:
        """Folders of the runs that this one builds on, `init` first."""
        parts = self.finetune if self.stage == "finetune" else None
        found = [self.init, *([] if parts is None else _runs_in(parts))]
        return [each for each in dict.fromkeys(found) if each is not None]


def paths_of_runs(settings: Any) -> list[tuple[str, ...]]:
    """The fields that name other runs, each as a path of field names from the top."""
    found: list[tuple[str, ...]] = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("is_run"):
            found.append((field.name,))
        elif dataclasses.is_dataclass(value):
            found += [(field.name, *inner) for inner in paths_of_runs(value)]
    return found


def with_other_runs(settings: Any, change: Callable[[str], Optional[str]]) -> Any:
    """The same settings, with `change` applied to the folder of each other run."""
    found = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("is_run") and value is not None:
            found[field.name] = change(value)
        elif dataclasses.is_dataclass(value):
            found[field.name] = with_other_runs(value, change)
    return dataclasses.replace(settings, **found)


def _runs_in(settings: Any) -> list[Optional[str]]:
    return [functools.reduce(getattr, p, settings) for p in paths_of_runs(settings)]
