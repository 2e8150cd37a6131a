"""A process to be killed: trains stages, dying at its n-th rename or checkpoint.

python -m tests.campaigns.victim PREPARED RUNS [N]
"""

import os
import pathlib
import signal
import sys


def _die_at(count):
    """Kills this process just before, and for odd counts just after, a write."""
    import tensorflow as tf

    seen = [0]

    def wrap(function):
        def counted(*arguments, **keywords):
            for is_after in (False, True):
                if is_after:
                    result = function(*arguments, **keywords)
                if seen[0] == count:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen[0] += 1
            return result

        return counted

    os.replace = wrap(os.replace)
    tf.train.CheckpointManager.save = wrap(tf.train.CheckpointManager.save)


def stage_list(folder, runs):
    from dscl_tf import config

    return [
        config.StageConfig(
            stage=stage,
            prepared=folder,
            workdir=f"{runs}/{stage}",
            init=f"{runs}/{before}" if before else None,
            network=config.NetworkConfig(filters=(4, 6, 8), global_head_units=(8, 4)),
            global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
            local=config.LocalConfig(
                num_partitions=2,
                batch_volumes=2,
                num_blocks=1,
                region_size=2,
                num_regions=4,
            ),
            finetune=config.FinetuneConfig(batch_size=3, validate_every=2),
            optimizer=config.OptimizerConfig(num_steps=4),
            runtime=config.RuntimeConfig(
                precision="float32", jit="off", checkpoint_every=2, log_every=1
            ),
            split=config.SplitConfig(num_train=1, num_validation=1, num_test=1),
        )
        for stage, before in (
            ("encoder", None),
            ("decoder", "encoder"),
            ("finetune", "decoder"),
        )
    ]


if __name__ == "__main__":
    if len(sys.argv) > 3:
        _die_at(int(sys.argv[3]))

    def main():
        from dscl_tf import stages

        stages.run(stage_list(sys.argv[1], str(pathlib.Path(sys.argv[2]))))

    from dscl_flags import binary

    sys.exit(binary.guarded(main))
