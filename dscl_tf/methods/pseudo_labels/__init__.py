"""Pseudo-labels that an earlier run gives, and self-training in rounds with them."""
