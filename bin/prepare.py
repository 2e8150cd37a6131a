#!/usr/bin/env python3
"""Prepares a dataset: one frame, one pixel size, normalised slices."""

import pathlib

from dscl_flags import binary, prepare

USAGE = """
dscl-prepare --source=DIR --output=DIR [--labels=DIR] [--skip_bad]
             [--labelled_slices=with_structures] [--ignore_label=VALUE]
dscl-prepare --source=DIR --check_only [--report=FILE]

Reads a dataset as it was downloaded (ACDC, Decathlon, MM-WHS, nnU-Net, DICOM series,
or a folder of volumes) and writes a prepared cohort: an index and arrays that
training opens by memory map. --channels=T2,ADC: several images of a subject together.
Every file is checked before any work; bad ones are listed with their cure.
A second run with the same settings does nothing; an interrupted one goes on.
"""


def main() -> None:
    """Checks or prepares what the flags name."""
    from dscl_tf.cohort import preparation

    config = prepare.preparation_config()
    if prepare.check_only():
        check(config)
    else:
        preparation.prepare(config)


def check(config) -> None:
    """Prints what the check finds, and writes it to --report if that is given.

    Raises:
      UserError: there are errors; or warnings, if those count.
    """
    from dscl_tf import errors, files
    from dscl_tf.cohort import check_report, preparation

    if prepare.report_file():
        files.require_writable(pathlib.Path(prepare.report_file()).parent)
    dataset, report = preparation.check(config)
    if prepare.report_file():
        files.write_json(prepare.report_file(), check_report.to_json(report))
    table = check_report.table(report, dataset)
    print(check_report.summary(report, dataset.label_names, config.num_partitions))
    print(f"\n{table}" if table else "\nNo problems found.")
    if report.is_bad(config.strict):
        bad = check_report.count(report, config.strict)
        raise errors.UserError(f"{bad} have errors, listed above.")


def cli() -> None:
    """Entry point of `dscl-prepare`."""
    binary.run(main, [prepare], USAGE)


if __name__ == "__main__":
    cli()
