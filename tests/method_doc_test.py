"""docs/method.md states the defaults of the settings."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from dscl_flags import training

from dscl_tf import config
from dscl_tf.experiments import comparison
from dscl_tf.pipeline import augmentation

TEXT = (pathlib.Path(__file__).parents[1] / "docs" / "method.md").read_text("utf-8")
ROWS = {
    cells[1].strip(): cells[2].strip()
    for line in TEXT.splitlines()
    if len(cells := line.split("|")) == 5
}
FINETUNE, VIEWS = config.FinetuneConfig(), config.ViewConfig()
CHANGES = FINETUNE.augmentation


def of_192(fraction):
    return f"{round(fraction * 192)}/192"


def span(values):
    return f"{values[0]:g} to {values[1]:g}"


@pytest.mark.parametrize(
    "row, stated",
    [
        ("crop of global views", f"of the side ({of_192(VIEWS.crop_fraction)})"),
        (
            "crop of global views",
            f"start {' to '.join(map(of_192, VIEWS.crop_start))}",
        ),
        ("elastic warp", f"of the side ({of_192(CHANGES.elastic_sigma)})"),
        ("intensity changes in fine-tuning", f"brightness ±{CHANGES.brightness:g}"),
        ("intensity changes in fine-tuning", f"contrast {span(CHANGES.contrast)}"),
        ("validation in fine-tuning", f"every {FINETUNE.validate_every} steps"),
    ],
)
def test_departures_state_the_defaults(row, stated):
    assert stated in ROWS[row]


@pytest.mark.parametrize(
    "stated",
    [
        f"BatchNorm's momentum of {config.NetworkConfig().batch_norm_momentum:g} needs",
        f"(`--position_threshold`, {config.GlobalConfig().position_threshold:g})",
        f"sides of {span(config.PretextConfig().box_fraction)} of the slice's",
        f"patches of {config.PretextConfig().patch_fraction:g} of the slice's side",
        f"α = {comparison.ADDED['mixup']['finetune.mixup.alpha']:g} is a usual value",
    ],
)
def test_the_text_states_the_defaults(stated):
    assert stated in TEXT


def test_flags_are_stated_with_their_defaults():
    assert training.GROUPS
    named = set(re.findall(r"`--(?:\[no\])?(\w+)", TEXT))
    assert len(named) >= 30
    assert not {n for n in named if not {n, n.removeprefix("no")} & set(flags.FLAGS)}
    stated = re.findall(r"`--(\w+)`(?: \w+)? \((\d[\d.]*)[:;)]", TEXT)
    assert len(stated) >= 10
    for name, value in stated:
        assert flags.FLAGS[name].default == float(value), name


def test_shares_of_changed_images():
    """One in five flipped; half warped; half of other intensities."""
    count = 2000
    ramp = np.tile(np.linspace(0, 1, 8, dtype=np.float32), (8, 1))
    image = tf.constant(np.tile(ramp, (count, 1, 1))[..., None])
    label = tf.zeros([count, 8, 8], tf.int32)
    still = {
        "rotation_deg": 0.0,
        "scale": (1.0, 1.0),
        "flip": False,
        "rotation_step_deg": 360.0,
        "elastic_sigma": 0.0,
        "brightness": 0.0,
        "contrast": (1.0, 1.0),
    }
    stated = [
        ("left-right flip", "one image in five", {"flip": True}, 0.2),
        ("elastic warp in", "probability 1/2", {"elastic_sigma": 0.2}, 0.5),
        ("intensity changes", "probability 1/2", {"brightness": 0.1}, 0.5),
    ]
    for row, words, changes, share in stated:
        settings = config.AugmentationConfig(**{**still, **changes})
        found, _ = augmentation.augment(image, label, tf.constant([0, 1]), settings, 1)
        moved = np.abs(found.numpy() - image.numpy()).max(axis=(1, 2, 3)) > 1e-4
        assert moved.mean() == pytest.approx(share, abs=0.04)
        assert any(words in ROWS[name] for name in ROWS if name.startswith(row))
