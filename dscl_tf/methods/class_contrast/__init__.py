"""Contrast of pixels by their true or pseudo class."""
