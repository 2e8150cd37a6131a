"""Consistency: predictions on weak views of unlabelled slices label strong views."""
