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
    from tests.small_stage import tiny_stage

    return [
        tiny_stage(
            folder,
            f"{runs}/{stage}",
            stage,
            4,
            init=f"{runs}/{before}" if before else None,
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
