"""An export is whole, needs nothing of the project, and equals its run."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.inference import export, predictor
from dscl_tf.training import run_folder


def test_loads_without_the_project(export_folder, tmp_path):
    image = np.linspace(-0.2, 1.2, 2 * 32 * 24, dtype=np.float32)
    np.save(tmp_path / "image.npy", image.reshape(2, 32, 24, 1))
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(export_folder)!r})\n"
        "serve = loaded.signatures['serving_default']\n"
        f"image = np.load({str(tmp_path / 'image.npy')!r})\n"
        "result = serve(image=tf.constant(image))['probabilities'].numpy()\n"
        f"np.save({str(tmp_path / 'result.npy')!r}, result)\n"
        "assert not [name for name in sys.modules if name.startswith('dscl')]\n"
        "assert loaded.settings.asset_path.numpy().endswith(b'dscl_tf.json')\n"
    )
    # -I: neither the working folder nor the environment offers the project.
    subprocess.run([sys.executable, "-I", "-c", script], check=True, cwd=tmp_path)
    result = np.load(tmp_path / "result.npy")
    assert result.dtype == np.float32 and result.shape == (2, 32, 24, 3)
    expected = (image >= 0.25).astype(int) + (image >= 0.75)
    np.testing.assert_array_equal(result.argmax(-1).ravel(), expected)
    np.testing.assert_allclose(result.sum(-1), 1, rtol=1e-6)


def test_settings_travel_inside(export_folder, segmenter):
    content = json.loads((export_folder / "assets" / "dscl_tf.json").read_text())
    assert content["label_names"] == ["background", "low", "high"]
    assert content["preprocessing"]["size_px"] == [32, 24]
    opened = predictor.open_predictor(export_folder)
    assert opened.settings == segmenter.preprocessing
    assert opened.label_names == segmenter.label_names
    assert opened.runs == ()


def test_orientation_travels_inside(segmenter, replace, tmp_path):
    orientation = config.OrientationConfig((0.0, 1.0, 0.0) * 3, is_stack=True)
    settings = dataclasses.replace(segmenter.preprocessing, orientation=orientation)
    export.export_model(replace(segmenter, preprocessing=settings), tmp_path / "out")
    opened = predictor.open_predictor(tmp_path / "out")
    assert opened.settings.orientation == orientation
    # Without one an export says what it said before there were any.
    content = predictor.settings_of(segmenter)
    assert "orientation" not in content["preprocessing"]


def test_equals_the_run_whatever_its_precision(mixed_run, slices, tmp_path):
    folder, trained = mixed_run
    export.export_model(run_folder.load_segmenter(folder), tmp_path / "export")
    exported = predictor.open_predictor(tmp_path / "export")
    of_run = predictor.open_predictor(folder)
    assert exported.model_id == of_run.model_id
    assert (of_run.runs, exported.runs) == ((folder,), ())
    found = exported.probabilities(slices)
    np.testing.assert_array_equal(found, of_run.probabilities(slices))
    # The network as it trained, in 16 bits, differs, but only by rounding.
    coarse = tf.nn.softmax(trained(slices[..., None], training=False)).numpy()
    assert 0 < np.abs(found - coarse).max() < 0.1


def test_same_export_is_left_alone(export_folder, segmenter):
    before = (export_folder / "saved_model.pb").stat().st_mtime_ns
    assert not export.export_model(segmenter, export_folder)
    assert (export_folder / "saved_model.pb").stat().st_mtime_ns == before


def test_other_export_needs_overwrite(segmenter, replace, tmp_path):
    folder = tmp_path / "export"
    assert export.export_model(segmenter, folder)
    other = replace(segmenter, label_names=("background", "a", "b"))
    with pytest.raises(errors.UserError, match="--overwrite"):
        export.export_model(other, folder)
    assert export.export_model(other, folder, overwrite=True)
    assert predictor.open_predictor(folder).label_names == ("background", "a", "b")
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]


def test_the_export_before_is_put_back_if_the_new_one_cannot_be_put_in_place(
    segmenter, replace, tmp_path, monkeypatch
):
    folder = tmp_path / "export"
    export.export_model(segmenter, folder)
    put = os.replace

    def interrupted(source, target):
        if pathlib.Path(source).name == "export" and target == folder:
            raise KeyboardInterrupt
        put(source, target)

    monkeypatch.setattr(export.os, "replace", interrupted)
    other = replace(segmenter, label_names=("background", "a", "b"))
    with pytest.raises(KeyboardInterrupt):
        export.export_model(other, folder, overwrite=True)
    assert predictor.open_predictor(folder).label_names == segmenter.label_names
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]


def test_never_replaces_other_files(segmenter, tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(errors.UserError, match="choose a new folder"):
        export.export_model(segmenter, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years"
    with pytest.raises(errors.UserError, match="is a file"):
        export.export_model(segmenter, tmp_path / "thesis.txt")
    with pytest.raises(errors.UserError, match=r"Cannot write .*Not a directory"):
        export.export_model(segmenter, tmp_path / "thesis.txt" / "export")


def test_nothing_stays_of_a_failed_export(segmenter, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(errors.UserError, match="No space left"):
        export.export_model(segmenter, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_files_within_an_export_are_not_lost_with_it(segmenter, replace, tmp_path):
    folder = tmp_path / "export"
    export.export_model(segmenter, folder)
    (folder / "masks").mkdir()
    (folder / "masks" / "p1.nii.gz").write_text("mine")
    other = replace(segmenter, label_names=("background", "a", "b"))
    with pytest.raises(errors.UserError, match=r"has 1 entries .* such as masks"):
        export.export_model(other, folder, overwrite=True)
    assert (folder / "masks" / "p1.nii.gz").read_text() == "mine"
    # The same export is there whatever lies beside it.
    assert not export.export_model(segmenter, folder)
