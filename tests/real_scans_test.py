"""The whole road on real MR: the ICBM 152 average brain that nilearn's wheel carries.

Needs the extra [test]; run by `make test-all`. With DSCL_REAL_SCANS_FOLDER set, all
that it makes is kept there, to be looked at.
"""

import importlib.util
import json
import os
import pathlib

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, stages
from dscl_tf.cohort import preparation
from dscl_tf.inference import evaluate, predict, predictor

pytestmark = pytest.mark.real

_NAMES = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_NUM_VOLUMES = 8
_LABELLED = 6
# Axis orders as scanners and converters leave them.
_ORIENTATIONS = ("LPS", "RAS", "LAS", "RPI")


@pytest.fixture(scope="module")
def brain() -> dict:
    found = importlib.util.find_spec("nilearn")
    if found is None:
        pytest.skip("nilearn is not installed: pip install -e '.[test]'")
    folder = pathlib.Path(found.origin).parent / "datasets" / "data"
    return {
        kind: sitk.Cast(
            sitk.ReadImage(str(folder / _NAMES.format(kind))), sitk.sitkFloat32
        )
        for kind in ("t1", "gm", "wm")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    kept = os.environ.get("DSCL_REAL_SCANS_FOLDER")
    if not kept:
        return tmp_path_factory.mktemp("real")
    pathlib.Path(kept).mkdir(parents=True, exist_ok=True)
    return pathlib.Path(kept)


def make_volume(brain: dict, number: int) -> tuple[sitk.Image, sitk.Image]:
    """A scan-like volume: turned, scaled, thick slices, another contrast and axes."""
    rng = np.random.default_rng(number)
    t1 = brain["t1"]
    move = sitk.Euler3DTransform()
    middle = [(extent - 1) / 2 for extent in t1.GetSize()]
    move.SetCenter(t1.TransformContinuousIndexToPhysicalPoint(middle))
    move.SetRotation(*rng.normal(0, 0.06, 3))
    move.SetTranslation(rng.normal(0, 4, 3).tolist())
    grid = sitk.Image([96, 112, 18], sitk.sitkFloat32)
    grid.SetSpacing([1.9, 1.9, 6.0])
    grid.SetOrigin([-91.0, -124.0, -38.0])
    resampled = {
        kind: sitk.Resample(image, grid, move, sitk.sitkLinear, 0.0)
        for kind, image in brain.items()
    }
    values = sitk.GetArrayFromImage(resampled["t1"])
    values = (values / values.max()) ** rng.uniform(0.8, 1.3) * rng.uniform(300, 900)
    values += rng.normal(0, 8, values.shape)
    image = sitk.GetImageFromArray(values.astype(np.float32))
    grey, white = (sitk.GetArrayFromImage(resampled[kind]) for kind in ("gm", "wm"))
    peak = max(grey.max(), white.max())
    label = np.where(grey > 0.5 * peak, 1, 0) + np.where(white > 0.5 * peak, 2, 0)
    label = sitk.GetImageFromArray(np.minimum(label, 2).astype(np.uint8))
    order = _ORIENTATIONS[number % len(_ORIENTATIONS)]
    for volume in (image, label):
        volume.CopyInformation(grid)
    return sitk.DICOMOrient(image, order), sitk.DICOMOrient(label, order)


@pytest.fixture(scope="module")
def cohort(brain, folder) -> pathlib.Path:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(exist_ok=True)
    for number in range(_NUM_VOLUMES):
        image, label = make_volume(brain, number)
        sitk.WriteImage(image, str(folder / "images" / f"brain{number}.nii.gz"))
        if number < _LABELLED:
            sitk.WriteImage(label, str(folder / "labels" / f"brain{number}.nii.gz"))
    return preparation.prepare(
        preparation.PreparationConfig(
            source=str(folder / "images"),
            labels=str(folder / "labels"),
            output=str(folder / "prepared"),
            label_names=("grey matter", "white matter"),
            settings=config.PreprocessingConfig(
                size_px=(64, 64), spacing_mm=3.4, bias_correction=True
            ),
        )
    )


@pytest.fixture(scope="module")
def run(cohort, folder) -> pathlib.Path:
    shared = {
        "prepared": str(cohort),
        "network": config.NetworkConfig(batch_norm_momentum=0.9),
        "split": config.SplitConfig(num_train=2, num_validation=1, num_test=2),
    }
    chain, before = [], None
    for stage, steps in (("encoder", 60), ("decoder", 40), ("finetune", 150)):
        workdir = str(folder / "run" / stage)
        optimizer = config.OptimizerConfig(num_steps=steps)
        chain.append(
            config.StageConfig(
                stage, workdir=workdir, init=before, optimizer=optimizer, **shared
            )
        )
        before = workdir
    return stages.run(chain)[-1]


def test_encoder_learns_from_real_slices(run):
    rows = (run.parent / "encoder" / "metrics.csv").read_text().splitlines()
    losses = [float(row.split(",")[2]) for row in rows if ",train/pair_loss," in row]
    chance = [float(row.split(",")[2]) for row in rows if ",train/chance," in row]
    assert losses[-1] < 0.9 * chance[-1]


def test_masks_are_right_in_the_original_geometry(run, cohort, folder):
    settings = evaluate.EvaluationConfig(str(cohort), str(folder / "test"))
    evaluate.evaluate(predictor.open_predictor(str(run)), settings)
    summary = json.loads((folder / "test" / "summary.json").read_text())
    assert summary["foreground_mean"]["Dice"] > 0.6
    assert (folder / "test" / "contact_sheet.png").stat().st_size > 10_000


@pytest.mark.parametrize("number", range(len(_ORIENTATIONS)))
def test_mask_has_the_scan_s_geometry(run, folder, number):
    source = folder / "images" / f"brain{number}.nii.gz"
    output = folder / "masks"
    predict.predict_files(predictor.open_predictor(str(run)), [source], output)
    scan, mask = (sitk.ReadImage(str(p)) for p in (source, output / source.name))
    assert mask.GetSize() == scan.GetSize()
    assert mask.GetSpacing() == scan.GetSpacing()
    assert mask.GetOrigin() == scan.GetOrigin()
    assert mask.GetDirection() == scan.GetDirection()
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1, 2}
