"""A tiny prepared cohort and settings for it, shared by the tests of all floors."""

import collections
import dataclasses

import numpy as np
import pytest

# Of flags that several binaries have the last definition counts: here, training's.
from dscl_flags import evaluation, inference, prediction, prepare, training

from dscl_tf import config
from dscl_tf.cohort import preparation, prepared, splits
from dscl_tf.training import records, run_folder
from tests.cohort import making
from tests.small_stage import tiny_stage

FLAGS = (evaluation, inference, prediction, prepare, training)
TINY_SIZE = (16, 16)


def pytest_terminal_summary(terminalreporter):
    """Prints what the campaigns tried and what failed."""
    reports = [each for some in terminalreporter.stats.values() for each in some]
    trials, failures = collections.Counter(), collections.Counter()
    for report in reports:
        if getattr(report, "when", None) == "teardown":
            for _, found in filter(_is_of_campaign, report.user_properties):
                trials[found[0]] += found[1]
                failures[found[0]] += found[2]
    if trials:
        terminalreporter.section("campaigns")
    for name, count in sorted(trials.items()):
        terminalreporter.write_line(f"{name}: {count}, failures {failures[name]}")


def _is_of_campaign(found):
    return found[0] == "campaign"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Six labelled volumes of 5 or 6 slices: a bright disc that moves, on noise."""
    raw = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    for k in range(6):
        slices = [
            np.hypot(rows - 5 - q, columns - 8) < 3 + 0.3 * k for q in range(5 + k % 2)
        ]
        label = np.stack(slices).astype(np.uint8)
        noise = rng.random(label.shape)
        image = (100 * label + 30 * noise).astype("f4")
        making.write(raw / "images" / f"p{k}.nii.gz", image)
        making.write(raw / "labels" / f"p{k}.nii.gz", label)
    return preparation.prepare(
        preparation.PreparationConfig(
            source=str(raw / "images"),
            output=str(raw / "prepared"),
            format="folder",
            labels=str(raw / "labels"),
            label_names=("disc",),
            num_workers=1,
            settings=config.PreprocessingConfig(
                size_px=TINY_SIZE, spacing_mm=2.0, bias_correction=False
            ),
        )
    )


@pytest.fixture(scope="session")
def tiny_cohort(tiny_folder):
    return prepared.PreparedCohort.open(tiny_folder)


@pytest.fixture(scope="session")
def make_stage(tiny_folder):
    """A function from a stage, a folder and changes to a small StageConfig."""

    def make(stage, workdir, num_steps=3, **changes):
        folder = changes.pop("prepared", tiny_folder)
        return tiny_stage(folder, workdir, stage, num_steps, **changes)

    return make


@pytest.fixture
def make_run(tiny_cohort, make_stage, tmp_path):
    """A finished run, without weights, of a split."""

    def make(name, init=None, cohort_id=None, **subsets):
        split = splits.Split(**{kind: subsets.get(kind, ()) for kind in splits.SUBSETS})
        kind = "finetune" if {"train", "validation"} & set(subsets) else "encoder"
        stage = make_stage(kind, tmp_path / name, init=init and str(init))
        record = records.make_record(stage, tiny_cohort, split)
        if cohort_id:
            record = dataclasses.replace(record, cohort_id=cohort_id)
        run = run_folder.RunFolder(tmp_path / name)
        run.start(record)
        run.finish(run.path / "checkpoints" / "ckpt-1", 1, {})
        return run.path

    return make
