#!/usr/bin/env python3
"""Prepares a dataset: one frame, one pixel size, normalised slices."""

from dscl_flags import binary, prepare

USAGE = """
dscl-prepare --source=DIR --output=DIR [--labels=DIR] [--check_only]

Reads a dataset as it was downloaded (ACDC, Decathlon, MM-WHS, nnU-Net, or a folder)
and writes a prepared cohort: an index and arrays that training opens by memory map.
A second run with the same settings does nothing; an interrupted one goes on.
"""


def main() -> None:
    """Checks or prepares what the flags name."""
    from dscl_tf import errors
    from dscl_tf.cohort import preparation

    config = prepare.preparation_config()
    if not prepare.check_only():
        preparation.prepare(config)
        return
    problems = preparation.check(config)
    if problems:
        raise errors.UserError(
            f"Problems found: {len(problems)}\n  " + "\n  ".join(map(str, problems))
        )
    print("No problems found.")


def cli() -> None:
    """Entry point of `dscl-prepare`."""
    binary.run(main, [prepare], USAGE)


if __name__ == "__main__":
    cli()
