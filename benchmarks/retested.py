#!/usr/bin/env python3
"""Evaluates an experiment's runs on other test volumes, or with their last weights."""

import os
import pathlib
import sys
from typing import Optional

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
    "split",
    None,
    "Split file with the same draws, or paper:acdc and the like; by default the "
    "experiment's own.",
)
_WEIGHTS = flags.DEFINE_enum(
    "weights",
    "chosen",
    ["chosen", "last"],
    "Those that the validation volumes chose, or those after the last step.",
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the same tables as there.")

USAGE = """
benchmarks/retested.py --experiment=DIR [--split=FILE] [--weights=last] --output=DIR

An experiment on a split that was made to choose by (its test volumes are development
volumes), once the choice is made: each of its fine-tuned runs is evaluated on the test
volumes of --split, and results.json and the tables are written for these. A run that
has learned from one of them is refused. Goes on where it was stopped.
With --weights=last each run is evaluated as it was after its last step.
"""


def main() -> None:
    """Evaluates each cell that is done, then writes the tables."""
    for flag in (_EXPERIMENT, _OUTPUT):
        if not flag.value:
            raise errors.UserError(f"--{flag.name} is missing.")
    if not _SPLIT.value and _WEIGHTS.value == "chosen":
        raise errors.UserError("--split, --weights=last or both are needed.")
    root, output = pathlib.Path(_EXPERIMENT.value), pathlib.Path(_OUTPUT.value)
    content = result_files.read_all([str(root / results.RESULTS)])[0]
    cells = [evaluated(root, output, cell) for cell in content["cells"]]
    order = [method["name"] for method in content["grid"]["methods"]]
    _say_what_it_is(content)
    dataset = content["cohort"]["paper_dataset"]
    content["cells"] = cells
    content["table"] = results.table_rows(cells, order, results.of_paper(dataset))
    results.write(output, content)
    print(results.as_markdown(content))


def _say_what_it_is(content: dict) -> None:
    """Records split and weights, so that no script mixes these figures with others."""
    content["cohort"]["weights"] = _WEIGHTS.value
    if not _SPLIT.value:
        return
    dataset = _SPLIT.value.removeprefix("paper:")
    dataset = dataset if dataset != _SPLIT.value else None
    content["cohort"]["paper_dataset"] = dataset
    for stage in (content["grid"].get("settings") or {}).values():
        if isinstance(stage.get("split"), dict):
            stage["split"]["file"] = _SPLIT.value


def evaluated(root: pathlib.Path, output: pathlib.Path, cell: dict) -> dict:
    """A cell with the Dice of its run on the other test volumes."""
    if cell["state"] != "done":
        return cell
    record = RunFolder(root / cell["run"]).read_record()
    settings = evaluate.EvaluationConfig(
        prepared=record.config.prepared,
        output=str(output / cell["evaluation"]),
        split=_split(record.config.split.name),
        pictures=False,
    )
    model = predictor.open_predictor(
        str(root / cell["run"]), last=_WEIGHTS.value == "last"
    )
    return {**cell, **results.dice_of(evaluate.evaluate(model, settings))}


def _split(name: Optional[str]) -> Optional[config.SplitConfig]:
    if not _SPLIT.value:
        return None  # The one that the run recorded.
    return config.SplitConfig(file=_SPLIT.value, name=name)


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
