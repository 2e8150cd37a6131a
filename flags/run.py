"""The run: which stage, on what, where, and how it computes."""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Optional

from absl import flags
from dscl_flags import (
    contrast,
    finetuning,
    methods,
    network,
    optimizer,
    pretext,
    pseudo_labels,
    split,
)

from dscl_tf import config, errors

STAGES = ("encoder", "decoder", "pretext", "finetune")

_STAGE = flags.DEFINE_enum(
    "stage",
    "all",
    [*STAGES, "all"],
    "Stage to run; all runs those that the strategies ask for, one after the other.",
)
_PREPARED = flags.DEFINE_string(
    "prepared", None, "Folder of the prepared cohort, written by dscl-prepare."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for the runs: each stage gets a folder of its own in it."
)
_INIT = flags.DEFINE_string(
    "init",
    None,
    "Run to take over: a run folder, or a --workdir that has one. By default the "
    "previous stage in --workdir.",
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of initial weights, batches and augmentation.",
    lower_bound=0,
    upper_bound=2**31 - 1,  # It seeds int32 random operations.
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    None,  # dscl-predict has the flag, too, with another default.
    ["auto", "float32", "mixed_float16", "mixed_bfloat16"],
    "Arithmetic; auto, the default, is mixed_bfloat16 where the GPU, or the CPU "
    "(AMX, AVX512-BF16), has it, mixed_float16 on older GPUs, else float32.",
    allow_override=True,
)
_JIT = flags.DEFINE_enum(
    "jit",
    "auto",
    ["auto", "on", "off"],
    "Compile steps with XLA; auto: for 10 000 steps or more on one GPU.",
)
_DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    "none",
    ["none", "mirrored", "multi_worker"],
    "Devices that share each batch: one; all GPUs of this machine; or those of all "
    "workers in the environment variable TF_CONFIG (docs/distribution.md).",
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "Print what would run and an estimate of the time (a few steps of each new kind "
    "are timed); train nothing.",
)
_MAX_HOURS = flags.DEFINE_float(
    "max_hours",
    None,
    "Save and stop after this many hours, with exit code 75, as after a signal: "
    "choose a little less than a queue allows. The same command continues.",
    lower_bound=1e-6,
)
_CHECKPOINT_EVERY = flags.DEFINE_integer(
    "checkpoint_every", 500, "Steps between checkpoints.", lower_bound=1
)
_LOG_EVERY = flags.DEFINE_integer(
    "log_every", 50, "Steps between reports of the loss.", lower_bound=1
)
_PANEL_EVERY = flags.DEFINE_integer(
    "panel_every", 1000, "Steps between pictures and probes.", lower_bound=1
)
_NUM_PROBE = flags.DEFINE_integer(
    "num_probe_volumes",
    2,
    "Pre-training subjects held out, with all their volumes, to probe the networks; "
    "at most a tenth of all, and none if there are fewer than 20.",
    lower_bound=0,
)


def is_dry() -> bool:
    """Whether nothing is to be run."""
    return _DRY_RUN.value


def max_hours() -> Optional[float]:
    """After how long to save and stop; None: never."""
    return _MAX_HOURS.value


def runtime_config() -> config.RuntimeConfig:
    """How runs compute and report."""
    return config.RuntimeConfig(
        precision=_PRECISION.value or "auto",
        jit=_JIT.value,
        distribution=_DISTRIBUTION.value,
        checkpoint_every=_CHECKPOINT_EVERY.value,
        log_every=_LOG_EVERY.value,
        panel_every=_PANEL_EVERY.value,
        command=shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
    )


def stage_configs() -> list[config.StageConfig]:
    """The stages to run, in order, each taking over the one before.

    Raises:
      UserError: flags that are missing or contradict each other.
    """
    shared = _shared_config()
    contrast.refuse_unused(shared)
    pretext.refuse_unused(shared.pretext)
    methods.refuse_unused(shared.finetune)
    network.refuse_unused(shared.network)
    if _INIT.value and pseudo_labels.first_round():
        raise errors.UserError(
            "--init and --self_training_first both name the run that fine-tuning "
            "starts from: leave one of them out."
        )
    return [_stage_config(shared, stage) for stage in _wanted_stages(shared)]


def stage_config(stage: str) -> config.StageConfig:
    """The settings of one stage, for a caller that sets `init` and `workdir` itself."""
    return dataclasses.replace(
        _shared_config(), stage=stage, optimizer=optimizer.optimizer_config(stage)
    )


