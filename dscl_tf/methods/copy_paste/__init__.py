"""Bidirectional copy-paste: boxes of labelled slices in unlabelled ones, and back."""
