#!/usr/bin/env python3
"""The main job, end to end, on a synthetic cohort; `make demo` runs it.

Each step is the command that a user would type. All of them recognise finished work,
so a demo that was killed continues where it stopped.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

from absl import flags
from dscl_flags import binary

from dscl_tf import processes

_OUTPUT = flags.DEFINE_string("output", "demo_run", "Folder for everything it makes.")
_BIN = pathlib.Path(__file__).parent
_TEST_SCAN = "training/patient002/patient002_frame01.nii.gz"

USAGE = """
bin/demo.py [--output=demo_run]

Writes a synthetic cohort, prepares it, pre-trains encoder and decoder, fine-tunes
with two labelled volumes and consistency, fine-tunes random weights with the
labelled volumes alone, evaluates both, draws both side by side, predicts a mask and
exports the model.
"""


def commands(root: str) -> list[list[str]]:
    """The commands of the demo, in order."""
    train = ["train", "--preset=phantom", "--num_train_volumes=2"]
    # Smaller batches and fewer steps than in the preset and the recipe: the demo should
    # be quick on any processor.
    train += [f"--prepared={root}/prepared", "--finetune_batch_size=6"]
    evaluate = ["evaluate", f"--prepared={root}/prepared"]
    return [
        ["phantom", f"--output={root}/raw", "--num_subjects=48"],
        ["prepare", "--preset=phantom", f"--source={root}/raw"]
        + [f"--output={root}/prepared"],
        [*train, f"--workdir={root}/pretrained", "--encoder_steps=400"]
        + ["--decoder_steps=200", "--consistency_steps_factor=0.75"],
        [*train, f"--workdir={root}/random", "--recipe=paper"]
        + ["--global_strategy=none", "--local_strategy=none"],
        [*evaluate, f"--model={root}/random", f"--output={root}/random/test"],
        [*evaluate, f"--model={root}/pretrained", f"--output={root}/pretrained/test"]
        + [f"--beside={root}/random/test"],
        ["predict", f"--model={root}/pretrained", f"--input={root}/raw/{_TEST_SCAN}"]
        + [f"--output={root}/masks"],
        ["export", f"--model={root}/pretrained", f"--output={root}/exported"],
    ]


def table(root: pathlib.Path) -> str:
    """Dice of each structure: from random weights, and with the whole recipe."""
    rows = {}
    for run in ("random", "pretrained"):
        content = json.loads((root / run / "test" / "summary.json").read_text())
        names = content["label_names"]
        rows[run] = {
            names[label]: scores["Dice"] for label, scores in content["mean"].items()
        }
        rows[run]["mean"] = content["foreground_mean"]["Dice"]
    lines = [f"{'Dice on test volumes':<24}{'random weights':>16}{'dscl_tf':>10}"]
    for name in rows["random"]:
        lines.append(
            f"{name:<24}{rows['random'][name]:>16.3f}{rows['pretrained'][name]:>10.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the commands, then prints the results."""
    root, start = pathlib.Path(_OUTPUT.value), time.monotonic()
    steps = commands(str(root))
    for number, (name, *arguments) in enumerate(steps, 1):
        shown = shlex.join([f"bin/{name}.py", *arguments])
        print(f"\n[{number}/{len(steps)}] {shown}", flush=True)
        done = subprocess.run(
            [sys.executable, _BIN / f"{name}.py", *arguments],
            preexec_fn=processes.stop_with_parent,
        )
        if done.returncode:
            print("The demo stopped there; `make demo` goes on from there.", flush=True)
            sys.exit(done.returncode if done.returncode > 0 else 1)
    minutes = (time.monotonic() - start) / 60
    print(f"\nDone in {minutes:.1f} min. Trained on two labelled volumes:\n")
    print(table(root))
    print(
        "\nOne draw of two volumes of a synthetic cohort; docs/results.md has real "
        "patients.\n"
        f"Both         {root}/pretrained/test/beside.png\n"
        f"All cases    {root}/pretrained/test/contact_sheet.png and overlays/\n"
        f"A mask       {root}/masks/{pathlib.Path(_TEST_SCAN).name}\n"
        f"Model        {root}/exported (a SavedModel)\n"
        f"TensorBoard  {_beside_python('tensorboard')} --logdir {root}"
    )


def _beside_python(name: str) -> str:
    """A program of this environment, as typed from the working folder."""
    return os.path.relpath(pathlib.Path(sys.executable).with_name(name))


def cli() -> None:
    """Entry point."""
    binary.run(main, [sys.modules[__name__]], USAGE)


if __name__ == "__main__":
    cli()
