"""Batches as tf.data: sampling, views, augmentation."""
