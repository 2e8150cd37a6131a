"""Pseudo-labels as a part of fine-tuning."""

import logging
from typing import Optional

from dscl_tf import config, errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.method import Method, MoreLabels
from dscl_tf.methods.pseudo_labels import labels
from dscl_tf.pipeline import sampling
from dscl_tf.training import records
from dscl_tf.training.run_folder import RunFolder
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


def check(stage: config.StageConfig, cohort: PreparedCohort) -> None:
    """Refuses a teacher that cannot label this cohort.

    A teacher that an earlier stage has yet to train is of the same cohort.

    Raises:
      UserError: the teacher does not fit (the message names what it has and should
        have) or is missing; another method needs manual labels; or a batch is too small
        for labelled and pseudo-labelled slices.
    """
    if stage.finetune.pseudo_labels.as_targets:
        _require_no_true_labels(stage.finetune)
        sampling.check_halves(stage.finetune.batch_size)
    teacher = stage.finetune.pseudo_labels.teacher
    if teacher is None:
        raise errors.UserError(
            "Pseudo-labels as targets need a run that gives them: use "
            "--self_training_rounds of 1 or more."
        )
    run = RunFolder(teacher)
    if not run.config_file.exists():
        return
    record = run.read_record()
    if record.config.stage != "finetune":
        raise errors.UserError(
            f"{teacher} is a run of the stage {record.config.stage!r}; only a "
            "fine-tuned run gives pseudo-labels."
        )
    # Structures and channels are checked as for any run that the stage builds on.
    theirs, ours = record.preprocessing.size_px, cohort.settings.size_px
    if theirs != ours:
        raise errors.UserError(
            f"{teacher} segments slices of {theirs} pixels, but {cohort.folder} has "
            f"{ours}: use a teacher trained on this cohort."
        )


def _require_no_true_labels(finetune: config.FinetuneConfig) -> None:
    for method in finetune.methods_on.values():
        if method.needs_true_labels:
            raise errors.UserError(
                f"{method.unlabelled_flag} does not go with --self_training_rounds: "
                "it needs labels drawn by a person, but half of each labelled batch "
                "would have pseudo-labels. Leave one of them out."
            )


def say_other_preprocessing(teacher: str, cohort: PreparedCohort) -> None:
    """Warns if the teacher learned from slices that were prepared in another way."""
    theirs = RunFolder(teacher).read_record().preprocessing
    other = records.other_preprocessing(theirs, cohort.settings)
    if other:
        _LOG.warning(
            "%s learned from slices that were prepared differently (%s): its "
            "pseudo-labels of this cohort may be wrong.",
            teacher,
            other,
        )


def prepare(context: StageContext) -> None:
    """Has the teacher label the unlabelled volumes.

    Each process does so for itself, in the folder that it writes, since all processes
    make batches.

    Raises:
      UserError: the teacher cannot label.
    """
    settings = context.config.finetune.pseudo_labels
    say_other_preprocessing(settings.teacher, context.cohort)
    labels.make(_labels_of(context), context.unlabelled, settings)


def teachers_labels(context: StageContext) -> Optional[MoreLabels]:
    """The teacher's labels of the unlabelled volumes; None without a teacher."""
    if context.config.finetune.pseudo_labels.teacher is None:
        return None
    return MoreLabels(context.unlabelled, _labels_of(context).of)


def targets(context: StageContext) -> Optional[MoreLabels]:
    """The teacher's labels if the Dice loss is to take them, else None."""
    is_wanted = context.config.finetune.pseudo_labels.as_targets
    return teachers_labels(context) if is_wanted else None


def _labels_of(context: StageContext) -> labels.PseudoLabels:
    return labels.PseudoLabels(context.run.path, context.cohort)


METHOD = Method(check=check, prepare=prepare, more_labels=targets)