def _shared_config() -> config.StageConfig:
    if not _PREPARED.value or not _WORKDIR.value:
        raise errors.UserError("--prepared=DIR and --workdir=DIR are needed.")
    return config.StageConfig(
        stage="",
        prepared=_PREPARED.value,
        workdir=_WORKDIR.value,
        seed=_SEED.value,
        network=network.network_config(),
        views=contrast.view_config(),
        global_=contrast.global_config(),
        local=contrast.local_config(),
        finetune=methods.added_to(finetuning.finetune_config()),
        pretext=pretext.pretext_config(),
        runtime=runtime_config(),
        split=split.split_config(),
        num_probe=_NUM_PROBE.value,
    )


def _wanted_stages(shared: config.StageConfig) -> list[str]:
    has_global = shared.global_.strategy is not config.GlobalStrategy.NONE
    has_local = shared.local.strategy is not config.LocalStrategy.NONE
    has_pretext = pretext.replaces_contrast()
    if has_pretext and contrast.chosen():
        raise errors.UserError(
            f"--pretext={shared.pretext.task.value} takes the place of the contrastive "
            f"stages: leave out {' and '.join(contrast.chosen())}, or --pretext."
        )
    used = (has_global, has_local, has_pretext, True)
    _refuse_idle_stage(shared.pretext.task, dict(zip(STAGES, used)))
    if _STAGE.value == "all" and _INIT.value:
        raise errors.UserError(
            "--init goes with one stage, --stage=decoder or --stage=finetune."
        )
    if has_local and not (has_global or has_pretext or _INIT.value):
        raise errors.UserError(
            f"--local_strategy={shared.local.strategy.value} needs a pre-trained "
            "encoder: choose a --global_strategy too, or --local_strategy=none."
        )
    chain = ["pretext", "finetune"]
    if not has_pretext:
        chain = [stage for stage, is_used in zip(STAGES, used) if is_used]
    optimizer.refuse_unused(chain)
    return chain if _STAGE.value == "all" else [_STAGE.value]


def _refuse_idle_stage(task: config.PretextTask, is_used: Mapping[str, bool]) -> None:
    """Refuses a --stage that the strategies or the pretext task leave out."""
    stage = _STAGE.value
    if is_used["pretext"] and stage in ("encoder", "decoder"):
        raise errors.UserError(
            f"--stage={stage} has nothing to do with --pretext={task.value}: leave one "
            "of them out."
        )
    flag = {"encoder": "global_strategy", "decoder": "local_strategy"}
    if not is_used.get(stage, True):
        raise errors.UserError(
            f"--stage={stage} has nothing to do with "
            f"--{flag.get(stage, 'pretext')}=none."
        )


def _stage_config(shared: config.StageConfig, stage: str) -> config.StageConfig:
    return dataclasses.replace(
        shared,
        stage=stage,
        workdir=str(pathlib.Path(shared.workdir) / stage),
        init=_init_of(shared, stage),
        optimizer=optimizer.optimizer_config(stage),
    )


def _init_of(shared: config.StageConfig, stage: str) -> Optional[str]:
    """The run that `stage` takes over; None: random weights."""
    if stage in ("encoder", "pretext"):
        if _INIT.value:
            raise errors.UserError(f"--stage={stage} starts from random weights.")
        return None
    if stage == "decoder":
        earlier = ["encoder"]
    elif pretext.replaces_contrast():
        earlier = ["pretext"]
    else:
        earlier = ["decoder", "encoder"]
    if _INIT.value:
        # A pretext run is found without --pretext, too, if there is no other run.
        other = ["pretext"] if "decoder" in earlier else []
        return _find_run(pathlib.Path(_INIT.value), earlier + other)
    if shared.local.strategy is config.LocalStrategy.NONE and "decoder" in earlier:
        earlier.remove("decoder")
        if shared.global_.strategy is config.GlobalStrategy.NONE:
            return None
    return str(pathlib.Path(shared.workdir) / earlier[0])


def _find_run(folder: pathlib.Path, stages: list[str]) -> str:
    """`folder` if it is a run, else the first of `stages` that it has a run of."""
    for candidate in (folder, *(folder / stage for stage in stages)):
        if (candidate / "config.json").exists():
            return str(candidate)
    raise errors.UserError(
        f"--init={folder}: no run there; expected a folder with config.json, or one "
        f"that holds {' or '.join(stages)}/config.json."
    )
