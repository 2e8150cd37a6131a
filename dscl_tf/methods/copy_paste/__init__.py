"""Bidirectional copy-paste between labelled and unlabelled slices."""
