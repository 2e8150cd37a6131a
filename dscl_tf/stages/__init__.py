"""The stages: pre-training (encoder, decoder, or a pretext task) and fine-tuning."""

import pathlib
from collections.abc import Sequence
from typing import Optional

from dscl_tf import config
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.pretext import stage as pretext
from dscl_tf.stages import (
    finetune,
    lifecycle,
    opening,
    pretrain_decoder,
    pretrain_encoder,
)
from dscl_tf.stages.lifecycle import Stage
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.stage_context import StageContext

# By the names that `StageConfig.stage` has; `records` says what decides each.
_STAGES = {
    "encoder": Stage(pretrain_encoder.assemble),
    "decoder": Stage(pretrain_decoder.assemble, check=pretrain_decoder.check),
    "pretext": Stage(pretext.assemble, check=pretext.check),
    "finetune": Stage(
        finetune.assemble, prepare=finetune.prepare, conclude=finetune.conclude
    ),
}


def run(stages: Sequence[config.StageConfig]) -> list[pathlib.Path]:
    """Runs stages one after the other; finished ones are recognised.

    Args:
      stages: their settings; each one's `init` may be the `workdir` of one before.

    Returns:
      Their run folders.

    Raises:
      UserError: a mistake in the settings or the cohort.
      Interrupted: by a signal, after saving; where it came during the last step of a
        stage, before the next one. The last stage has nothing to be interrupted then.
    """
    check(stages)
    for stage in stages:
        opening.check_devices(stage)
    last = len(stages) - 1
    return [
        lifecycle.run(stage, _STAGES[stage.stage], is_last=number == last)
        for number, stage in enumerate(stages)
    ]


def check(
    stages: Sequence[config.StageConfig],
    to_come: Sequence[str] = (),
    cohort: Optional[PreparedCohort] = None,
) -> None:
    """Refuses, before any work, what would be refused after hours of a stage before.

    Args:
      stages: their settings, in order.
      to_come: folders of further runs that are made before them.
      cohort: that of all of them, where it is open already.

    Raises:
      UserError: a mistake in the settings or the cohort, a run to go on from that is
        missing or does not fit, or a folder with a run of other settings.
    """
    for number, stage in enumerate(stages):
        _STAGES[stage.stage].check(stage)
        earlier = [each.workdir for each in stages[:number]]
        opening.check(stage, [*to_come, *earlier], cohort)


def assemble(context: StageContext) -> Assembly:
    """What an opened stage trains, for who wants its step alone.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    return _STAGES[context.config.stage].assemble(context)
