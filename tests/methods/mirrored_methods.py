"""Fine-tunes with all methods on one device and on two.

Run by mirrored_methods_test.py in a process of its own, since logical devices can only
be made before TensorFlow starts.

    python mirrored_methods.py PREPARED FOLDER
"""

import dataclasses
import sys

import tensorflow as tf

from dscl_tf import config, stages
from dscl_tf.methods import rounds
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig


def stage_of(prepared, folder, kind):
    """A tiny stage with what can be trained together."""
    finetune = config.FinetuneConfig(
        batch_size=5,
        validate_every=2,
        mixup=MixupConfig(0.4),
        pseudo_labels=PseudoLabelConfig(None, 0.5, True),
        class_contrast=ClassContrastConfig(1.0, 0.1, 8),
        joint=JointConfig(1.0, 1.0),
    )
    return config.StageConfig(
        stage="finetune",
        prepared=prepared,
        workdir=f"{folder}/{kind}",
        network=config.NetworkConfig(
            filters=(3, 4), global_head_units=(8, 4), sync_batch_norm=True
        ),
        global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
        local=config.LocalConfig(
            num_partitions=2,
            batch_volumes=2,
            num_blocks=1,
            region_size=2,
            num_regions=4,
        ),
        finetune=finetune,
        optimizer=config.OptimizerConfig(num_steps=3),
        runtime=config.RuntimeConfig(
            precision="float32", distribution=kind, log_every=1
        ),
        split=config.SplitConfig(num_train=1, num_validation=1, num_test=1),
    )


def consistency_stage_of(prepared, folder, kind):
    """Consistency and copy-paste: what a teacher says, rounding could change."""
    settings = ConsistencyConfig(1.0, ramp_steps=0, confidence=0.4, feature_dropout=0.5)
    pasted = CopyPasteConfig(1.0)
    return dataclasses.replace(
        stage_of(prepared, folder, kind),
        workdir=f"{folder}/consistency_{kind}",
        finetune=config.FinetuneConfig(
            batch_size=5, validate_every=2, consistency=settings, copy_paste=pasted
        ),
    )


TASKS = ("rotation", "inpainting")


def pretext_stage_of(prepared, folder, kind, task):
    """The same for a pretext task, whose batch has uneven halves but for rotation."""
    stage = stage_of(prepared, folder, kind)
    task_config = config.PretextConfig(
        task=config.PretextTask(task), batch_size=4 if task == "rotation" else 5
    )
    return dataclasses.replace(
        stage,
        stage="pretext",
        workdir=f"{folder}/{task}_{kind}",
        finetune=config.FinetuneConfig(),
        pretext=task_config,
    )


def main():
    prepared, folder = sys.argv[1:]
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, logical)
    # Both have the same teacher: its rounding errors could change a pseudo-label.
    none = rounds.finetune_rounds(stage_of(prepared, folder, "none"), 1)
    stages.run(none)
    first = none[0].workdir
    mirrored = stage_of(prepared, folder, "mirrored")
    stages.run(rounds.finetune_rounds(mirrored, 1, first=first))
    for kind in ("none", "mirrored"):
        stage = consistency_stage_of(prepared, folder, kind)
        stages.run(rounds.finetune_rounds(stage, 1, first=first))
    for task in TASKS:
        for kind in ("none", "mirrored"):
            stages.run([pretext_stage_of(prepared, folder, kind, task)])
    # And a round that makes its own labels from a run on two devices.
    own = dataclasses.replace(mirrored, workdir=f"{folder}/own")
    stages.run(rounds.finetune_rounds(own, 1, first=f"{folder}/mirrored"))


if __name__ == "__main__":
    main()
