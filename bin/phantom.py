#!/usr/bin/env python3
"""Writes a synthetic cohort of cardiac-MR-like volumes."""

from dscl_flags import binary, phantom

USAGE = """
dscl-phantom --output=DIR [--num_subjects=48] [--seed=0] [--picture=FILE]

Writes a synthetic cohort of short-axis cardiac-MR-like volumes with labels of right
ventricle, myocardium and left ventricle, as NIfTI in the ACDC layout. Subjects that
already exist are kept.
"""


def main() -> None:
    """Writes what the flags ask for."""
    from dscl_tf.cohort import phantom as cohort
    from dscl_tf.cohort.phantom.picture import draw

    config, picture = phantom.phantom_config(), phantom.picture()
    if config is not None:
        cohort.write_cohort(config)
    if picture is not None:
        path, seed, num_subjects = picture
        draw(seed, num_subjects, path)


def cli() -> None:
    """Entry point of `dscl-phantom`."""
    binary.run(main, [phantom], USAGE)


if __name__ == "__main__":
    cli()
