"""Settings of an experiment."""

import dataclasses
from collections.abc import Mapping
from typing import Optional

from dscl_tf import checks
from dscl_tf.config.run import StageConfig

ENGINES = ("local", "ray")
PAPER_DATASETS = ("acdc", "prostate", "mmwhs")


@dataclasses.dataclass(frozen=True)
class GridConfig:
    """What is compared; what is None is as the grid has it."""

    name: str = "quick"  # One of grids.PRESETS, or the path of a JSON file.
    methods: Optional[tuple[str, ...]] = None
    sizes: Optional[tuple[int, ...]] = None  # Numbers of labelled volumes.
    draws: Optional[int] = None  # Of the labelled volumes.
    seeds: Optional[tuple[int, ...]] = None  # Of weights and batches.
    rounds: Optional[int] = None  # Of methods that go on from a first round.


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """How tasks are computed; it changes what comes of them by rounding alone."""

    engine: str = "local"  # One of ENGINES.
    jobs: int = 1  # Tasks at once on this machine.
    pictures: bool = False  # Overlays of each cell's test volumes.
    cpus_per_task: int = 1  # Of Ray.
    gpus_per_task: float = 0.0  # Of Ray.

    def __post_init__(self):
        checks.at_least(self, 1, "jobs", "cpus_per_task")
        checks.require(
            self.engine in ENGINES,
            "engine",
            self.engine,
            f"one of {', '.join(ENGINES)}",
        )


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """What to compare, on what, and where it goes."""

    grid: GridConfig
    bases: Mapping[str, StageConfig]  # Each stage's settings, before methods.
    root: str  # Folder of the experiment.
    engine: EngineConfig = EngineConfig()
    paper_dataset: Optional[str] = None  # One of PAPER_DATASETS.
    shard: tuple[int, int] = (0, 1)  # Draws k of n that this call runs.

    def __post_init__(self):
        number, count = self.shard
        checks.require(0 <= number < count, "shard", self.shard, "K/N with K < N")
