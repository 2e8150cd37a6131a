"""Reads the curves of a run, for tests of what was trained."""

import csv
import pathlib


def of(folder, name):
    """The values of a scalar such as "validation/loss", in order."""
    with (pathlib.Path(folder) / "metrics.csv").open() as file:
        return [float(row[2]) for row in csv.reader(file) if row[1] == name]


def of_training(folder, name):
    """The values of a training step's scalar such as "loss"."""
    return of(folder, f"train/{name}")
