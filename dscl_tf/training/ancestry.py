"""A run and those that it took over: what they have seen, it has seen."""

import dataclasses
import os
import pathlib
from collections.abc import Collection

from dscl_tf import errors, files
from dscl_tf.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a run was trained on, as far as it can be told."""

    run: pathlib.Path
    volumes: frozenset[str] = frozenset()  # Names of those that shaped its weights.
    labelled: frozenset[str] = frozenset()  # Of those whose labels did, by training.
    unknown: str = ""  # Why they cannot be told, as a sentence without its stop.

    def refuse(self, tested: Collection[str], which: str, cure: str) -> None:
        """Refuses volumes for testing that the run has learned from.

        Raises:
          UserError: "... volumes that `which` (their names): `cure`".
        """
        _refuse(self.run, self.volumes.intersection(tested), which, cure)

    def refuse_labelled(self, chosen_by: Collection[str], cure: str) -> None:
        """Refuses volumes to choose weights by whose labels the run has learned.

        Raises:
          UserError: naming the volumes.
        """
        leaked = self.labelled.intersection(chosen_by)
        _refuse(self.run, leaked, "are for validation now", cure)


def _refuse(run: pathlib.Path, volumes: Collection[str], which: str, cure: str) -> None:
    if volumes:
        raise errors.UserError(
            f"{run} was trained on {len(volumes)} volumes that {which} "
            f"({', '.join(sorted(volumes)[:5])}): {cure}."
        )


def seen_by(run: files.PathLike, cohort_id: str) -> list[Seen]:
    """What a run and those that it took over have seen of a cohort.

    Their splits may have been others.

    Args:
      run: its folder.
      cohort_id: of the prepared cohort; names in other cohorts mean nothing.

    Raises:
      UserError: a folder that is no run.
    """
    folder = RunFolder(run)
    record = folder.read_record()
    if record.cohort_id != cohort_id:
        why = "was trained on another prepared cohort (or other settings of it)"
        return [Seen(folder.path, unknown=f"{folder.path} {why}")]
    labelled = record.split.train if record.config.stage == "finetune" else ()
    volumes = frozenset(record.volumes_learned_from())
    found = [Seen(folder.path, volumes, frozenset(labelled))]
    for earlier in record.config.other_runs:
        there = [
            place
            for place in places_of(earlier, folder)
            if RunFolder(place).config_file.exists()
        ]
        why = ""
        if there:
            found += seen_by(there[0], cohort_id)
            if not _is_told_by(record.config.workdir, earlier):
                why = f"went on from {earlier}, which is taken for {there[0].resolve()}"
        else:
            why = f"went on from {earlier}, which is not there any more"
        if why:
            found.append(Seen(folder.path, unknown=f"{folder.path} {why}"))
    return found


def _is_told_by(workdir: str, earlier: str) -> bool:
    """Whether a record tells where the earlier run was, and not a working directory.

    Those of earlier versions may have one folder that is absolute and one that is not.
    """
    return os.path.isabs(earlier) or not os.path.isabs(workdir)


def places_of(earlier: str, run: RunFolder) -> list[pathlib.Path]:
    """Where a run may be that another one took over.

    They may have moved together, so the place as seen from the other comes first.
    """
    before = os.path.relpath(earlier, run.read_record().config.workdir)
    return [run.path / before, pathlib.Path(earlier)]
