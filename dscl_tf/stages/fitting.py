"""What all stages do alike: take over, train with checkpoints, finish."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Callable

import tensorflow as tf

from dscl_tf import config, config_json
from dscl_tf.pipeline.streams import Stream
from dscl_tf.stages.session import Session, open_session
from dscl_tf.training import handover, loop, optimizers, run_folder, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.monitor import Monitor

MakeHooks = Callable[[Monitor, Checkpoints], Sequence[loop.Hook]]


@dataclasses.dataclass(frozen=True)
class Assembly:
    """What is particular to a stage."""

    parts: Mapping[str, tf.keras.Model]  # By the names that stages hand over.
    players: steps.Players  # What is trained, by the loss that it lowers.
    loss: steps.LossFunction
    stream: Stream
    make_hooks: MakeHooks


def run(
    stage: config.StageConfig,
    assemble: Callable[[Session], Assembly],
    prepare: Callable[[Session], None] = lambda session: None,
) -> pathlib.Path:
    """Runs a stage, or goes on with it, or finds it finished; its run folder.

    Args:
      stage: its settings.
      assemble: makes what is trained; its variables live on all devices.
      prepare: comes before; may use networks that live on one device only.
    """
    with open_session(stage) as session:
        if session is not None:
            prepare(session)
            # Whatever was built there, the initial weights are those of the seed.
            tf.keras.utils.set_random_seed(stage.seed)
            with session.devices.scope():
                assembly = assemble(session)
            saved = fit(session, assembly)
            if session.devices.is_chief:
                session.run.finish(saved.result(), int(saved.step), saved.scores())
            # The next stage looks for this one's result.
            session.devices.barrier()
    return pathlib.Path(stage.workdir)


def fit(session: Session, assembly: Assembly) -> Checkpoints:
    """Trains to the last step, from the newest checkpoint or from `config.init`.

    Returns:
      The checkpoints; their `result()` is what to hand over.

    Raises:
      UserError: nothing fits of what is to be taken over, or a loss is not finite.
      Interrupted: by a signal, after saving.
    """
    stage, folder, devices = session.config, session.run.path, session.devices
    with devices.scope():
        optimizer = optimizers.build(stage.optimizer, session.runtime.precision)
    step = steps.make_step(
        assembly.loss, assembly.players, optimizer, session.runtime.jit, devices
    )
    saved = Checkpoints(folder, assembly.parts, optimizer)
    first = saved.restore(None if devices.is_chief else pathlib.Path(stage.workdir))
    devices.check_same(first, "the checkpoint that they go on from")
    if not first and stage.init is not None:
        source = run_folder.RunFolder(stage.init).final_checkpoint()
        handover.take_over(source, assembly.parts)
    monitor = Monitor(folder, first)
    settings = json.dumps(config_json.to_json(stage), indent=2)
    monitor.text("config", f"```json\n{settings}\n```")
    settle = devices.settler(list(assembly.parts.values()))
    hooks = [_settled(hook, settle) for hook in assembly.make_hooks(monitor, saved)]
    training = loop.Training(
        stage, assembly.stream, step, saved, monitor, hooks, devices
    )
    try:
        loop.train(training)
    finally:
        monitor.close()
    return saved


def _settled(hook: loop.Hook, settle: Callable[[], None]) -> loop.Hook:
    """A hook that looks at networks whose replicas agree."""

    def action(done: int) -> None:
        settle()
        hook.action(done)

    return loop.Hook(hook.every, action)


def batch_of(session: Session, stream: Stream, done: int) -> Mapping[str, tf.Tensor]:
    """The batch of the last of `done` steps, to be shown."""
    return next(iter(stream.open(session.config.draw_seed, done - 1, done)))
