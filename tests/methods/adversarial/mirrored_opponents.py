"""Fine-tunes with opponents on one device and on two.

Run by stage_test.py in a process of its own, since logical devices can only be
made before TensorFlow starts.

    python mirrored_opponents.py PREPARED FOLDER
"""

import sys

import tensorflow as tf

from dscl_tf import config, stages
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig


def stage_of(prepared, folder, kind):
    """A tiny stage whose batches cannot be halved evenly."""
    return config.StageConfig(
        stage="finetune",
        prepared=prepared,
        workdir=f"{folder}/{kind}",
        network=config.NetworkConfig(filters=(3, 4), sync_batch_norm=True),
        finetune=config.FinetuneConfig(
            batch_size=5,
            validate_every=50,
            adversarial=AdversarialConfig(0.1),
            learned_augmentation=LearnedAugmentationConfig(True, 5),
        ),
        optimizer=config.OptimizerConfig(num_steps=3),
        runtime=config.RuntimeConfig(
            precision="float32", distribution=kind, log_every=1
        ),
        split=config.SplitConfig(num_train=1, num_validation=1, num_test=1),
    )


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, logical)
    for kind in ("none", "mirrored"):
        stages.run([stage_of(*sys.argv[1:], kind)])


if __name__ == "__main__":
    main()
