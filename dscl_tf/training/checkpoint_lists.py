"""TensorFlow's list of the checkpoints in a folder, the file `checkpoint`."""

import logging
import pathlib

import tensorflow as tf

from dscl_tf import files

_LOG = logging.getLogger(__name__)


def in_folder(folder: pathlib.Path) -> list[str]:
    """The checkpoints that a folder's list names, the oldest first; none without it.

    An unreadable list counts as none; TensorFlow raises or logs, depending on what it
    finds.
    """
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    except (ValueError, tf.errors.OpError):
        return []
    return list(state.all_model_checkpoint_paths) if state else []


def mend(folder: pathlib.Path) -> None:
    """Writes a folder's list anew if it is damaged, as a power cut may leave it.

    A list that is missing is not made: checkpoints without one are left from a run that
    was killed, or started again.
    """
    if not (folder / "checkpoint").exists() or in_folder(folder):
        return
    found = sorted(folder.glob("ckpt-*.index"), key=_step)
    if not found:
        return
    _LOG.warning(
        "The list of checkpoints %s is damaged: it is written anew, of the %d that "
        "are there.",
        folder / "checkpoint",
        len(found),
    )
    lines = [f'model_checkpoint_path: "{found[-1].stem}"']
    lines += [f'all_model_checkpoint_paths: "{path.stem}"' for path in found]
    # Without times, a CheckpointManager would neither keep nor delete them.
    times = [path.stat().st_mtime for path in found]
    lines += [f"all_model_checkpoint_timestamps: {time}" for time in times]
    with files.atomic_path(folder / "checkpoint") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _step(index: pathlib.Path) -> int:
    return int(index.stem.rpartition("-")[2])
