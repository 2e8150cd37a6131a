"""benchmarks/grid_limit.py on labels that a grid keeps, and on one that it loses."""

import json
import re
import shutil

import numpy as np

from dscl_tf import config
from dscl_tf.cohort import preparation
from tests import miniatures
from tests.bin import running
from tests.cohort import making


def limits(*words):
    return running.benchmark("grid_limit", *words)


def test_labels_on_the_grid_are_kept_whole(tiny_folder):
    done = limits(f"--prepared={tiny_folder}")
    assert done.returncode == 0, done.stderr
    assert "6 volumes" in done.stdout
    assert "| disc | 1.000 | 1.000 (p" in done.stdout


def test_only_the_volumes_of_an_evaluation(evaluation, cohort_folder, tmp_path):
    one = shutil.copytree(evaluation, tmp_path / "one") / "summary.json"
    first = json.loads(one.read_text())["metric_per_case"][:1]
    miniatures.edit_json(one, metric_per_case=first)
    done = limits(f"--prepared={cohort_folder}", f"--evaluation={one.parent}")
    assert done.returncode == 0, done.stderr
    assert "1 volumes" in done.stdout


def test_what_lies_between_pixels_is_lost_and_named(tmp_path):
    for place, name in ((0, "kept"), (1, "lost")):
        label = np.zeros((4, 32, 32), np.uint8)
        label[:, 8:24, 4:20] = 1
        # A line one voxel wide; pixels of two voxels have every other column.
        label[:, 4:28, 20 + place] = 2
        noise = np.random.default_rng(0).random(label.shape).astype(np.float32)
        for kind, values in (("images", noise + label), ("labels", label)):
            path = tmp_path / kind / f"{name}.nii.gz"
            making.write(path, values, spacing_mm=(1.0, 1.0, 8.0))
    settings = config.PreprocessingConfig(
        size_px=(16, 16), spacing_mm=2.0, bias_correction=False
    )
    folder = preparation.prepare(
        preparation.PreparationConfig(
            source=str(tmp_path / "images"),
            output=str(tmp_path / "prepared"),
            labels=str(tmp_path / "labels"),
            label_names=("square", "line"),
            num_workers=1,
            settings=settings,
        )
    )
    done = limits(f"--prepared={folder}")
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"\| (\w+) \| [\d.]+ \| ([\d.]+ \(\w+\))", done.stdout))
    assert found["line"] == "0.000 (lost)"
    assert 0.9 < float(found["square"].split()[0]) < 1


def test_mistakes_are_one_sentence(tmp_path):
    for words in ((), (f"--prepared={tmp_path}",)):
        assert running.is_one_sentence(limits(*words))
