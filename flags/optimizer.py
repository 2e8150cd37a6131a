"""Steps and the learning rate."""

from collections.abc import Collection

from absl import flags
from dscl_flags import command_line

from dscl_tf import config, errors

_DEFAULT = config.OptimizerConfig()

_STEPS = {
    stage: flags.DEFINE_integer(
        f"{stage}_steps",
        _DEFAULT.num_steps,
        f"Steps of the {stage} stage. A larger number than a run in --workdir has "
        "lengthens the run, unless a later stage has begun.",
        lower_bound=1,
    )
    for stage in ("encoder", "decoder", "pretext", "finetune")
}
_LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", _DEFAULT.learning_rate, "Adam's learning rate.", lower_bound=1e-9
)
_WARMUP = flags.DEFINE_integer(
    "warmup_steps",
    _DEFAULT.warmup_steps,
    "Steps over which the learning rate rises from 0.",
    lower_bound=0,
)
_COSINE = flags.DEFINE_bool(
    "cosine", _DEFAULT.cosine, "Let the learning rate fall to 0 on a cosine."
)


def refuse_unused(stages: Collection[str]) -> None:
    """Refuses typed numbers of steps of stages that the settings leave out.

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    for stage, flag in _STEPS.items():
        if command_line.is_given(flag.name) and stage not in stages:
            raise errors.UserError(
                f"--{flag.name} has no effect: these settings have no {stage} stage "
                f"({', '.join(stages)}). Leave it out, or choose a strategy or task "
                "that has one."
            )


def optimizer_config(stage: str) -> config.OptimizerConfig:
    """The optimizer's settings in a stage: encoder, decoder, pretext or finetune."""
    return config.OptimizerConfig(
        num_steps=_STEPS[stage].value,
        learning_rate=_LEARNING_RATE.value,
        warmup_steps=_WARMUP.value,
        cosine=_COSINE.value,
    )
