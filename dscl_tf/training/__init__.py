"""Training: runtime, steps, loop, checkpoints, hand-over, monitoring."""
