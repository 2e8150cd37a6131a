#!/usr/bin/env python3
"""The runs of an experiment, evaluated on the test volumes of another split."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import result_files
from absl import flags
from dscl_flags import binary

from dscl_tf import config, errors
from dscl_tf.experiments import results
from dscl_tf.inference import evaluate, predictor
from dscl_tf.training.run_folder import RunFolder

_EXPERIMENT = flags.DEFINE_string("experiment", None, "Folder of an experiment.")
_SPLIT = flags.DEFINE_string(
    "split", None, "Split file with the same draws, or paper:acdc and the like."
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the same tables as there.")

USAGE = """
benchmarks/retested.py --experiment=DIR --split=FILE --output=DIR

An experiment on a split that was made to choose by (its test volumes are development
volumes), once the choice is made: each of its fine-tuned runs is evaluated on the test
volumes of --split, and results.json and the tables are written for these. A run that
has learned from one of them is refused. Goes on where it was stopped.
"""


def main() -> None:
    """Evaluates each cell that is done, then writes the tables."""
    for flag in (_EXPERIMENT, _SPLIT, _OUTPUT):
        if not flag.value:
            raise errors.UserError(f"--{flag.name} is missing.")
    root, output = pathlib.Path(_EXPERIMENT.value), pathlib.Path(_OUTPUT.value)
    content = result_files.read_all([str(root / results.RESULTS)])[0]
    cells = [evaluated(root, output, cell) for cell in content["cells"]]
    order = [method["name"] for method in content["grid"]["methods"]]
    dataset = _SPLIT.value.removeprefix("paper:")
    dataset = dataset if dataset != _SPLIT.value else None
    content["cohort"]["paper_dataset"] = dataset
    content["cells"] = cells
    content["table"] = results.table_rows(cells, order, results.of_paper(dataset))
    results.write(output, content)
    print(results.as_markdown(content))


def evaluated(root: pathlib.Path, output: pathlib.Path, cell: dict) -> dict:
    """A cell with the Dice of its run on the other test volumes."""
    if cell["state"] != "done":
        return cell
    record = RunFolder(root / cell["run"]).read_record()
    settings = evaluate.EvaluationConfig(
        prepared=record.config.prepared,
        output=str(output / cell["evaluation"]),
        split=config.SplitConfig(file=_SPLIT.value, name=record.config.split.name),
        pictures=False,
    )
    model = predictor.open_predictor(str(root / cell["run"]))
    return {**cell, **results.dice_of(evaluate.evaluate(model, settings))}


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
