"""Parts of benchmarks/speed.py: contenders, their protocol, their common data."""

# Images of a step at the defaults, all views counted.
IMAGES = {"encoder": 36, "decoder": 24, "finetune": 20}
