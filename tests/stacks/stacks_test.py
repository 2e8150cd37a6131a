"""What one stack of TensorFlow and Keras wrote, the other reads."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.inference import predictor
from tests.stacks import making

FOLDERS = sorted(making.ROOT.glob("tf-*"))


def test_there_are_two():
    assert [folder.name for folder in FOLDERS] == ["tf-2.15.1", "tf-2.21.0"]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def made(request, tmp_path):
    """A copy, and what it gave where it was made."""
    folder = tmp_path / request.param.name
    shutil.copytree(request.param, folder)
    with np.load(folder / "expected.npz") as content:
        return folder, dict(content)


@pytest.mark.parametrize("kind", ["run", "export"])
def test_it_predicts_the_same(made, kind):
    folder, expected = made
    opened = predictor.open_predictor(folder / kind)
    found = opened.probabilities(making.some_slices())
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-5)
    assert opened.label_names == making.LABELS


def test_its_weights_and_its_optimizer_are_read(made):
    folder, expected = made
    expected.pop("probabilities")
    model = making.new_model()
    optimizer = making.new_optimizer(model)
    assert making.opened(folder / "run", model, optimizer).restore() == making.STEP
    found = making.state_of(model, optimizer)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)


@pytest.mark.skipif(
    tf.__version__.startswith("2.15"), reason="its Keras is of version 2 itself"
)
def test_keras_3_that_came_first_is_named():
    script = "import tensorflow as tf; tf.keras.Model; import dscl_tf.networks"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "expected Keras 2: import dscl_tf before" in done.stderr
