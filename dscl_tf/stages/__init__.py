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

# By `StageConfig.stage`. `training.records` lists the settings that decide each one.
_STAGES = {
    "encoder": Stage(pretrain_encoder.assemble),
    "decoder": Stage(pretrain_decoder.assemble, check=pretrain_decoder.check),
    "pretext": Stage(pretext.assemble, check=pretext.check),
    "finetune": Stage(
        finetune.assemble, prepare=finetune.prepare, conclude=finetune.conclude
    ),
}


def run(stages: Sequence[config.StageConfig]) -> list[pathlib.Path]:
    """Runs stages one after the other, skipping those that have finished.

    Args:
      stages: settings of each stage; `init` may be the `workdir` of an earlier one.

    Returns:
      The run folders of the stages.

    Raises:
      UserError: a mistake in the settings or the cohort.
      Interrupted: a signal arrived, and the state has been saved. If it arrived during
        the last step of a stage, that stage is finished and the next one not started;
        in the last stage it is ignored then.
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
    """Checks all stages before any work, so that none fails after hours of others.

    Args:
      stages: settings of each stage, in order.
      to_come: folders of other runs that will be made before these stages.
      cohort: the cohort of all stages, if it is already open.

    Raises:
      UserError: a mistake in the settings or the cohort; a run to go on from that is
        missing or does not fit; or a folder that holds a run with other settings.
    """
    for number, stage in enumerate(stages):
        _STAGES[stage.stage].check(stage)
        earlier = [each.workdir for each in stages[:number]]
        opening.check(stage, [*to_come, *earlier], cohort)


def assemble(context: StageContext) -> Assembly:
    """Builds what an opened stage trains, for callers that need only its step.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    return _STAGES[context.config.stage].assemble(context)
