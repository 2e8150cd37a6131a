"""Whether a stage may go on from an earlier run."""

import logging
import os
import pathlib

from dscl_tf import errors
from dscl_tf.cohort import channels
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.cohort.splits import Split
from dscl_tf.config import NormKind
from dscl_tf.training.run_folder import RunFolder

_LOG = logging.getLogger(__name__)


def check(
    init: pathlib.Path, cohort: PreparedCohort, split: Split, is_said: bool = True
) -> None:
    """Refuses a run that has not finished or that has seen test volumes.

    The runs that it took over in its turn are looked at, too: their splits may have
    been others.

    Args:
      init: the run.
      cohort: that is trained on now.
      split: of it.
      is_said: whether the log says what cannot be checked.

    Raises:
      UserError: naming the run and the volumes.
    """
    level = logging.WARNING if is_said else logging.DEBUG
    run = RunFolder(init)
    run.final_checkpoint()
    before = run.read_record()
    if before.cohort_id != cohort.content_id:
        _LOG.log(
            level,
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
    for earlier in before.config.other_runs:
        places = [
            place
            for place in places_of(earlier, run)
            if RunFolder(place).config_file.exists()
        ]
        if places:
            check(places[0], cohort, split, is_said)
        else:
            _LOG.log(
                level,
                "%s went on from %s, which is not there any more: whether that has "
                "seen the test volumes cannot be checked.",
                init,
                earlier,
            )


def places_of(earlier: str, run: RunFolder) -> list[pathlib.Path]:
    """Where a run may be that another one took over.

    They may have moved together, so the place as seen from the other comes first.
    """
    before = os.path.relpath(earlier, run.read_record().config.workdir)
    return [run.path / before, pathlib.Path(earlier)]


def check_channels(init: pathlib.Path, cohort: PreparedCohort) -> None:
    """Refuses a run of other channels: its first weights are for those.

    Raises:
      UserError: naming the run and both.
    """
    theirs = RunFolder(init).read_record().preprocessing
    channels.require_same(init, theirs, cohort.folder, cohort.settings)


def check_norm(init: pathlib.Path, norm: NormKind) -> None:
    """Refuses a run whose features are normalised otherwise: the weights would fit.

    Raises:
      UserError: naming the run and both.
    """
    found = RunFolder(init).read_record().config.network.norm
    if found is not norm:
        raise errors.UserError(
            f"{init} was trained with --norm={found.value}, not --norm={norm.value}: "
            "use that, or train it again."
        )
