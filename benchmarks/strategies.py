#!/usr/bin/env python3
"""Measures what pre-training gains on the phantom: the figures of docs/results.md.

For each number of labelled volumes and each draw of them, fine-tunes from random
weights and from each pre-trained network, and evaluates on the same test volumes.
Every cell is a run folder, so a stopped measurement goes on where it was.
"""

import dataclasses
import json
import pathlib
import statistics

from absl import flags
from dscl_flags import (
    adversarial,
    binary,
    contrast,
    finetuning,
    network,
    optimizer,
    run,
    split,
)

_METHODS = flags.DEFINE_list(
    "methods", ["random", "gr", "gd", "gd+lr"], "Rows to measure."
)
_SIZES = flags.DEFINE_list("sizes", ["1", "2"], "Numbers of labelled volumes.")
_DRAWS = flags.DEFINE_integer("draws", 6, "Draws of labelled volumes.", 1)

USAGE = """
benchmarks/strategies.py --preset=phantom --prepared=DIR --workdir=DIR [--methods=...]

A method is random, or a global strategy (gr, gd_minus, gd), with +lr or +ld after it
for a decoder stage. Writes DIR/results.json and DIR/results.md.
"""


def pretrain(root: pathlib.Path, method: str, stages, config) -> str:
    """Pre-trains for a method; the run to take over, None for random weights."""
    if method == "random":
        return None
    name, _, local = method.partition("+")
    base = run.stage_config("encoder")
    encoder = dataclasses.replace(
        base,
        workdir=str(root / "pretrain" / name / "encoder"),
        global_=dataclasses.replace(base.global_, strategy=config.GlobalStrategy(name)),
    )
    if not local:
        return str(stages.run([encoder])[0])
    base = run.stage_config("decoder")
    decoder = dataclasses.replace(
        base,
        workdir=str(root / "pretrain" / name / f"decoder_{local}"),
        init=encoder.workdir,
        local=dataclasses.replace(base.local, strategy=config.LocalStrategy(local)),
    )
    return str(stages.run([encoder, decoder])[-1])


def cell(root: pathlib.Path, method: str, size: int, draw: int, modules) -> dict:
    """Fine-tunes and evaluates one cell; the content of its summary.json."""
    stages, config, evaluate, predictor = modules
    base = run.stage_config("finetune")
    stage = dataclasses.replace(
        base,
        workdir=str(root / f"n{size}_draw{draw}_{method}"),
        init=pretrain(root, method, stages, config),
        split=dataclasses.replace(base.split, num_train=size, seed=draw),
    )
    folder = stages.run([stage])[0]
    settings = evaluate.EvaluationConfig(
        stage.prepared, str(folder / "test"), pictures=False
    )
    return evaluate.evaluate(predictor.open_predictor(str(folder)), settings)


def table(results: dict) -> str:
    """Mean and standard deviation over the draws, and the gain over random."""
    lines = [
        "| labelled | method | draws | Dice | RV | MYO | LV | gain over random |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size, methods in results.items():
        for method, draws in methods.items():
            columns = [[d[name] for d in draws.values()] for name in _names(draws)]
            cells = [_spread(column) for column in columns]
            shared = [k for k in draws if k in methods.get("random", {})]
            gains = [draws[k]["mean"] - methods["random"][k]["mean"] for k in shared]
            gain = _spread(gains, "+") if gains and method != "random" else ""
            row = [size, method, str(len(draws)), *cells, gain]
            lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _names(draws: dict) -> list:
    return list(next(iter(draws.values())))


def _spread(values: list, sign: str = "") -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{sign}.3f} ± {deviation:.3f}"


def main() -> None:
    """Measures every cell, writing the results after each."""
    from dscl_tf import config, files, stages
    from dscl_tf.inference import evaluate, predictor

    root, results = pathlib.Path(run.workdir()), {}
    for draw in range(_DRAWS.value):
        for size in _SIZES.value:
            for method in _METHODS.value:
                modules = (stages, config, evaluate, predictor)
                found = cell(root, method, int(size), draw, modules)
                names = found["label_names"]
                scores = {"mean": found["foreground_mean"]["Dice"]}
                for label, means in found["mean"].items():
                    scores[names[label]] = means["Dice"]
                results.setdefault(size, {}).setdefault(method, {})[str(draw)] = scores
                files.write_json(root / "results.json", results)
                files.write_text(root / "results.md", table(results) + "\n")
                print(
                    f"n={size} draw {draw} {method}: {json.dumps(scores)}", flush=True
                )
    print(table(results))


if __name__ == "__main__":
    groups = [run, split, contrast, optimizer, finetuning, adversarial, network]
    binary.run(main, groups, USAGE)
