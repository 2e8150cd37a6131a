"""Mutated inputs: each ends with a clear sentence, or with a correct result."""

import json
import shutil

import numpy as np
import pytest

from dscl_tf import config, stages
from dscl_tf.cohort import parallel, preparation, prepared, splits
from dscl_tf.training import run_folder
from tests import miniatures
from tests.campaigns import guarding, mutations
from tests.cohort import making

QUICK, FULL = range(24), range(24, 624)
LAYOUTS = ("acdc", "decathlon", "mmwhs", "nnunet", "folder")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    root = tmp_path_factory.mktemp("templates")
    for name in LAYOUTS:
        extra = {"num_frames": 3, "training": (1, 2)} if name == "acdc" else {}
        getattr(miniatures, name)(root / name, **extra)
    return root


@pytest.fixture(scope="module")
def finished(make_stage, tmp_path_factory):
    return stages.run([make_stage("finetune", tmp_path_factory.mktemp("run"), 2)])[0]


def _verdict(code, stderr, complete):
    """What is wrong with an ending; empty if nothing is."""
    if code == 0:
        return "" if complete() else "exit 0 without a result"
    if code != 1:
        return f"exit {code}: {stderr[-300:]}"
    if "Traceback" in stderr or "Error: " not in stderr:
        return f"no clear sentence: {stderr[-300:]}"
    return ""


def _prepare_once(datasets, tmp_path, seed):
    rng = np.random.default_rng(seed)
    root, output = tmp_path / "raw", tmp_path / "out"
    shutil.copytree(datasets / LAYOUTS[seed % len(LAYOUTS)], root)
    found = [p for p in sorted(root.rglob("*")) if p.is_file() and p.name[:2] != "._"]
    texts = [path for path in found if path.suffix in (".json", ".cfg")]
    pool = texts if texts and rng.random() < 0.5 else found
    path = pool[rng.integers(len(pool))]
    done = mutations.mutate(path, rng)
    is_folder = (root / "own").exists()
    settings = preparation.PreparationConfig(
        source=str(root / "own" / "images" if is_folder else root),
        labels=str(root / "own" / "labels") if is_folder else None,
        output=str(output),
        num_workers=1,
        settings=config.PreprocessingConfig(
            size_px=(16, 16), spacing_mm=2.0, bias_correction=False
        ),
    )
    code, stderr = guarding.run(lambda: preparation.prepare(settings))
    wrong = _verdict(code, stderr, lambda: _is_whole(output))
    if code != 0 and (output / "index.json").exists():
        wrong += " an index was left"
    return wrong and f"{seed}: {path.relative_to(root)}: {done}: {wrong}"


def _is_whole(folder):
    cohort = prepared.PreparedCohort.open(folder)
    images = [cohort.image(volume.name) for volume in cohort.volumes]
    return bool(images) and all(np.isfinite(image).all() for image in images)


def _open_run(root):
    return run_folder.load_segmenter(root)


def _open_split(root):
    cohort = prepared.PreparedCohort.open(root)
    return splits.resolve(cohort, config.SplitConfig(file=str(root / "split.json")))


def _prepare_again(root):
    raw = root / "raw"
    settings = preparation.PreparationConfig(
        source=str(raw / "images"),
        labels=str(raw / "labels"),
        output=str(root),
        format="folder",
        label_names=("disc",),
        settings=prepared.PreparedCohort.open(root).settings,
    )
    return preparation.prepare(settings)


# What reads a file, by the file's name.
_READERS = {
    "config.json": _open_run,
    "result.json": _open_run,
    "index.json": _is_whole,
    "split.json": _open_split,
    "request.json": _prepare_again,
}
_SPLIT = {"pretrain": ["p0"], "train": ["p1"], "validation": ["p2"], "test": ["p3"]}


def _open_once(tiny_folder, finished, tmp_path, seed):
    rng = np.random.default_rng(seed)
    name, read = list(_READERS.items())[seed % len(_READERS)]
    root = tmp_path / "copy"
    shutil.copytree(finished if read is _open_run else tiny_folder, root)
    (root / "split.json").write_text(json.dumps(_SPLIT))
    if read is _prepare_again:
        for folder in ("images", "labels"):
            shutil.copytree(tiny_folder.parent / folder, root / "raw" / folder)
    done = mutations.mutate(root / name, rng)
    code, stderr = guarding.run(lambda: read(root))
    wrong = _verdict(code, stderr, lambda: True)
    return wrong and f"{seed}: {name}: {done}: {wrong}"


def _campaign(once, seeds, tmp_path, capsys, what):
    failures = []
    for seed in seeds:
        folder = tmp_path / "now"
        folder.mkdir()
        failures.append(once(folder, seed))
        shutil.rmtree(folder)
    failures = [text for text in failures if text]
    with capsys.disabled():
        print(f"\nfuzz, {what}: {len(seeds)} inputs, failures {len(failures)}")  # noqa: T201
    assert not failures, "\n".join(failures)


PARTS = [
    pytest.param(QUICK, id="quick"),
    pytest.param(FULL, id="full", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("seeds", PARTS)
def test_mutated_datasets(datasets, tmp_path, capsys, monkeypatch, seeds):
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)

    def once(folder, seed):
        return _prepare_once(datasets, folder, seed)

    _campaign(once, seeds, tmp_path, capsys, "datasets")


@pytest.mark.parametrize("seeds", PARTS)
def test_mutated_runs_and_cohorts(
    tiny_folder, finished, tmp_path, capsys, monkeypatch, seeds
):
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)

    def once(folder, seed):
        return _open_once(tiny_folder, finished, folder, seed)

    _campaign(once, seeds, tmp_path, capsys, "runs and cohorts")
