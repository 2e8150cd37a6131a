"""What a run has learned from: its own volumes and those of the runs it took over."""

import dataclasses
import os
import pathlib
from collections.abc import Collection

from dscl_tf import errors, files
from dscl_tf.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a run was trained on, as far as it is known."""

    run: pathlib.Path
    volumes: frozenset[str] = frozenset()  # Names of volumes that shaped its weights.
    labelled: frozenset[str] = frozenset()  # Names of those whose labels it trained on.
    unknown: str = ""  # Why this is not known, as a sentence without its full stop.

    def refuse(self, tested: Collection[str], which: str, cure: str) -> None:
        """Refuses to test on volumes that the run has learned from.

        Raises:
          UserError: "... volumes that `which` (their names): `cure`".
        """
        _refuse(self.run, self.volumes.intersection(tested), which, cure)

    def refuse_labelled(self, chosen_by: Collection[str], cure: str) -> None:
        """Refuses to choose weights on volumes whose labels the run was trained on.

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
    """What a run and the runs that it took over have seen of a cohort.

    Each is looked up on its own, since their splits may differ.

    Args:
      run: folder of the run.
      cohort_id: id of the prepared cohort; names in other cohorts cannot be compared.

    Raises:
      UserError: a folder is not a run.
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
                why = (
                    f"went on from {earlier}, which is assumed to be "
                    f"{there[0].resolve()}"
                )
        else:
            why = f"went on from {earlier}, which no longer exists"
        if why:
            found.append(Seen(folder.path, unknown=f"{folder.path} {why}"))
    return found


def _is_told_by(workdir: str, earlier: str) -> bool:
    """Whether a record says where the earlier run was, whatever the working directory.

    In records of earlier versions one folder may be absolute and the other relative.
    """
    return os.path.isabs(earlier) or not os.path.isabs(workdir)


def places_of(earlier: str, run: RunFolder) -> list[pathlib.Path]:
    """The folders where a run that `run` took over may be, the likeliest first.

    Both may have been moved together, so the place relative to `run` comes first.
    """
    before = os.path.relpath(earlier, run.read_record().config.workdir)
    return [run.path / before, pathlib.Path(earlier)]
