"""Whether a stage may go on from an earlier run."""

import logging
import pathlib

from dscl_tf import errors
from dscl_tf.cohort import channels
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.cohort.splits import Split
from dscl_tf.config import NormKind
from dscl_tf.training import ancestry
from dscl_tf.training.run_folder import RunFolder

_LOG = logging.getLogger(__name__)


def check(
    init: pathlib.Path, cohort: PreparedCohort, split: Split, is_said: bool = True
) -> None:
    """Refuses a run that is unfinished or has seen volumes it must not have seen.

    These are test volumes, and labels of validation volumes, since those choose the
    weights. The runs that it took over in turn are checked, too: their splits may have
    been different.

    Args:
      init: folder of the run.
      cohort: the cohort to train on.
      split: split of the cohort.
      is_said: whether to warn of what cannot be checked; else it is a debug message.

    Raises:
      UserError: naming the run and the volumes.
    """
    level = logging.WARNING if is_said else logging.DEBUG
    RunFolder(init).final_checkpoint()
    for seen in ancestry.seen_by(init, cohort.content_id):
        if seen.unknown:
            _LOG.log(
                level,
                "%s; whether it has seen the test volumes cannot be checked.",
                seen.unknown,
            )
        which, cure = "are for testing now", "use the split of that run"
        seen.refuse(split.test, which, cure)
        seen.refuse_labelled(split.validation, cure)


def check_labels(init: pathlib.Path, cohort: PreparedCohort) -> None:
    """Refuses a segmenter of other structures, whose last layer was trained for those.

    Raises:
      UserError: naming the run, its structures and the cohort's.
    """
    record = RunFolder(init).read_record()
    theirs, ours = tuple(record.label_names), tuple(cohort.label_names)
    if record.config.stage == "finetune" and theirs != ours:
        raise errors.UserError(
            f"{init} segments {', '.join(theirs)}, but {cohort.folder} has labels of "
            f"{', '.join(ours)}: use a run that was trained on these, in this order."
        )


def check_channels(init: pathlib.Path, cohort: PreparedCohort) -> None:
    """Refuses a run on other channels, whose first layer was trained for those.

    Raises:
      UserError: naming the run, its channels and the cohort's.
    """
    theirs = RunFolder(init).read_record().preprocessing
    channels.require_same(init, theirs, cohort.folder, cohort.settings)


def check_norm(init: pathlib.Path, norm: NormKind) -> None:
    """Refuses a run with another normalisation, though its weights could be loaded.

    Raises:
      UserError: naming the run and both normalisations.
    """
    found = RunFolder(init).read_record().config.network.norm
    if found is not norm:
        raise errors.UserError(
            f"{init} was trained with --norm={found.value}, not --norm={norm.value}: "
            "use that, or train it again."
        )
