"""Runs the examples of docs/python.md, one after the other, as a reader would."""

import pathlib
import re

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import stages
from tests import weights

DOC = pathlib.Path(__file__).parents[1] / "docs" / "python.md"
_STEPS = "num_steps=1000"
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def beside(tiny_folder, make_stage, tmp_path_factory):
    """A folder with what the page says is there: a cohort, a run and a scan."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "prepared").symlink_to(tiny_folder)
    work = folder / "runs" / "mine"
    init, chain = None, []
    for stage in ("encoder", "decoder", "finetune"):
        chain.append(make_stage(stage, work / stage, num_steps=2, init=init))
        init = str(work / stage)
    stages.run(chain)
    values = np.random.default_rng(0).integers(0, 900, (5, 18, 17))
    scan = sitk.GetImageFromArray(values.astype(np.int16))  # As most scans are.
    scan.SetSpacing((1.5, 2.0, 8.0))
    scan.SetOrigin((3.0, -20.0, 7.0))
    scan.SetDirection(TURNED)
    sitk.WriteImage(scan, str(folder / "scan.nii.gz"))
    return folder


@pytest.fixture(scope="module")
def examples(beside):
    """The names that a reader has in the end; the U-Net's weights after each example.

    Those are None before there is one.
    """
    found = re.findall(r"^```python\n(.*?)^```", DOC.read_text("utf-8"), re.M | re.S)
    assert sum(code.count(_STEPS) for code in found) == 1
    names, unets = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(beside)
        for number, code in enumerate(found):
            # A file of its own, where AutoGraph finds the source of a function.
            script = pathlib.Path(f"example_{number}.py").resolve()
            script.write_text(code.replace(_STEPS, "num_steps=3"))
            exec(compile(script.read_text(), str(script), "exec"), names)
            unets.append(names["unet"].get_weights() if "unet" in names else None)
    return names, unets


def test_a_mask_lies_on_its_scan(examples):
    names, _ = examples
    scan, mask = names["scan"], names["mask"]
    assert mask.GetSize() == scan.GetSize()
    assert mask.GetSpacing() == scan.GetSpacing()
    assert mask.GetOrigin() == scan.GetOrigin() == (3.0, -20.0, 7.0)
    assert mask.GetDirection() == scan.GetDirection() == TURNED
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert names["structures"] == {0: "background", 1: "disc"}


def test_probabilities_are_of_the_slices(examples):
    names, _ = examples
    sums = names["probabilities"].sum(axis=-1)
    assert sums.shape == names["truth"].shape
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    assert 0 < names["agreement"] < 1


def test_what_the_decoder_stage_learned_is_taken_over_and_then_trained(
    examples, beside
):
    _, unets = examples
    taken, trained = [each for each in unets if each is not None][:2]
    of_run = weights.weights_of(beside / "runs" / "mine" / "decoder")
    kernels = [it for name, it in of_run.items() if "encoder/" in name and it.ndim == 4]
    assert kernels
    for kernel in kernels:
        assert any(np.array_equal(kernel, each) for each in taken)
        assert not any(np.array_equal(kernel, each) for each in trained)


def test_a_network_of_ones_own_is_trained_on_the_batches(examples):
    names, _ = examples
    assert names["optimizer"].iterations.numpy() == 3
    assert 0 < float(names["loss"]) < np.inf


def test_losses_read_the_ids(examples):
    names, _ = examples
    found = [float(names[name]) for name in ("slices_apart", "anatomy", "places")]
    assert np.isfinite(found).all()
    assert min(found) > 0
    assert len(set(found)) == 3
