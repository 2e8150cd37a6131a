"""Mutated inputs: each ends with a clear sentence, or with a correct result."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from dscl_bin import evaluate, predict, prepare

from dscl_tf import config, stages
from dscl_tf.cohort import parallel, preparation, prepared, splits
from dscl_tf.inference import mask_files, predictor
from dscl_tf.training import run_folder
from tests import miniatures
from tests.campaigns import guarding, mutations
from tests.cohort import making

QUICK, FULL = range(24), range(24, 624)
_SETTINGS = (
    "--size_px=16,16",
    "--spacing_mm=2",
    "--nobias_correction",
    "--num_workers=1",
)
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
    source = root / "own" / "images" if is_folder else root
    labels = [f"--labels={root / 'own' / 'labels'}"] if is_folder else []
    code, stderr = guarding.run_binary(
        prepare, f"--source={source}", *labels, f"--output={output}", *_SETTINGS
    )
    wrong = guarding.verdict(code, stderr, lambda: _is_whole(output))
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
    wrong = guarding.verdict(code, stderr, lambda: True)
    return wrong and f"{seed}: {name}: {done}: {wrong}"


def _write_inputs(dataset, root):
    """The images in four formats, by the names of the volumes."""
    shutil.copytree(dataset, root)
    for path in sorted((root / "images").iterdir()):
        image = sitk.ReadImage(str(path))
        for suffix in (".nii", ".nrrd", ".mha"):
            sitk.WriteImage(image, str(path).replace(".nii.gz", suffix))


def _predict_once(dataset, folder, seed):
    rng = np.random.default_rng(seed)
    _write_inputs(dataset, folder / "raw")
    found = sorted((folder / "raw" / "images").iterdir())
    path = found[rng.integers(len(found))]
    done = mutations.mutate(path, rng)
    images, output = folder / "raw" / "images", folder / "out"
    flags = f"--model={folder}", f"--input={images}", f"--output={output}"
    code, stderr = guarding.run_binary(predict, *flags)
    inputs = [each.name for each in images.iterdir() if each.name[0] != "."]

    masks = [p.name for p in output.iterdir() if p.name != mask_files.LABELS]

    def complete():
        return sorted(inputs) == sorted(masks)

    wrong = guarding.verdict(code, stderr, complete)
    if len(masks) < len(found) - 1:
        wrong += " an input that is good has no mask"
    return wrong and f"{seed}: {path.name}: {done}: {wrong}"


def _evaluate_once(dataset, cohort_folder, folder, seed):
    rng = np.random.default_rng(seed)
    raw, cohort, output = folder / "raw", folder / "prepared", folder / "out"
    shutil.copytree(dataset, raw)
    shutil.copytree(cohort_folder, cohort)
    index = (cohort / "index.json").read_text()
    (cohort / "index.json").write_text(index.replace(str(dataset), str(raw)))
    output.mkdir()
    (output / "summary.json").write_text('{"mean": {}, "num_cases": 2}')
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    path = found[rng.integers(len(found))]
    done = mutations.mutate(path, rng)
    flags = f"--model={folder}", f"--prepared={cohort}", f"--output={output}"
    code, stderr = guarding.run_binary(
        evaluate, *flags, "--subset=all", "--nopictures", "--overwrite"
    )
    wrong = guarding.verdict(code, stderr, (output / "cases.csv").exists)
    if code and "mean" in str(_json(output / "summary.json").get("metric_per_case")):
        wrong += " a result was left"
    return wrong and f"{seed}: {path.relative_to(folder)}: {done}: {wrong}"


def _json(path):
    return json.loads(path.read_text()) if path.exists() else {}


def _campaign(once, seeds, tmp_path, tally, what):
    """One trial a seed; all that went wrong is said at once."""
    failures = []
    for seed in seeds:
        folder = tmp_path / "now"
        folder.mkdir()
        with contextlib.suppress(AssertionError), tally(f"fuzz, {what}").trial():
            wrong = once(folder, seed)
            failures += [wrong] if wrong else []
            assert not wrong
        shutil.rmtree(folder)
    assert not failures, "\n".join(failures)


PARTS = [
    pytest.param(QUICK, id="quick"),
    pytest.param(FULL, id="full", marks=pytest.mark.slow),
]
QUICK_PART = [
    pytest.param(range(8), id="quick"),
    pytest.param(range(8, 208), id="full", marks=pytest.mark.slow),
]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)


@pytest.fixture
def opened(monkeypatch, export_folder):
    """Models are opened once for all trials."""
    model = predictor.open_predictor(export_folder)
    monkeypatch.setattr(predictor, "open_predictor", lambda *_, **__: model)


@pytest.mark.parametrize("seeds", PARTS)
def test_mutated_datasets(datasets, tmp_path, tally, seeds):
    def once(folder, seed):
        return _prepare_once(datasets, folder, seed)

    _campaign(once, seeds, tmp_path, tally, "datasets")


@pytest.mark.parametrize("seeds", PARTS)
def test_mutated_runs_and_cohorts(tiny_folder, finished, tmp_path, tally, seeds):
    def once(folder, seed):
        return _open_once(tiny_folder, finished, folder, seed)

    _campaign(once, seeds, tmp_path, tally, "runs and cohorts")


@pytest.mark.parametrize("seeds", QUICK_PART)
def test_mutated_inputs_of_predict(opened, dataset, tmp_path, tally, seeds):
    def once(folder, seed):
        return _predict_once(dataset, folder, seed)

    _campaign(once, seeds, tmp_path, tally, "inputs of predict")


@pytest.mark.parametrize("seeds", QUICK_PART)
def test_mutated_inputs_of_evaluate(
    opened,
    dataset,
    cohort_folder,
    tmp_path,
    tally,
    seeds,
):
    def once(folder, seed):
        return _evaluate_once(dataset, cohort_folder, folder, seed)

    _campaign(once, seeds, tmp_path, tally, "inputs of evaluate")
