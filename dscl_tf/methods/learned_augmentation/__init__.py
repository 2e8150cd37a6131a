"""Learned augmentation: generators of changes are trained with the task."""
