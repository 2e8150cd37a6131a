"""Experiments: many methods, draws and sizes, each cell a run, with tables of them."""
