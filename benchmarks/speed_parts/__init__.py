"""Parts of benchmarks/speed.py: contenders, their protocol, their common data."""
