"""Use of a trained segmenter: predict, evaluate, export."""
