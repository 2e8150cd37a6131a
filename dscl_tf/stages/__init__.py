"""The stages: pre-training (encoder, decoder, or a pretext task) and fine-tuning."""

import pathlib
from collections.abc import Sequence

from dscl_tf import config
from dscl_tf.stages import (
    finetune,
    pretrain_decoder,
    pretrain_encoder,
    pretrain_pretext,
)

_RUN = {
    "encoder": pretrain_encoder.run,
    "decoder": pretrain_decoder.run,
    "pretext": pretrain_pretext.run,
    "finetune": finetune.run,
}
# The parts of each stage, for who wants its step alone (benchmarks, estimates).
ASSEMBLE = {
    "encoder": pretrain_encoder.assemble,
    "decoder": pretrain_decoder.assemble,
    "pretext": pretrain_pretext.assemble,
    "finetune": finetune.assemble,
}


def run(stages: Sequence[config.StageConfig]) -> list[pathlib.Path]:
    """Runs stages one after the other; finished ones are recognised.

    Args:
      stages: their settings; each one's `init` may be the `workdir` of one before.

    Returns:
      Their run folders.

    Raises:
      UserError: a mistake in the settings or the cohort.
      Interrupted: by a signal, after saving.
    """
    # Not after hours of the stage before.
    for stage in stages:
        if stage.stage == "decoder":
            pretrain_decoder.check(stage)
    return [_RUN[stage.stage](stage) for stage in stages]
