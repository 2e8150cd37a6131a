"""All methods that add to fine-tuning."""

from dscl_tf.stages import adversarial, class_contrast, extras, joint

ALL: tuple[extras.Method, ...] = (
    joint.make_global,
    joint.make_local,
    class_contrast.make,
    adversarial.adversarial_training,
    adversarial.learned_augmentation,
)
