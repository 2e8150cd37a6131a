"""Data handling without TensorFlow: files, geometry, preparation, splits, phantom."""

from dscl_tf.cohort.partitions import partition_of_slices

__all__ = ["partition_of_slices"]
