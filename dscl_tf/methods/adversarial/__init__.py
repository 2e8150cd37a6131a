"""Adversarial training: segmentations of unlabelled slices must look labelled."""
