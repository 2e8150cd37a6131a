"""Contrastive learning for volumetric segmentation with few labelled volumes."""

__version__ = "0.1.0"
