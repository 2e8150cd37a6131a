"""How every stage is opened: cohort, split, run folder, runtime."""

import contextlib
import dataclasses
import logging
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator
from typing import Callable, Optional

from dscl_tf import config, errors
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods import method, unlabelled
from dscl_tf.stages import batch_sizes, lengthening, predecessors
from dscl_tf.training import distribution, records, runtime
from dscl_tf.training.distribution import Devices
from dscl_tf.training.run_folder import RunFolder
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def open_stage(stage: config.StageConfig) -> Iterator[Optional[StageContext]]:
    """Opens a stage; yields None when it has already finished.

    Everything that can be wrong with the request is found here, before any work.

    Raises:
      UserError: bad cohort, split, network size or run folder, or a run that was
        pre-trained on volumes of this split's test set.
    """
    devices = runtime.devices(stage.runtime)
    with devices.guard():
        yield from _open(stage, devices)


def check(
    stage: config.StageConfig,
    to_come: Collection[str] = (),
    cohort: Optional[PreparedCohort] = None,
) -> None:
    """Refuses a stage that cannot be run, before any work.

    Args:
      stage: its settings.
      to_come: folders of runs that will be made before it; they cannot be checked yet.
      cohort: its cohort, if it is already open.

    Raises:
      UserError: bad cohort, split or network size; no volume to fine-tune on, or none
        that a method needs; batches that cannot be drawn; a run to go on from that is
        missing or does not fit; or a folder that holds a run with other settings, or
        one that went on from a run that is gone.
    """
    cohort, split = _data_of(stage, cohort)
    made = {os.path.abspath(folder) for folder in to_come}
    there = [run for run in stage.other_runs if os.path.abspath(run) not in made]
    # What cannot be checked is logged as a warning only when the stage is opened.
    _check_runs(there, stage, cohort, split, is_said=False)
    _check_methods(stage, cohort)
    run, record = RunFolder(stage.workdir), records.make_record(stage, cohort, split)
    lengthening.check(run, record)
    _refuse_other_start(run, [each for each in stage.other_runs if each not in there])
    if not _is_over(run, record):
        list(batch_sizes.sizes(stage, cohort, split))


def _refuse_other_start(run: RunFolder, to_come: Iterable[str]) -> None:
    """Refuses a run that has begun from one that would be trained again.

    Raises:
      UserError: naming both.
    """
    gone = [each for each in to_come if not RunFolder(each).has_begun()]
    if gone and run.has_begun():
        raise errors.UserError(
            f"{run.path} went on from {gone[0]}, which is gone and would be trained "
            f"again: delete {run.path}, too, put {gone[0]} back, or use another "
            "--workdir."
        )


def check_devices(stage: config.StageConfig) -> None:
    """Refuses an unfinished stage whose batches are too small for the devices.

    Raises:
      UserError: a batch has fewer images than there are devices, or the devices are not
        available.
    """
    num_devices = runtime.devices(stage.runtime).num_replicas
    if num_devices > 1 and steps_left(stage):
        for size in batch_sizes.sizes(stage, *_data_of(stage)):
            distribution.row_bounds(size, num_devices)


def steps_left(stage: config.StageConfig) -> int:
    """The number of steps a stage still has to take; all if it has not finished.

    Raises:
      UserError: bad cohort or split.
    """
    run = RunFolder(stage.workdir)
    if run.read_result() is None:
        return stage.optimizer.num_steps
    return max(run.steps_added(records.make_record(stage, *_data_of(stage))), 0)


def without_methods_in_want(
    stage: config.StageConfig, is_chosen: Callable[[str], bool]
) -> config.StageConfig:
    """The stage without methods whose unlabelled slices the split does not have.

    Only methods whose flag the user did not give are left out; `check` refuses others.

    Args:
      stage: settings of the stage.
      is_chosen: tells whether the user gave a method's flag.

    Raises:
      UserError: bad cohort or split.
    """
    if stage.stage != "finetune":
        return stage
    if all(is_chosen(flag) for flag in stage.finetune.unlabelled_flags):
        return stage
    cohort = PreparedCohort.open(stage.prepared)
    found = _in_want(stage.finetune, cohort, splits.resolve(cohort, stage.split))
    in_want = {k: flag for k, flag in found.items() if not is_chosen(flag)}
    if not in_want:
        return stage
    _LOG.warning(
        "Fine-tuning ignores %s: that needs unlabelled volumes, but all pre-training "
        "volumes are for training or validation.",
        ", ".join(in_want.values()),
    )
    return dataclasses.replace(stage, finetune=stage.finetune.without(in_want))


