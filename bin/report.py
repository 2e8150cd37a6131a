#!/usr/bin/env python3
"""Makes one HTML page of an experiment or a run."""

import logging

from dscl_flags import binary, report

USAGE = """
dscl-report --input=EXPERIMENT|RUN [--output=FILE.html]

One self-contained page: tables that sort, Dice against the number of labelled
volumes, structures, training curves, embeddings of slices before and after
pre-training, the best, median and worst masks, settings and versions. It needs no
network and no other file. Where something is missing it says so; for an experiment
that has not finished it shows what there is.
"""


def main() -> None:
    """Writes the report that the flags ask for."""
    folder, output = report.folder(), report.output()
    # Imported after the flags are checked, since TensorFlow takes seconds to import.
    from dscl_tf.reporting import report as reports

    path = reports.write(reports.ReportConfig(folder, output))
    logging.info("Report: %s (%.1f MB)", path, path.stat().st_size / 1e6)


def cli() -> None:
    """Entry point of `dscl-report`."""
    binary.run(main, [report], USAGE)


if __name__ == "__main__":
    cli()
