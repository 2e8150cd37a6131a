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
    """What is compared; a field that is None keeps the grid's value."""

    name: str = "quick"  # One of grids.PRESETS, or the path of a JSON file.
    methods: Optional[tuple[str, ...]] = None
    sizes: Optional[tuple[int, ...]] = None  # Numbers of labelled volumes.
    draws: Optional[int] = None  # Number of draws of the labelled volumes.
    seeds: Optional[tuple[int, ...]] = None  # Of weights and batches.
    rounds: Optional[int] = None  # After the first, for methods with rounds.


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """How tasks are computed; it changes their results by rounding alone."""

    engine: str = "local"  # One of ENGINES.
    jobs: int = 1  # Tasks at once on this machine.
    pictures: bool = False  # Overlays of each cell's test volumes.
    cpus_per_task: int = 1  # Only for Ray.
    gpus_per_task: float = 0.0  # Only for Ray.

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
    """What to compare, on which data, and where the results go."""

    grid: GridConfig
    bases: Mapping[str, StageConfig]  # Each stage's settings, unchanged by methods.
    root: str  # Folder of the experiment.
    engine: EngineConfig = EngineConfig()
    paper_dataset: Optional[str] = None  # One of PAPER_DATASETS.
    # (k, n): this call runs every n-th draw of the grid, beginning with draw k, from 0.
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self):
        number, count = self.shard
        checks.require(0 <= number < count, "shard", self.shard, "K/N with K < N")
