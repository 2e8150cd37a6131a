"""Small experiment folders, as dscl-experiment leaves them."""

import csv
import html
import json
import re

from dscl_tf.reporting import page

METHODS = ("random", "gd")
TITLES = {"random": "Random initialisation", "gd": "G^D", "all": "All labelled volumes"}
# By method and size, of two draws each.
DICE = {
    ("random", 1): (0.4, 0.6),
    ("gd", 1): (0.6, 0.7),
    ("random", 2): (0.5, 0.7),
    ("gd", 2): (0.8, 0.6),
}


def write_csv(path, head, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def write_metrics(folder, rows):
    write_csv(folder / "metrics.csv", ("step", "name", "value"), rows)


def write_cases(folder, rows):
    write_csv(folder / "cases.csv", ("volume", "structure", "dice"), rows)


def cell(folder, method, size, draw, dice):
    """A finished cell's entry, and its files."""
    name = f"cells/n{size}_draw{draw}_seed0_{method}"
    run, evaluation = folder / name / "finetune", folder / name / "test"
    write_metrics(
        run,
        [
            (1, "train/loss", 0.9 - 0.1 * draw),
            (2, "train/loss", 0.5 - 0.1 * draw),
            (2, "validation/mean", dice),
        ],
    )
    settings = {"config": {"network": {"filters": [4]}, "init": method, "a": method}}
    (run / "config.json").write_text(json.dumps(settings))
    write_cases(
        evaluation,
        [("p1", "low", dice), ("p1", "high", ""), ("p2", "low", dice / 2)],
    )
    return {
        "method": method,
        "size": size,
        "draw": draw,
        "seed": 0,
        "state": "done",
        "run": f"{name}/finetune",
        "evaluation": f"{name}/test",
        "dice": dice,
        "structures": {"low": dice, "high": None},
        "seconds": 60.0,
        "error": None,
    }


def row(method, size):
    """A row of the table."""
    first, second = DICE[method, size]
    mean = (first + second) / 2
    paired = {"n": 2, "mean": 0.15, "low": -0.05, "high": 0.25, "num_above": 1}
    return {
        "method": method,
        "size": size,
        "n": 2,
        "mean": mean,
        "std": 0.1,
        "structures": {"low": {"mean": mean, "std": None}},
        "versus_random": paired if method == "gd" else None,
        "versus_gr": None,
        "paper": 0.614 if size == 1 else None,
    }


def experiment(folder, **changes):
    """Writes an experiment of two methods, two sizes and two draws; its content.

    Args:
      folder: of the experiment.
      **changes: of results.json.
    """
    content = {
        "format": 1,
        "name": "tiny",
        "versions": {"dscl_tf": "0.1.0"},
        "cohort": {
            "id": "c0",
            "prepared": str(folder / "no_cohort"),
            "label_names": ["background", "low", "high"],
            "size_px": [32, 24],
            "spacing_mm": 2.0,
            "paper_dataset": "acdc",
        },
        "grid": {
            "methods": [{"name": name, "title": TITLES[name]} for name in METHODS],
            "sizes": [1, 2],
            "draws": [0, 1],
            "seeds": [0],
            "flags": {"num_steps": "2"},
        },
        "pretraining": [],
        "cells": [
            cell(folder, method, size, draw, dice)
            for (method, size), found in DICE.items()
            for draw, dice in enumerate(found)
        ],
        "table": [row(*key) for key in DICE],
        **changes,
    }
    (folder / "results.json").write_text(json.dumps(content))
    return content


def fragment(section):
    """What a section's template makes of its data."""
    template = page.environment().get_template(f"{section.template}.html")
    return template.render(section=section)


def summary(text):
    """The sentences at the head of a page."""
    (found,) = re.findall('<ul class="summary">(.*?)</ul>', text, re.DOTALL)
    return [html.unescape(each) for each in re.findall("<li>(.*?)</li>", found)]
