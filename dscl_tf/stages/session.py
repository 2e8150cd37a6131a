"""What every stage opens first: cohort, split, run folder, runtime."""

import contextlib
import dataclasses
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Optional

import numpy as np

from dscl_tf import config, errors
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import records, runtime
from dscl_tf.training.distribution import Devices
from dscl_tf.training.run_folder import RunFolder

_LOG = logging.getLogger(__name__)
# Draws the probe volumes; a constant, so that all runs on a cohort share them.
_PROBE_SEED = 20_201_206


@dataclasses.dataclass(frozen=True)
class Session:
    """An opened stage."""

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
    def unlabelled(self) -> tuple[str, ...]:
        """The pre-training volumes whose labels have no part in fine-tuning.

        None of a subject for validation: it would be learned from what chooses.
        """
        validated = {self.cohort.volume(n).subject for n in self.split.validation}
        return tuple(
            name
            for name in self.split.pretrain
            if name not in self.split.train
            and self.cohort.volume(name).subject not in validated
        )


@contextlib.contextmanager
def open_session(stage: config.StageConfig) -> Iterator[Optional[Session]]:
    """Opens a stage; yields None when it has already finished.

    Everything that can be wrong with the request is found here, before any work.

    Raises:
      UserError: bad cohort, split, network size or run folder, or a run that was
        pre-trained on volumes of this split's test set.
    """
    devices = runtime.devices(stage.runtime)
    with devices.guard():
        yield from _open(stage, devices)


def _open(stage: config.StageConfig, devices: Devices) -> Iterator[Optional[Session]]:
    cohort = PreparedCohort.open(stage.prepared)
    split = splits.resolve(cohort, stage.split)
    stage.network.check_size(cohort.settings.size_px)
    if stage.init is not None:
        check_init(pathlib.Path(stage.init), cohort, split)
    check_teacher(stage, cohort, split)
    record = records.make_record(stage, cohort, split)
    devices.check_same(records.fingerprint(record), "their settings or cohorts")
    run = RunFolder(stage.workdir)
    finished = run.read_result() is not None
    # A finished run is only looked at, perhaps where nothing can be written.
    with contextlib.nullcontext() if finished else _held(run, devices) as own:
        run = own or run  # A worker that is not the chief writes elsewhere.
        run.start(record)
        if run.read_result() is not None:
            _LOG.info("%s is finished; nothing to do.", run.path)
            yield None
            return
        with run.log_file():
            _LOG.info("Stage %s in %s.", stage.stage, run.path)
            begun = runtime.start(stage.runtime, stage.seed)
            yield Session(stage, cohort, split, run, begun, devices)


@contextlib.contextmanager
def _held(run: RunFolder, devices: Devices) -> Iterator[RunFolder]:
    """The folder that this process writes, held: the run's, or a vanishing one."""
    with devices.folder(run.path) as path:
        own = RunFolder(path)
        with own.held():
            yield own


def check_init(init: pathlib.Path, cohort: PreparedCohort, split: splits.Split) -> None:
    """Refuses a run that has not finished or that has seen test volumes.

    The runs that it took over in its turn are looked at, too: their splits may have
    been others.

    Raises:
      UserError: naming the run and the volumes.
    """
    run = RunFolder(init)
    run.final_checkpoint()
    before = run.read_record()
    if before.cohort_id != cohort.content_id:
        _LOG.warning(
            "%s was trained on another prepared cohort (or other settings of it); "
            "whether it has seen the test volumes cannot be checked.",
            init,
        )
        return
    leaked = sorted(before.volumes_learned_from() & set(split.test))
    if leaked:
        raise errors.UserError(
            f"{init} was trained on {len(leaked)} volumes that are for testing now "
            f"({', '.join(leaked[:5])}): use the split of that run."
        )
    for earlier in {before.config.init, _teacher_of(before.config)} - {None}:
        # Runs may have moved, together with what they took over.
        moved = init / os.path.relpath(earlier, before.config.workdir)
        places = [p for p in (moved, earlier) if RunFolder(p).config_file.exists()]
        if places:
            check_init(pathlib.Path(places[0]), cohort, split)
        else:
            _LOG.warning(
                "%s went on from %s, which is not there any more: whether that has "
                "seen the test volumes cannot be checked.",
                init,
                earlier,
            )


def _teacher_of(stage: config.StageConfig) -> Optional[str]:
    """The run whose predictions are learned."""
    is_finetune = stage.stage == "finetune"
    return stage.finetune.pseudo_labels.teacher if is_finetune else None


def check_teacher(
    stage: config.StageConfig, cohort: PreparedCohort, split: splits.Split
) -> None:
    """Refuses a run that cannot label this cohort, or has seen test volumes.

    Raises:
      UserError: naming the run, and what it has and should have.
    """
    teacher = _teacher_of(stage)
    if teacher is None:
        if stage.stage == "finetune" and stage.finetune.pseudo_labels.as_targets:
            raise errors.UserError(
                "Pseudo-labels as targets need a run that gives them: use "
                "--self_training_rounds of 1 or more."
            )
        return
    check_init(pathlib.Path(teacher), cohort, split)
    record = RunFolder(teacher).read_record()
    if record.config.stage != "finetune":
        raise errors.UserError(
            f"{teacher} is a run of the stage {record.config.stage!r}; only a "
            "fine-tuned run gives pseudo-labels."
        )
    theirs = (record.label_names, record.preprocessing.size_px)
    ours = (cohort.label_names, cohort.settings.size_px)
    if theirs != ours:
        raise errors.UserError(
            f"{teacher} segments {theirs}, but {cohort.folder} has {ours} (names of "
            "labels, size of slices): use a teacher trained on this cohort."
        )
    other = records.other_preprocessing(record.preprocessing, cohort.settings)
    if other:
        _LOG.warning(
            "%s learned from slices that were prepared otherwise (%s): its "
            "pseudo-labels of this cohort may be wrong.",
            teacher,
            other,
        )


def hold_out_probe(
    cohort: PreparedCohort, names: tuple[str, ...], num_probe: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sets some of the pre-training subjects aside for the probes, all their volumes.

    At most a tenth of them; none of fewer than twenty, since a neighbour in
    another held-out subject is needed and small cohorts cannot spare two.

    Args:
      cohort: whose they are.
      names: of the volumes to pre-train on.
      num_probe: subjects to set aside.

    Returns:
      (names to train on, names to probe with).
    """
    subject_of = {name: cohort.volume(name).subject for name in names}
    subjects = list(dict.fromkeys(subject_of.values()))
    count = min(num_probe, len(subjects) // 10)
    if count < 2:
        return names, ()
    chosen = np.random.default_rng(_PROBE_SEED).permutation(len(subjects))[:count]
    held_out = {subjects[k] for k in chosen}
    kept, probe = (
        tuple(name for name in names if (subject_of[name] in held_out) == is_held_out)
        for is_held_out in (False, True)
    )
    return kept, probe
