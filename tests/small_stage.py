"""Settings of a small stage on a cohort of the test's own."""

import dataclasses

from dscl_tf import config


def small_stage(
    prepared: object, workdir: object, stage: str, num_steps: int, **fields
) -> config.StageConfig:
    """Three levels, regions of a small map, and everything reported.

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
        network=config.NetworkConfig(
            filters=(4, 6, 8), global_head_units=(8, 4), batch_norm_momentum=0.9
        ),
        global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
        local=config.LocalConfig(
            num_partitions=2,
            batch_volumes=2,
            num_blocks=2,
            region_size=2,
            num_regions=4,
        ),
        finetune=config.FinetuneConfig(batch_size=4, validate_every=2),
        optimizer=config.OptimizerConfig(num_steps=num_steps),
        runtime=config.RuntimeConfig(
            precision="float32", log_every=1, checkpoint_every=2, panel_every=100
        ),
        split=config.SplitConfig(num_train=1, num_validation=1, num_test=2),
    )
    return dataclasses.replace(settings, **fields)
