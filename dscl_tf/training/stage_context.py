"""What an opened stage works with."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline.streams import Source
from dscl_tf.training import runtime
from dscl_tf.training.distribution import Devices
from dscl_tf.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class StageContext:
    """The settings, the cohort, the run folder and the devices of an opened stage."""

    config: config.StageConfig
    cohort: PreparedCohort
    split: splits.Split
    run: RunFolder
    runtime: runtime.Runtime
    devices: Devices

    @property
    def size_px(self) -> tuple[int, int]:
        """(H, W) of the cohort's slices."""
        return self.cohort.settings.size_px

    @property
    def num_channels(self) -> int:
        """The number of channels of the prepared slices."""
        return self.cohort.num_channels

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The pre-training volumes whose labels fine-tuning does not use."""
        return splits.unlabelled(self.cohort, self.split)

    def build_unet(self) -> tf.keras.Model:
        """A segmenter as the settings ask for it, with random weights."""
        return networks.build_unet(
            self.config.network,
            self.size_px,
            self.cohort.num_classes,
            self.num_channels,
        )

    def batch_of(self, stream: Source, done: int) -> Mapping[str, tf.Tensor]:
        """The batch of the last of `done` steps, for pictures."""
        return next(iter(stream.open(self.config.draw_seed, done - 1, done)))
