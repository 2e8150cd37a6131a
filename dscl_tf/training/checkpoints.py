"""Saving and restoring a run: the two newest checkpoints, and the best weights."""

import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf

from dscl_tf import errors

_LOG = logging.getLogger(__name__)
# What TensorFlow raises for files that are missing, cut off, damaged or of another
# network; a data file that is too short is an IndexError.
_UNREADABLE = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)


class Checkpoints:
    """The checkpoints of one run folder.

    Everything a run needs to go on exactly where it was: the networks' parts, the
    optimizer, the step, and named numbers such as the best validation Dice. Batches
    and their random draws need nothing, since they are functions of the step.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        parts: Mapping[str, tf.keras.Model],
        optimizer: tf.keras.optimizers.Optimizer,
    ):
        """Checkpoints in `folder`/checkpoints, best weights in `folder`/best.

        Args:
          folder: of the run.
          parts: networks by the names under which later stages take them over.
          optimizer: built.
        """
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_score = tf.Variable(-1.0, dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            parts=dict(parts),
            optimizer=optimizer,
            step=self.step,
            best_score=self.best_score,
            best_step=self.best_step,
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder / "checkpoints"), max_to_keep=2
        )
        self._best = tf.train.CheckpointManager(
            tf.train.Checkpoint(parts=dict(parts)), str(folder / "best"), max_to_keep=1
        )

    def restore(self, folder: Optional[pathlib.Path] = None) -> int:
        """Restores the newest checkpoint that can be read; its step, 0 for none.

        Args:
          folder: of the run, where it is not the one that this process writes.
        """
        paths = self._manager.checkpoints if folder is None else _saved_in(folder)
        for path in reversed(paths):
            try:
                self._checkpoint.restore(path).assert_consumed()
            except _UNREADABLE as error:
                _LOG.warning(
                    "Cannot restore %s (%s); trying the one before.",
                    path,
                    str(error).splitlines()[0],
                )
                continue
            return int(self.step)
        if paths:
            raise errors.UserError(
                f"None of the checkpoints in {os.path.dirname(paths[0])} can be read: "
                "delete the run folder to start the stage again."
            )
        return 0

    def save(self, step: int) -> None:
        """Saves the run at `step`, the number of steps that were taken.

        Raises:
          UserError: it cannot be written, as on a full disk.
        """
        self.step.assign(step)
        _save(self._manager, step)

    def keep_if_best(self, step: int, score: float) -> bool:
        """Saves the parts as the best when `score` is the highest so far."""
        if score <= float(self.best_score):
            return False
        self.best_score.assign(score)
        self.best_step.assign(step)
        _save(self._best, step)
        return True

    def result(self) -> pathlib.Path:
        """The checkpoint to use: the best one, or the newest where none was kept."""
        return pathlib.Path(
            self._best.latest_checkpoint or self._manager.latest_checkpoint
        )

    def scores(self) -> dict[str, float]:
        """The best validation and its step; empty where nothing was validated."""
        if int(self.best_step) < 0:
            return {}
        return {
            "best_step": int(self.best_step),
            "validation_dice": float(self.best_score),
        }


def _saved_in(folder: pathlib.Path) -> list[str]:
    state = tf.train.get_checkpoint_state(str(folder / "checkpoints"))
    return list(state.all_model_checkpoint_paths) if state else []


def _save(manager: tf.train.CheckpointManager, step: int) -> None:
    try:
        manager.save(checkpoint_number=step)
    except (tf.errors.OpError, OSError) as error:
        raise errors.UserError(
            f"Cannot write the checkpoint of step {step} in {manager.directory}: "
            f"{str(error).splitlines()[0]}. Free some space or make the folder "
            "writable; the same command goes on from the checkpoint before."
        ) from error


def variables_by_part(path: pathlib.Path) -> dict[str, int]:
    """How many variables each part has in a checkpoint.

    Raises:
      UserError: the checkpoint is missing or cannot be read.
    """
    counts: dict[str, int] = {}
    for name in _variable_names(path):
        keys = name.split("/")
        if keys[0] == "parts" and "OPTIMIZER_SLOT" not in name:
            counts[keys[1]] = counts.get(keys[1], 0) + 1
    return counts


def _variable_names(path: pathlib.Path) -> list[str]:
    try:
        return [name for name, _ in tf.train.list_variables(str(path))]
    except _UNREADABLE as error:
        raise errors.UserError(
            f"Cannot read the checkpoint {path}: {str(error).splitlines()[0]}"
        ) from None


def read_parts(path: pathlib.Path, parts: Mapping[str, tf.keras.Model]) -> None:
    """Reads `parts`, each of their variables, from a checkpoint.

    Raises:
      UserError: one of their variables is missing or has another shape.
    """
    checkpoint = tf.train.Checkpoint(parts=dict(parts))
    try:
        status = checkpoint.read(str(path))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except _UNREADABLE as error:
        raise errors.UserError(
            f"The weights in {path} do not fit this network "
            f"({str(error).splitlines()[0]}): use the --filters and --size_px of that "
            "run."
        ) from None
