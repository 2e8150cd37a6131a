"""The binaries are run on the tiny models and cohort of the inference tests."""

from tests.inference.conftest import (  # noqa: F401
    cohort_folder,
    dataset,
    export_folder,
    mixed_run,
    segmenter,
)
