#!/usr/bin/env python3
"""Compares methods over draws of labelled volumes; resumable, with tables."""

from dscl_flags import binary, experiment, interruptions, run, training

USAGE = """
dscl-experiment --prepared=DIR --workdir=DIR [--grid=NAME|FILE] [--dry_run]

Runs methods x numbers of labelled volumes x draws, and writes table.md, table.csv and
results.json into --workdir. Pre-training that cells share is done once; a cell that is
done is skipped, one that fails does not stop the others, and a stopped experiment goes
on by the same command. --stage, --init and the strategies are set by the methods.
"""


def main() -> None:
    """Runs the experiment, or prints what it would do.

    Raises:
      UserError: some cells have no result because they failed.
    """
    from dscl_tf import errors
    from dscl_tf.experiments import experiment as experiments
    from dscl_tf.experiments import grids, results

    settings = experiment.experiment_config()
    rows = grids.make_grid(settings.grid).methods
    experiment.refuse_unused(
        {row.initial for row in rows},
        {term for row in rows for term in row.added},
        {row.local_views for row in rows if row.local_views},
    )
    if run.is_dry():
        print(experiments.outline(settings))
        return
    interruptions.limit(run.max_hours())
    content, failed = experiments.run(settings)
    print(results.as_markdown(content))
    if failed:
        raise errors.UserError(
            f"{len(failed)} of {len(content['cells'])} cells have no result: "
            f"{settings.root}/{results.TABLE} says why, and the same command tries "
            "them again."
        )


def cli() -> None:
    """Entry point of `dscl-experiment`."""
    binary.run(main, [experiment, *training.GROUPS], USAGE)


if __name__ == "__main__":
    cli()
