"""Pretext tasks: a stage that pre-trains instead of the contrastive ones."""
