#!/usr/bin/env python3
"""Pre-trains and fine-tunes a segmenter on a prepared cohort."""

from dscl_flags import binary, command_line, interruptions, pseudo_labels, run, training

USAGE = """
dscl-train --prepared=DIR --workdir=DIR [--stage=encoder|decoder|pretext|finetune|all]
           [--recipe=best|paper] [--dry_run] [--max_hours=H]

Pre-trains an encoder and a decoder on unlabelled volumes, then fine-tunes the
whole U-Net on a few labelled ones. A finished stage is recognised; an interrupted
one goes on where it was saved; the last one goes on if it is to have more steps.
"""


def main() -> None:
    """Runs the stages that the flags ask for."""
    configs = run.stage_configs()
    interruptions.limit(run.max_hours())
    # Imported after the flags are checked, since TensorFlow takes seconds to import.
    from dscl_tf import stages
    from dscl_tf.methods import rounds
    from dscl_tf.stages import opening, timing

    if not command_line.is_given("--recipe"):
        configs = [
            opening.without_methods_in_want(stage, is_chosen=command_line.is_given)
            for stage in configs
        ]
    first = pseudo_labels.first_round()
    chain = rounds.with_rounds(configs, pseudo_labels.num_rounds(), first)
    if run.is_dry():
        print(timing.outline(chain))
        return
    timing.announce(chain)
    stages.run(chain)


def cli() -> None:
    """Entry point of `dscl-train`."""
    binary.run(main, training.GROUPS, USAGE, recipe="best")


if __name__ == "__main__":
    cli()
