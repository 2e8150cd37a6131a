"""Which volumes of a cohort a model is evaluated on."""

import logging
from typing import Optional

from dscl_tf import config, errors
from dscl_tf.cohort import prepared, splits
from dscl_tf.inference import predictor as predictors
from dscl_tf.training import ancestry, run_folder

SUBSETS = ("test", "validation", "train", "all")
_LOG = logging.getLogger(__name__)


def choose(
    predictor: predictors.Predictor,
    cohort: prepared.PreparedCohort,
    subset: str,
    split: Optional[config.SplitConfig] = None,
) -> list[prepared.PreparedVolume]:
    """The labelled volumes of a subset, in the order of the cohort.

    Args:
      predictor: the model, with the runs that it was loaded from, if any.
      cohort: the one with the volumes.
      subset: one of SUBSETS; "all" is every labelled volume.
      split: the split that has the subset; None: that of the runs.

    Raises:
      UserError: if there is no such volume, the split is unknown, or the model was
        trained on volumes that `split` has for testing.
    """
    wanted = [volume.name for volume in cohort.volumes]
    if subset != "all":
        wanted = getattr(_split(predictor, cohort, subset, split), subset)
    missing = set(wanted) - {volume.name for volume in cohort.volumes}
    if missing:
        raise errors.UserError(
            f"The run's {subset} volume {min(missing)} is not in the cohort "
            f"{cohort.folder}: evaluate on the cohort that it was trained on, or give "
            "--split or --subset=all."
        )
    chosen = [each for each in cohort.volumes if each.name in set(wanted)]
    labelled = [volume for volume in chosen if volume.has_label]
    if not labelled:
        raise errors.UserError(
            f"The subset {subset!r} of {cohort.folder} has {len(chosen)} "
            "volumes and none with a label to compare with: choose another --subset."
        )
    if len(labelled) < len(chosen):
        count = len(chosen) - len(labelled)
        _LOG.info("%d volumes have no label and are left out.", count)
    if subset == "all" or (subset == "test" and split is not None):
        _check_unseen(predictor, cohort, subset, labelled)
    return labelled


def _split(predictor, cohort, subset: str, split) -> splits.Split:
    if split is not None:
        return splits.resolve(cohort, split)
    if not predictor.runs:
        raise errors.UserError(
            f"An exported model does not know its {subset} volumes: give "
            "--split=FILE or --subset=all."
        )
    records = [run_folder.RunFolder(run).read_record() for run in predictor.runs]
    found = [record.split for record in records]
    first = getattr(found[0], subset)
    if any(getattr(split, subset) != first for split in found):
        raise errors.UserError(
            f"The runs of the ensemble have other {subset} volumes: give "
            "--split=FILE, or name runs of one split."
        )
    if any(record.cohort_id != cohort.content_id for record in records):
        _LOG.warning(
            "The model was trained on another prepared cohort (or other settings of "
            "it): its %s volumes are looked for in %s by their names. If these are "
            "other patients, give --subset=all.",
            subset,
            cohort.folder,
        )
    return found[0]


def _check_unseen(predictor, cohort, subset: str, chosen) -> None:
    """Warns if the model was trained on any of the volumes; refuses such test volumes.

    Their Dice does not tell the Dice of new volumes.

    Raises:
      UserError: the model was trained on volumes that the split has for testing.
    """
    if not predictor.runs:
        _LOG.warning(
            "An exported model does not know which volumes it has seen; whether these "
            "are among them cannot be checked."
        )
    names = {volume.name for volume in chosen}
    every = [
        seen
        for run in predictor.runs
        for seen in ancestry.seen_by(run, cohort.content_id)
    ]
    for seen in every if subset == "test" else ():
        seen.refuse(
            names,
            "--split lists for testing",
            "use the run's own split (without --split), or --subset=all to evaluate "
            "on all volumes deliberately",
        )
    for unknown in dict.fromkeys(seen.unknown for seen in every if seen.unknown):
        _LOG.warning("%s; whether it has seen these cannot be checked.", unknown)
    count = len(names & {name for seen in every for name in seen.volumes})
    if count:
        _LOG.warning(
            "The model was trained on %d of these %d volumes (or they chose its "
            "weights): means over all are too optimistic for new ones.",
            count,
            len(names),
        )