def _data_of(
    stage: config.StageConfig, cohort: Optional[PreparedCohort] = None
) -> tuple[PreparedCohort, splits.Split]:
    cohort = cohort or PreparedCohort.open(stage.prepared)
    split = splits.resolve(cohort, stage.split)
    stage.network.check_size(cohort.settings.size_px)
    if stage.stage == "finetune":
        _check_volumes(stage.finetune, cohort, split)
    return cohort, split


def _in_want(
    finetune: config.FinetuneConfig, cohort: PreparedCohort, split: splits.Split
) -> dict[str, str]:
    """The flags of the methods whose unlabelled slices are missing, by method."""
    needing = {k: it for k, it in finetune.methods_on.items() if it.unlabelled_flag}
    if not needing or splits.unlabelled(cohort, split):
        return {}
    has_slices = unlabelled.has_slices(cohort, split)
    return {
        k: it.unlabelled_flag
        for k, it in needing.items()
        if it.needs_volumes or not has_slices
    }


def _check_volumes(
    finetune: config.FinetuneConfig, cohort: PreparedCohort, split: splits.Split
) -> None:
    """Refuses a split without labelled volumes, or without what a method needs."""
    if not split.train:
        raise errors.UserError(
            "No labelled volume to fine-tune on: give --num_train_volumes of 1 or more."
        )
    in_want = _in_want(finetune, cohort, split)
    if in_want:
        raise errors.UserError(
            f"{next(iter(in_want.values()))} needs unlabelled volumes, but all "
            f"{len(split.pretrain)} pre-training volumes of the split are for training "
            "or validation: add volumes to the cohort, or leave it off."
        )


def _check_runs(
    runs: Iterable[str],
    stage: config.StageConfig,
    cohort: PreparedCohort,
    split: splits.Split,
    is_said: bool = True,
) -> None:
    """Refuses runs that the stage cannot go on from; see `predecessors.check`."""
    for run in map(pathlib.Path, runs):
        predecessors.check(run, cohort, split, is_said)
        predecessors.check_norm(run, stage.network.norm)
        predecessors.check_channels(run, cohort)
        if stage.stage == "finetune":
            predecessors.check_labels(run, cohort)


def _check_methods(stage: config.StageConfig, cohort: PreparedCohort) -> None:
    for part in method.parts_of(stage):
        if part.check is not None:
            part.check(stage, cohort)


def _open(
    stage: config.StageConfig, devices: Devices
) -> Iterator[Optional[StageContext]]:
    cohort, split = _data_of(stage)
    _check_runs(stage.other_runs, stage, cohort, split)
    _check_methods(stage, cohort)
    record = records.make_record(stage, cohort, split)
    devices.check_same(records.fingerprint(record), "their settings or cohorts")
    chosen = runtime.resolve(stage.runtime, stage.optimizer.num_steps)
    computing = records.Computing(chosen.precision, chosen.jit, devices.num_replicas)
    record = dataclasses.replace(record, computing=computing)
    run = RunFolder(stage.workdir)
    lengthening.check(run, record)
    finished = _is_over(run, record)
    # A finished run is only read, so it is not locked: it may be write-protected.
    with contextlib.nullcontext() if finished else _held(run, devices) as own:
        run = own or run  # A worker that is not the chief writes elsewhere.
        run.start(record)
        if _is_over(run, record):
            _LOG.info("%s is finished; nothing to do.", run.path)
            yield None
            return
        with run.log_file():
            _LOG.info("Stage %s in %s.", stage.stage, run.path)
            _warn_of_other_computing(run.read_record().computing, computing)
            runtime.start(chosen, stage.seed)
            yield StageContext(stage, cohort, split, run, chosen, devices)


def _warn_of_other_computing(
    begun: Optional[records.Computing], now: records.Computing
) -> None:
    """Warns if a run resumes with another precision, XLA setting or device count.

    Its numbers then differ from those of a run without the change.
    """
    if begun is not None and begun != now:
        _LOG.warning(
            "The run began in %s, and goes on in %s: what it learns is as good, but "
            "not identical to the last bit.",
            begun,
            now,
        )


def _is_over(run: RunFolder, record: records.RunRecord) -> bool:
    """Whether a run has finished, with at least the steps that are asked for."""
    return run.read_result() is not None and run.steps_added(record) <= 0


@contextlib.contextmanager
def _held(run: RunFolder, devices: Devices) -> Iterator[RunFolder]:
    """Locks the folder that this process writes: the run's, or a temporary one."""
    with devices.folder(run.path) as path:
        own = RunFolder(path)
        with own.held():
            yield own
