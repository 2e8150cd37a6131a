"""Fine-tuning in rounds, each of which starts from the result of the one before."""

import dataclasses
import logging
import pathlib
from collections.abc import Sequence
from typing import Optional

from dscl_tf import config, errors
from dscl_tf.methods import registered
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.training.run_folder import RunFolder

_LOG = logging.getLogger(__name__)


def finetune_rounds(
    stage: config.StageConfig, num_rounds: int, first: Optional[str] = None
) -> list[config.StageConfig]:
    """The stages of fine-tuning in rounds.

    Round 0 is the stage without the methods that are for later rounds. Each later round
    takes over the weights of the round before, and its predictions as pseudo-labels if
    a method uses them.
    The last round has the stage's own folder, the others "_round_0" and so on added to
    its name.

    Args:
      stage: of fine-tuning; its settings say what pseudo-labels are used for.
      num_rounds: rounds after round 0; 0: the stage alone, unchanged, unless a method
        needs a first round, which makes it 1.
      first: a finished run that serves as round 0.

    Returns:
      The rounds in order, without round 0 if `first` serves as it.

    Raises:
      UserError: no method that is on learns in rounds, or the settings of `first`
        cannot be read.
    """
    # A round that nobody asked for, but a method needs, gets no pseudo-labels.
    has_teachers = num_rounds > 0 and stage.finetune.uses_pseudo_labels
    if num_rounds == 0 and not stage.finetune.needs_first_round:
        if first is not None:
            raise _nothing_goes_on(first)
        return [stage]
    num_rounds = max(num_rounds, 1)
    if not any(each.term.in_rounds for each in stage.finetune.methods_on.values()):
        raise errors.UserError(
            f"{num_rounds} rounds of fine-tuning would repeat the first one, with "
            "pseudo-labels that nothing uses: use them as targets "
            f"(--pseudo_targets), or turn on one of {', '.join(_in_rounds())}."
        )
    rounds, before, earlier = [], first, _rounds_before(first)
    if before is None:
        rounds.append(_without_teacher(stage))
        before = rounds[0].workdir
    for number in range(1, num_rounds + 1):
        is_last = number == num_rounds
        folder = stage.workdir if is_last else _folder(stage.workdir, number)
        labels = dataclasses.replace(
            stage.finetune.pseudo_labels,
            teacher=before if has_teachers else None,
            round=earlier + number,
        )
        rounds.append(_after(stage, before, folder, labels))
        before = folder
    return rounds


def with_rounds(
    stages: Sequence[config.StageConfig], num_rounds: int, first: Optional[str] = None
) -> list[config.StageConfig]:
    """The same stages, with fine-tuning in rounds (`finetune_rounds`).

    `first` may also be the folder that contains the run as `finetune`. With `first`,
    the stages before fine-tuning have no use and are left out.

    Raises:
      UserError: as `finetune_rounds`; or `first` is given, but no stage is fine-tuning.
    """
    first = None if first is None else _finetuning_at(first)
    expanded: list[config.StageConfig] = []
    left_out: list[str] = []
    for stage in stages:
        if stage.stage == "finetune":
            expanded += finetune_rounds(stage, num_rounds, first)
        elif first is None:
            expanded.append(stage)
        else:
            left_out.append(stage.stage)
    if not expanded and first is not None:
        raise _nothing_goes_on(first)
    if left_out:
        _LOG.info(
            "Left out: %s. Fine-tuning goes on from %s.", ", ".join(left_out), first
        )
    return expanded


def _finetuning_at(folder: str) -> str:
    """The folder of a run: the given one, or `finetune` in it if only that is a run."""
    inside = str(pathlib.Path(folder) / "finetune")
    if RunFolder(folder).config_file.exists():
        return folder
    return inside if RunFolder(inside).config_file.exists() else folder


def _nothing_goes_on(first: str) -> errors.UserError:
    kinds = registered.METHODS.values()
    flags = [kind.unlabelled_flag for kind in kinds if kind.needs_first_round]
    return errors.UserError(
        f"--self_training_first={first}: nothing goes on from that run. Fine-tune with "
        f"--self_training_rounds, {' or '.join(flags)}, or leave the flag out."
    )


def _without_teacher(stage: config.StageConfig) -> config.StageConfig:
    later = [k for k, each in stage.finetune.methods.items() if each.term.in_rounds]
    return dataclasses.replace(
        stage,
        workdir=_folder(stage.workdir, 0),
        finetune=stage.finetune.without(later),
    )


def _after(
    stage: config.StageConfig,
    before: str,
    folder: str,
    labels: PseudoLabelConfig,
) -> config.StageConfig:
    """A round that starts from the run `before`."""
    return dataclasses.replace(
        stage,
        workdir=folder,
        init=before,
        optimizer=_optimizer_of_round(stage),
        finetune=dataclasses.replace(stage.finetune, pseudo_labels=labels),
    )


def _in_rounds() -> list[str]:
    return [name for name, kind in registered.METHODS.items() if kind.term.in_rounds]


def _optimizer_of_round(stage: config.StageConfig) -> config.OptimizerConfig:
    steps = round(stage.finetune.steps_factor * stage.optimizer.num_steps)
    return dataclasses.replace(stage.optimizer, num_steps=max(steps, 1))


def _rounds_before(first: Optional[str]) -> int:
    """Number of rounds that led to a run; their draws must not be repeated."""
    if first is None or not RunFolder(first).config_file.exists():
        return 0  # A run that is missing is refused by the round that needs it.
    return RunFolder(first).read_record().config.finetune.pseudo_labels.round


def _folder(workdir: str, number: int) -> str:
    path = pathlib.Path(workdir)
    return str(path.with_name(f"{path.name}_round_{number}"))
