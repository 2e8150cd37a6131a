"""Mixup: pairs of labelled slices are averaged."""
