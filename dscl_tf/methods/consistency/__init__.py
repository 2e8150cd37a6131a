"""Consistency from weak to strong views: unlabelled slices teach themselves."""
