"""Adam, its learning rate over the steps, and loss scaling where it is needed."""

import tensorflow as tf

from dscl_tf.config import OptimizerConfig


def learning_rate(config: OptimizerConfig):
    """The learning rate: constant, or a schedule with warm-up and cosine decay."""
    if not config.warmup_steps and not config.cosine:
        return config.learning_rate
    after_warmup = max(1, config.num_steps - config.warmup_steps)
    return tf.keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if config.warmup_steps else config.learning_rate,
        warmup_target=config.learning_rate if config.warmup_steps else None,
        warmup_steps=config.warmup_steps,
        decay_steps=after_warmup,
        # Alpha 1 keeps the rate after the warm-up.
        alpha=0.0 if config.cosine else 1.0,
    )


def build(config: OptimizerConfig, precision: str) -> tf.keras.optimizers.Optimizer:
    """Adam for a precision policy; float16 gets dynamic loss scaling."""
    adam = tf.keras.optimizers.Adam(learning_rate(config), jit_compile=False)
    if precision == "mixed_float16":
        return tf.keras.mixed_precision.LossScaleOptimizer(adam)
    return adam
