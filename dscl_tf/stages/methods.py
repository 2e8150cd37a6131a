"""All methods that add to fine-tuning."""

from dscl_tf.stages import adversarial, extras

ALL: tuple[extras.Method, ...] = (
    adversarial.adversarial_training,
    adversarial.learned_augmentation,
)
