"""Saving and restoring a run: the two newest checkpoints, and the best weights."""

import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import checkpoint_lists, finiteness

_LOG = logging.getLogger(__name__)
# What TensorFlow raises for files that are missing, truncated, damaged or of another
# network; IndexError is for a data file that is too short.
_UNREADABLE = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)


_LOSS_SCALE = "optimizer/loss_scale/"  # Prefix of variables' names in a checkpoint.


def _is_scaled(optimizer: tf.keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)


def _state_of(optimizer: tf.keras.optimizers.Optimizer, has_scale: bool) -> tf.Module:
    """An optimizer's variables by the names that Keras saves them under.

    Keras' LossScaleOptimizer saves its scale as a part of the optimizer that it wraps,
    so that neither kind can be restored from a checkpoint of the other by itself.

    Args:
      optimizer: a built optimizer.
      has_scale: whether the checkpoint has a loss scale. An optimizer without loss
        scaling gets variables for it that nothing reads.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    state = tf.Module()
    state._iterations, state._variables = inner.iterations, list(inner.variables)
    if isinstance(inner._learning_rate, tf.Variable):  # Else it is a schedule.
        state._learning_rate = inner._learning_rate
    if has_scale:
        scale = tf.Module()
        scale.current_loss_scale = tf.Variable(1.0, trainable=False)
        scale.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        state.loss_scale = optimizer._loss_scale if _is_scaled(optimizer) else scale
    return state


class Checkpoints:
    """The checkpoints of one run folder.

    They hold all that a run needs to resume exactly: the networks' parts, the
    optimizer, the step, and named numbers such as the best validation Dice. Batches
    and random draws need no state, since they are functions of the step.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        parts: Mapping[str, tf.keras.Model],
        optimizer: tf.keras.optimizers.Optimizer,
    ):
        """Checkpoints in `folder`/checkpoints, best weights in `folder`/best.

        Args:
          folder: the run folder.
          parts: networks by the names under which later stages take them over.
          optimizer: a built optimizer.
        """
        self._folder, self._parts, self._optimizer = folder, dict(parts), optimizer
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_score = tf.Variable(-1.0, dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        for name in ("checkpoints", "best"):
            checkpoint_lists.mend(folder / name)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint(_is_scaled(optimizer)),
            str(folder / "checkpoints"),
            max_to_keep=2,
        )
        self._best = tf.train.CheckpointManager(
            tf.train.Checkpoint(parts=dict(parts), **self._scores),
            str(folder / "best"),
            max_to_keep=1,
        )

    @property
    def _scores(self) -> dict[str, tf.Variable]:
        return {"best_score": self.best_score, "best_step": self.best_step}

    def _checkpoint(self, has_scale: bool) -> tf.train.Checkpoint:
        return tf.train.Checkpoint(
            parts=self._parts,
            optimizer=_state_of(self._optimizer, has_scale),
            step=self.step,
            **self._scores,
        )

    def _read(self, path: str) -> None:
        """Restores all of a checkpoint, whatever precision it was saved with.

        Only checkpoints of float16 runs have a loss scale. It is dropped if this run
        has none; if only this run has one, the scale keeps its initial value.
        """
        names = [name for name, _ in tf.train.list_variables(path)]
        has_scale = any(name.startswith(_LOSS_SCALE) for name in names)
        self._checkpoint(has_scale).restore(path).assert_consumed()

    def _first_not_finite(self) -> Optional[str]:
        variables = finiteness.variables_of(self._parts, self._optimizer)
        return finiteness.first_not_finite(variables)

    def restore(self, folder: Optional[pathlib.Path] = None) -> int:
        """Restores the newest intact, finite checkpoint; returns its step, 0 if none.

        Args:
          folder: the run folder, if this process writes to another one.
        """
        paths = self._manager.checkpoints
        if folder is not None:
            paths = checkpoint_lists.in_folder(folder / "checkpoints")
        for path in reversed(paths):
            fault = self._fault_of(path)
            if fault is None:
                self._adopt_best(folder or self._folder)
                return int(self.step)
            _LOG.warning("Cannot restore %s (%s); trying the one before.", path, fault)
        if paths:
            raise errors.UserError(
                f"None of the checkpoints in {os.path.dirname(paths[0])} can be used "
                f"(the oldest: {fault}): delete the run folder to start the stage "
                "again."
            )
        if folder is None:
            # Best weights without a checkpoint are left from a run that was killed.
            (self._folder / "best" / "checkpoint").unlink(missing_ok=True)
        return 0

    def _adopt_best(self, folder: pathlib.Path) -> None:
        """Adopts best weights that were saved after the checkpoint, before a kill.

        They replaced the earlier ones. If they cannot be read, the run has no best
        weights, so that the next good validation saves new ones.
        """
        path = tf.train.latest_checkpoint(str(folder / "best"))
        damage = "no files" if path is None else _damage_of(path)
        if damage is not None:
            self._forget_best(folder / "best", damage)
            return
        reader = tf.train.load_checkpoint(path)
        keys = [f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in self._scores]
        # Earlier versions did not save step and score with the best weights.
        if not all(map(reader.has_tensor, keys)):
            return
        score, step = map(reader.get_tensor, keys)
        if step > int(self.step):
            self.best_score.assign(score)
            self.best_step.assign(step)

    def _forget_best(self, folder: pathlib.Path, damage: str) -> None:
        if int(self.best_step) < 0:
            return
        _LOG.warning(
            "The best weights, of step %d, are missing or damaged (%s: %s): the best "
            "of the validations to come are kept instead.",
            int(self.best_step),
            folder,
            damage,
        )
        self.best_score.assign(-1.0)
        self.best_step.assign(-1)

    def _fault_of(self, path: str) -> Optional[str]:
        """Restores a checkpoint; returns why it is unusable, None if it is usable."""
        try:
            self._read(path)
        except _UNREADABLE as error:
            return errors.first_line(error)
        name = self._first_not_finite()
        return None if name is None else f"{name} holds NaN or infinity"

    def save(self, step: int) -> None:
        """Saves the run at `step`, the number of steps that were taken.

        Raises:
          finiteness.NotFiniteError: a weight, BatchNorm statistic or optimizer slot is
            not finite.
          UserError: it cannot be written, as on a full disk.
        """
        self._check_finite(step)
        self.step.assign(step)
        _save(self._manager, step)

    def _check_finite(self, step: int) -> None:
        name = self._first_not_finite()
        if name is not None:
            raise finiteness.NotFiniteError(
                f"At step {step} {name} holds NaN or infinity, so nothing is saved: go "
                "on from the last checkpoint with --precision=float32, or start again "
                "in a new --workdir with a lower --learning_rate."
            )

    def keep_if_best(self, step: int, score: float) -> bool:
        """Saves the parts as the best if `score` is the highest so far, and above 0.

        If it is always 0, it does not tell weights apart: the last are the result.

        Raises:
          finiteness.NotFiniteError: a weight, BatchNorm statistic or optimizer slot is
            not finite.
          UserError: it cannot be written.
        """
        # Written so that a NaN score is refused, too.
        if not score > max(float(self.best_score), 0.0):
            return False
        self._check_finite(step)
        self.best_score.assign(score)
        self.best_step.assign(step)
        _save(self._best, step)
        return True

    def result(self) -> pathlib.Path:
        """The checkpoint to use: the best one, or the newest if no best was kept.

        Best weights on disk that are unknown to this run are left from one that was
        killed, and are ignored.
        """
        has_best = int(self.best_step) >= 0 and self._best.latest_checkpoint
        return pathlib.Path(
            self._best.latest_checkpoint
            if has_best
            else self._manager.latest_checkpoint
        )

    def scores(self) -> dict[str, float]:
        """The best validation Dice and its step; empty if there is none."""
        if int(self.best_step) < 0:
            return {}
        return {
            "best_step": int(self.best_step),
            "validation_dice": float(self.best_score),
        }


