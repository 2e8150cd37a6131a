"""Learned augmentation: generators of changes are trained along with the segmenter."""
