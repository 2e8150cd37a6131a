"""How long stages will take, from a few timed steps of each."""

import dataclasses
import logging
import tempfile
import time
from collections.abc import Sequence
from typing import Optional

from dscl_tf import config, stages
from dscl_tf.stages import opening
from dscl_tf.training import run_folder

_LOG = logging.getLogger(__name__)
_WARM, _TIMED = 2, 3
_WORTH_TIMING = 5000  # Steps of a chain; minutes even on the fastest machine.


def seconds_of(stage: config.StageConfig, num_steps: Optional[int] = None) -> float:
    """Estimates the seconds that a stage takes, without validation and pictures.

    Start-up is included. The stage is timed on one device, whatever its distribution;
    no weights are taken over from other runs, and nothing is kept.

    Args:
      stage: settings of the stage.
      num_steps: number of steps it still has to take; None: all.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    with tempfile.TemporaryDirectory() as folder:
        alone = dataclasses.replace(stage.alone, workdir=folder)
        with opening.open_stage(alone) as context:
            start = time.perf_counter()
            assembly = stages.assemble(context)
            _, step = assembly.make_step(context)
            batches = assembly.stream.batches(
                context.runtime.input_device, stage.draw_seed, 0, _WARM + _TIMED
            )
            for _ in range(_WARM):
                float(step(next(batches))["loss"])
            ready = time.perf_counter()
            for _ in range(_TIMED):
                float(step(next(batches))["loss"])
            each = (time.perf_counter() - ready) / _TIMED
    num_steps = num_steps or stage.optimizer.num_steps
    total = ready - start + each * num_steps
    _LOG.info(
        "%s: %.3f s a step, %d steps, %.1f min with start-up.",
        stage.stage,
        each,
        num_steps,
        total / 60,
    )
    return total


def announce(chain: Sequence[config.StageConfig]) -> None:
    """Logs how long stages will take, if it is worth the minute of finding out.

    A resumed chain is not timed: each stage logs the time that it has left.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    steps_in_all = sum(stage.optimizer.num_steps for stage in chain)
    begun = any(run_folder.RunFolder(stage.workdir).has_begun() for stage in chain)
    shared = any(stage.runtime.distribution != "none" for stage in chain)
    if steps_in_all >= _WORTH_TIMING and not begun and not shared:
        _LOG.info("Timing a few steps of each stage.")
        _LOG.info("%s", outline(chain))


def outline(chain: Sequence[config.StageConfig]) -> str:
    """Describes what running the stages would do and how long, one line per stage.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    stages.check(chain)
    lines, total = [], 0.0
    for stage in chain:
        left = opening.steps_left(stage)
        if not left:
            lines.append(f"done  {stage.workdir}")
            continue
        seconds = seconds_of(stage, left)
        total += seconds
        more = "more " if left < stage.optimizer.num_steps else ""
        lines.append(
            f"      {stage.workdir}: {left} {more}steps, about {seconds / 60:.1f} min"
        )
    return "\n".join([*lines, f"About {total / 60:.1f} min in all."])
