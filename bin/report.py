#!/usr/bin/env python3
"""Makes one self-contained HTML page of an experiment or a run."""

from dscl_flags import binary, report

USAGE = """
dscl-report --input=DIR [--output=FILE]

Writes report.html: tables that sort, Dice against the number of labelled volumes,
structures, training curves, embeddings of slices before and after pre-training, the
best, the median and the worst masks, settings. It needs no other file and no network.
"""


def main() -> None:
    """Writes the report."""
    folder, output = report.arguments()
    from dscl_tf.reporting import report as reports

    print(reports.write(folder, output))


def cli() -> None:
    """Entry point of `dscl-report`."""
    binary.run(main, [report], USAGE)


if __name__ == "__main__":
    cli()
