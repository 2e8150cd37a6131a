"""Adversarial training on the segmentations of labelled and unlabelled slices."""
