"""Saving and restoring a run: the two newest checkpoints, and the best weights."""

import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Optional

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import finiteness

_LOG = logging.getLogger(__name__)
# What TensorFlow raises for files that are missing, cut off, damaged or of another
# network; a data file that is too short is an IndexError.
_UNREADABLE = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)


_LOSS_SCALE = "optimizer/loss_scale/"  # In the names of a checkpoint's variables.


def _is_scaled(optimizer: tf.keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)


def _state_of(optimizer: tf.keras.optimizers.Optimizer, has_scale: bool) -> tf.Module:
    """An optimizer's variables by the names that Keras saves them under.

    Keras' optimizer with loss scaling makes the scale a part of the one that it wraps,
    so that neither can be restored from a checkpoint of the other kind.

    Args:
      optimizer: built.
      has_scale: whether the checkpoint has a loss scale. That of an optimizer that
        knows none goes nowhere.
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
        self._folder, self._parts, self._optimizer = folder, dict(parts), optimizer
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_score = tf.Variable(-1.0, dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
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
        """Reads a checkpoint whole, whatever the precision that it was saved in.

        With float16 it has a loss scale beside the optimizer, else none. Where this run
        has none it is read and dropped; where the file has none it starts anew.
        """
        names = [name for name, _ in tf.train.list_variables(path)]
        has_scale = any(name.startswith(_LOSS_SCALE) for name in names)
        self._checkpoint(has_scale).restore(path).assert_consumed()

    def _first_not_finite(self) -> Optional[str]:
        variables = finiteness.variables_of(self._parts, self._optimizer)
        return finiteness.first_not_finite(variables)

    def restore(self, folder: Optional[pathlib.Path] = None) -> int:
        """Restores the newest checkpoint that is whole and finite; its step, 0: none.

        Args:
          folder: of the run, where it is not the one that this process writes.
        """
        paths = self._manager.checkpoints if folder is None else _saved_in(folder)
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
            # Best weights there are of a run that was killed before it saved any.
            (self._folder / "best" / "checkpoint").unlink(missing_ok=True)
        return 0

    def _adopt_best(self, folder: pathlib.Path) -> None:
        """Knows the best weights that were kept after the checkpoint, before a kill.

        Those before are gone. Where they cannot be read there are none, so that the
        next good validation keeps others.
        """
        path = tf.train.latest_checkpoint(str(folder / "best"))
        damage = "no files" if path is None else _damage_of(path)
        if damage is not None:
            self._forget_best(folder / "best", damage)
            return
        reader = tf.train.load_checkpoint(path)
        keys = [f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in self._scores]
        # Earlier versions did not keep their step and score.
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
        """Restores a checkpoint; why it cannot be gone on from, None if it can."""
        try:
            self._read(path)
        except _UNREADABLE as error:
            return errors.first_line(error)
        name = self._first_not_finite()
        return None if name is None else f"{name} holds NaN or infinity"

    def save(self, step: int) -> None:
        """Saves the run at `step`, the number of steps that were taken.

        Raises:
          finiteness.NotFiniteError: a weight, a statistic or a slot is not finite.
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
        """Saves the parts as the best when `score` is the highest so far, and above 0.

        Where it is always 0 nothing tells weights apart: the last are the result.

        Raises:
          finiteness.NotFiniteError: a weight, a statistic or a slot is not finite.
          UserError: it cannot be written.
        """
        # NaN is not higher either.
        if not score > max(float(self.best_score), 0.0):
            return False
        self._check_finite(step)
        self.best_score.assign(score)
        self.best_step.assign(step)
        _save(self._best, step)
        return True

    def result(self) -> pathlib.Path:
        """The checkpoint to use: the best one, or the newest where none was kept.

        Best weights that this run does not know are of another one, which was killed.
        """
        has_best = int(self.best_step) >= 0 and self._best.latest_checkpoint
        return pathlib.Path(
            self._best.latest_checkpoint
            if has_best
            else self._manager.latest_checkpoint
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
        "bring it back, or train that run again, in a new --workdir."
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
    """Reads `parts`, each of their variables, from a checkpoint.

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
        # The kind of error does not tell bad files from those of another network.
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