def _save(manager: tf.train.CheckpointManager, step: int) -> None:
    try:
        manager.save(checkpoint_number=step)
    except (tf.errors.OpError, OSError) as error:
        raise errors.UserError(
            f"Cannot write the checkpoint of step {step} in {manager.directory}: "
            f"{errors.first_line(error)}. Free some space or make the folder "
            "writable; the same command goes on from the checkpoint before."
        ) from error


def variables_by_part(path: pathlib.Path) -> dict[str, int]:
    """How many variables each part has in a checkpoint.

    Raises:
      UserError: the checkpoint is missing or damaged, as far as its index tells.
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
        raise _unusable(path, errors.first_line(error)) from None


def _unusable(path: pathlib.Path, damage: str) -> errors.UserError:
    return errors.UserError(
        f"Cannot read the checkpoint {path}, which is missing or damaged ({damage}): "
        "restore it, or train that run again, in a new --workdir."
    )


def _damage_of(path: str) -> Optional[str]:
    """Why a checkpoint cannot be read to its end; None if it can."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except _UNREADABLE as error:
        return errors.first_line(error)
    return None


def read_parts(path: pathlib.Path, parts: Mapping[str, tf.keras.Model]) -> None:
    """Reads all variables of `parts` from a checkpoint.

    Raises:
      UserError: the checkpoint is missing or damaged; or one of their variables is
        missing, has another shape, or holds numbers that are not finite.
    """
    checkpoint = tf.train.Checkpoint(parts=dict(parts))
    try:
        status = checkpoint.read(str(path))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except _UNREADABLE as error:
        # Damaged files and those of another network can raise the same errors.
        damage = _damage_of(str(path))
        if damage is not None:
            raise _unusable(path, damage) from None
        raise errors.UserError(
            f"The weights in {path} do not fit this network "
            f"({errors.first_line(error)}): use the --filters and --size_px of that "
            "run."
        ) from None
    name = finiteness.first_not_finite(finiteness.variables_of(parts))
    if name is not None:
        raise errors.UserError(
            f"The weights in {path} are not usable: {name} holds NaN or infinity. "
            "Train that run again, in a new --workdir, with a lower --learning_rate or "
            "--precision=float32."
        )
