"""Settings of stages that take seconds."""

import dataclasses

from dscl_tf import config

TINY_NETWORK = config.NetworkConfig(filters=(4, 6, 8), global_head_units=(8, 4))


def tiny_stage(
    prepared: object, workdir: object, stage: str, num_steps: int, **fields
) -> config.StageConfig:
    """Three levels, regions of a small map, and every step reported.

    Args:
      prepared: folder of the cohort.
      workdir: of the run.
      stage: its name.
      num_steps: of training.
      **fields: of StageConfig, instead of these.
    """
    settings = config.StageConfig(
        stage=stage,
        prepared=str(prepared),
        workdir=str(workdir),
        network=TINY_NETWORK,
        global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
        local=config.LocalConfig(
            num_partitions=2,
            batch_volumes=2,
            num_blocks=1,
            region_size=2,
            num_regions=4,
        ),
        finetune=config.FinetuneConfig(batch_size=3, validate_every=2),
        optimizer=config.OptimizerConfig(num_steps=num_steps),
        runtime=config.RuntimeConfig(
            precision="float32", jit="off", checkpoint_every=2, log_every=1
        ),
        split=config.SplitConfig(num_train=1, num_validation=1, num_test=1),
    )
    return dataclasses.replace(settings, **fields)


def small_stage(
    prepared: object, workdir: object, stage: str, num_steps: int, **fields
) -> config.StageConfig:
    """A tiny stage with regions of a larger map, for a cohort of the test's own.

    Arguments as of `tiny_stage`.
    """
    tiny = tiny_stage(prepared, workdir, stage, num_steps)
    replace = dataclasses.replace
    larger = replace(
        tiny,
        network=replace(tiny.network, batch_norm_momentum=0.9),
        local=replace(tiny.local, num_blocks=2),
        finetune=replace(tiny.finetune, batch_size=4),
        runtime=replace(tiny.runtime, jit="auto", panel_every=100),
        split=replace(tiny.split, num_test=2),
    )
    return replace(larger, **fields)
