"""Gives more steps to a run that has begun, or has even finished."""

import dataclasses
import logging

from dscl_tf import errors, files, locks
from dscl_tf.config import OptimizerConfig
from dscl_tf.training import ancestry, optimizers, records
from dscl_tf.training.records import Lengthening, RunRecord
from dscl_tf.training.run_folder import RunFolder
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


def check(run: RunFolder, record: RunRecord) -> None:
    """Refuses to change anything but the number of steps of a run that has begun.

    Raises:
      UserError: the settings differ, or there are fewer steps; or there are more steps,
        but the run has no checkpoint, or a run beside it has taken over its weights; or
        the run's record is gone.
    """
    _require_record(run)
    if not run.has_begun():
        return
    added = run.steps_added(record)
    if added < 0:
        wanted = record.config.optimizer.num_steps
        raise errors.UserError(
            f"{run.path} holds a run of {wanted - added} steps, but {wanted} are "
            "requested: a run can be given more steps, not fewer. Request "
            f"{wanted - added} or more with {record.config.steps_flag}, or use "
            "another --workdir."
        )
    if not added:
        run.refuse_other(record)
        return
    _refuse_taken_over(run, record)
    if not run.has_checkpoint():
        raise errors.UserError(
            f"{run.path} cannot go on to {record.config.optimizer.num_steps} steps: "
            f"its checkpoints are gone ({run.path / 'checkpoints'} is expected). Use "
            "another --workdir."
        )


def _require_record(run: RunFolder) -> None:
    """Refuses weights whose record is gone: any other would pass for it."""
    if run.has_weights() and not run.config_file.exists():
        raise errors.UserError(
            f"{run.path} holds a trained run, but not its {run.config_file.name}, "
            "which says what it was trained on: put that back, delete the folder to "
            "train again, or use another --workdir."
        )


def begin(context: StageContext, step: int) -> None:
    """Records that the run of an opened stage gets more steps, if they are asked for.

    A finished run counts as unfinished from here on, since further training may delete
    its checkpoints. Call this only once the checkpoint to resume from has been read.

    Args:
      context: context of the stage.
      step: number of steps taken so far.

    Raises:
      UserError: a file cannot be written.
    """
    run = context.run
    record = records.make_record(context.config, context.cohort, context.split)
    if run.steps_added(record) <= 0:
        return
    before = run.read_record()
    steps = before.config.optimizer.num_steps
    # The result is deleted first: beside a record of more steps it would be taken for
    # the result of all of them.
    try:
        run.result_file.unlink(missing_ok=True)
    except OSError as error:
        raise files.cannot_write(run.result_file, error) from error
    lengthened = (*before.lengthened, Lengthening(at_step=step, from_steps=steps))
    record = dataclasses.replace(
        record, lengthened=lengthened, computing=before.computing
    )
    files.write_json(run.config_file, records.to_json(record))
    _LOG.info(
        "Lengthened at step %d, from %d to %d steps.",
        step,
        steps,
        context.config.optimizer.num_steps,
    )
    _say_rate(before.config.own_optimizer, context.config.own_optimizer, step)


def _say_rate(before: OptimizerConfig, now: OptimizerConfig, step: int) -> None:
    was, becomes = (_rate_at(each, step) for each in (before, now))
    if was != becomes:
        _LOG.info(
            "The learning rate goes from %.3g back up to %.3g, which the schedule of "
            "%d steps has at step %d.",
            was,
            becomes,
            now.num_steps,
            step,
        )


def _rate_at(settings: OptimizerConfig, step: int) -> float:
    rate = optimizers.learning_rate(settings)
    return float(rate(step)) if callable(rate) else rate


def _refuse_taken_over(run: RunFolder, record: RunRecord) -> None:
    after = _runs_after(run)
    if not after:
        return
    has = run.read_record().config.optimizer.num_steps
    flag, cure = after[-1].read_record().config.steps_flag, ""
    # A flag that both runs share would lengthen both.
    if flag != record.config.steps_flag:
        cure = f" and give {after[-1].path} more by {flag}"
    raise errors.UserError(
        f"{run.path} would go on from {has} to {record.config.optimizer.num_steps} "
        f"steps, but {after[0].path} has already taken over its weights: leave it at "
        f"{has}{cure}, or use another --workdir."
    )


def _runs_after(run: RunFolder) -> list[RunFolder]:
    """The sibling runs that go on from a run, directly or through others, in order."""
    beside = [RunFolder(path) for path in sorted(run.path.parent.iterdir())]
    # A run in training has read its initial weights, though it may not have saved yet.
    begun = [
        each
        for each in beside
        if each.has_begun() or (each.config_file.exists() and locks.is_held(each.path))
    ]
    found, reached = [], [run]
    for earlier in reached:
        for each in begun:
            if _goes_on_from(each, earlier) and each not in found:
                found.append(each)
                reached.append(each)
    return found


def _goes_on_from(run: RunFolder, earlier: RunFolder) -> bool:
    places = [
        place.resolve()
        for other in run.read_record().config.other_runs
        for place in ancestry.places_of(other, run)
    ]
    return earlier.path.resolve() in places
