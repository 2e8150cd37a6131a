"""What all stages have in common: take over weights, train with checkpoints, finish."""

import dataclasses
import json
import pathlib
from typing import Any, Callable

import tensorflow as tf

from dscl_tf import config, config_json, errors
from dscl_tf.stages import lengthening, opening
from dscl_tf.training import handover, loop, run_folder
from dscl_tf.training.assembly import Assembly
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor
from dscl_tf.training.stage_context import StageContext


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage, as functions of its settings and, once it is opened, of its context."""

    # Builds what is trained, with variables that live on all devices.
    assemble: Callable[[StageContext], Assembly]
    # Refuses settings before any stage of a chain is run.
    check: Callable[[config.StageConfig], None] = lambda stage: None
    # Called before `assemble`; networks that it builds live on one device only.
    prepare: Callable[[StageContext], None] = lambda context: None
    # Returns what result.json holds beside the checkpoint, the second argument.
    conclude: Callable[[StageContext, pathlib.Path], dict[str, Any]] = (
        lambda context, checkpoint: {}
    )


def run(stage: config.StageConfig, kind: Stage, is_last: bool = True) -> pathlib.Path:
    """Runs or resumes a stage, unless it has finished, and returns its run folder.

    Args:
      stage: settings of the stage.
      kind: what it does.
      is_last: whether no other stage follows. If one does, a signal during the last
        step raises, so that it is not started.

    Raises:
      UserError: a mistake in the settings or the cohort.
      Interrupted: a signal arrived, and the state has been saved. If it arrived during
        the last step of a stage that is not the last one, that stage is finished.
    """
    with opening.open_stage(stage) as context:
        if context is not None:
            kind.prepare(context)
            # Whatever `prepare` built, the initial weights depend on the seed alone.
            tf.keras.utils.set_random_seed(stage.seed)
            with context.devices.scope():
                assembly = kind.assemble(context)
            saved, stopped_by = fit(context, assembly)
            if context.devices.is_chief:
                found = kind.conclude(context, saved.result())
                context.run.finish(
                    saved.result(), int(saved.step), {**saved.scores(), **found}
                )
            # In every process, the next stage needs the result that the chief wrote.
            context.devices.barrier()
            if stopped_by and not is_last:
                raise errors.Interrupted(
                    f"{stopped_by} at step {int(saved.step)}, the last one: "
                    f"{stage.workdir} is finished. Start the same command again for "
                    "what follows."
                )
    return pathlib.Path(stage.workdir)


def fit(context: StageContext, assembly: Assembly) -> tuple[Checkpoints, str]:
    """Trains to the last step, from the newest checkpoint or from `config.init`.

    Returns:
      The checkpoints, whose `result()` is handed over, and what asked to stop during
      the last step (see `loop.train`).

    Raises:
      UserError: the run to take over has no part that fits, or a loss is not finite.
      Interrupted: a signal arrived, and the state has been saved.
    """
    stage, folder, devices = context.config, context.run.path, context.devices
    optimizer, step = assembly.make_step(context)
    saved = Checkpoints(folder, assembly.parts, optimizer)
    first = saved.restore(None if devices.is_chief else pathlib.Path(stage.workdir))
    devices.check_same(first, "the checkpoint that they go on from")
    lengthening.begin(context, first)
    followers = dict.fromkeys(assembly.followers.values())  # Without duplicates.
    if not first:
        if stage.init is not None:
            _take_over(run_folder.RunFolder(stage.init), assembly)
        for follower in followers:
            follower.start()
    monitor = Monitor(folder, first)
    settings = json.dumps(config_json.to_json(stage), indent=2)
    monitor.text("config", f"```json\n{settings}\n```")
    settle = devices.settler(list(assembly.parts.values()))
    hooks = [_settled(hook, settle) for hook in assembly.make_hooks(monitor, saved)]
    training = loop.Training(
        stage,
        assembly.stream,
        step,
        saved,
        monitor,
        hooks,
        devices,
        [follower.after_step for follower in followers],
        context.runtime.input_device,
    )
    try:
        stopped_by = loop.train(training)
    finally:
        monitor.close()
    return saved, stopped_by


def _take_over(before: run_folder.RunFolder, assembly: Assembly) -> None:
    # Averages of the segmenter are not loaded: they start as copies of it.
    own = {k: it for k, it in assembly.parts.items() if k not in assembly.followers}
    parts = run_folder.result_parts(before.read_record().config, own)
    handover.take_over(before.final_checkpoint(), parts)


def _settled(hook: loop.Hook, settle: Callable[[], None]) -> loop.Hook:
    """The hook, preceded by `settle`, which makes the replicas' statistics agree."""

    def action(done: int) -> None:
        settle()
        hook.action(done)

    return loop.Hook(hook.every, action)
