"""How the phantom is painted and scanned: canvas, labels, noise, contrast, coil."""

import dataclasses

import numpy as np
import pytest

from dscl_tf.cohort import phantom
from dscl_tf.cohort.phantom import acquisition, anatomy
from dscl_tf.cohort.phantom.subject import GROUPS, draw_subject

RV, MYO, LV = 1, 2, 3


def make_canvas(pixel_mm=1.0):
    rng = np.random.default_rng(0)
    subject = draw_subject(rng, "NOR")
    still = np.zeros([1, 6])  # No deformation, so that places are as given.
    subject = dataclasses.replace(subject, waves=still, harmonics=np.zeros([8, 2, 3]))
    axis = np.arange(-20.0, 21.0)
    return anatomy.Canvas(subject, axis, axis, [0.5], pixel_mm)


def test_distance_to_a_circle_is_exact():
    distance = make_canvas().blob((3, -2), (5, 5), 0.0, 0)
    y, x = np.mgrid[-20:21, -20:21]
    expected = np.hypot(x - 3, y + 2) - 5
    np.testing.assert_allclose(distance[0], expected, atol=1e-4)


def test_distance_to_an_ellipse_is_zero_on_its_axes():
    distance = make_canvas().blob((0, 0), (8, 4), np.pi / 2, 0)[0]
    # Turned by a quarter: the long axis is y. Row and column 20 are the middle.
    assert distance[28, 20] == pytest.approx(0, abs=1e-4)
    assert distance[20, 24] == pytest.approx(0, abs=1e-4)
    assert distance[20, 28] == pytest.approx(4, abs=1e-4)


def test_cover_is_the_share_inside():
    cover = make_canvas(pixel_mm=2.0).cover(np.array([-5, -1, -0.5, 0, 0.5, 1, 5]))
    np.testing.assert_allclose(cover, [1, 1, 0.75, 0.5, 0.25, 0, 0])


def test_painting_mixes_by_cover():
    canvas = make_canvas()
    canvas.paint(np.ones_like(canvas.values), 0.4)
    canvas.paint(np.full_like(canvas.values, 0.25), 0.8)
    np.testing.assert_allclose(canvas.values, 0.5, rtol=1e-6)


@pytest.mark.parametrize("number", (1, 5))
def test_vessels_are_painted_as_on_the_whole_canvas(monkeypatch, number):
    subject = draw_subject(np.random.default_rng(number), GROUPS[0])
    axis = np.linspace(-150, 150, 60)
    canvases = [
        anatomy.Canvas(subject, axis, axis, np.linspace(0, 1, 5), 1.8) for _ in range(2)
    ]
    lungs = np.ones_like(canvases[0].values)
    anatomy._paint_vessels(canvases[0], lungs)
    whole = (slice(None),) * 3
    monkeypatch.setattr(anatomy.Canvas, "around", lambda self, *_: (self, whole))
    anatomy._paint_vessels(canvases[1], lungs)
    np.testing.assert_array_equal(canvases[0].values, canvases[1].values)
    is_vessel = canvases[0].values > 0.4 * subject.tissues.blood  # Lungs are darker.
    assert is_vessel.any(axis=(1, 2)).sum() >= 4


def test_nothing_is_painted_around_a_place_outside():
    canvas = make_canvas()
    part, where = canvas.around((1000.0, 0.0), 5.0)
    part.paint(np.ones_like(part.values), 0.4)
    assert part.values.size == canvas.covers[0][where].size == 0
    assert not canvas.values.any()


def test_label_is_the_majority():
    covers = np.zeros([3, 1, 1, 4], np.float32)
    covers[:, 0, 0, 0] = (0.2, 0.2, 0.2)  # Background has the most.
    covers[:, 0, 0, 1] = (0.5, 0.2, 0.0)
    covers[:, 0, 0, 2] = (0.0, 0.6, 0.4)
    covers[:, 0, 0, 3] = (0.0, 0.3, 0.7)
    np.testing.assert_array_equal(phantom._majority(covers)[0, 0], [0, RV, MYO, LV])


def scan_of(**changes):
    scan = acquisition.draw_scan(np.random.default_rng(0))
    plain = {"shape": (40, 50), "bias": np.zeros(5), "gamma": 1.0, "scale": 1000.0}
    return dataclasses.replace(scan, **{**plain, **changes})


def test_noise_is_rician():
    scan = scan_of(noise=0.05)
    rng = np.random.default_rng(1)
    image = acquisition.acquire(np.zeros([12, 40, 50]), scan, rng)
    # Without signal the magnitude is Rayleigh: its mean is sigma sqrt(pi / 2).
    assert image.mean() == pytest.approx(1000 * 0.05 * np.sqrt(np.pi / 2), rel=0.02)


def test_contrast_curve_and_texture_keep_the_tissue_s_level():
    scan = scan_of(noise=0.0, gamma=2.0)
    rng = np.random.default_rng(1)
    image = acquisition.acquire(np.full([12, 40, 50], 0.5), scan, rng)
    assert image.mean() == pytest.approx(250, rel=0.08)
    per_slice = image.std(axis=(1, 2)) / image.mean(axis=(1, 2))
    assert 0.06 < per_slice.mean() < 0.14  # Twice 5 %: gamma is 2.


def test_coil_sensitivity_grows_along_its_axis():
    field = acquisition.sensitivity(scan_of(bias=np.array([0.5, 0, 0, 0, 0])))
    assert field.shape == (40, 50)
    np.testing.assert_allclose(field[:, 0], np.exp(-0.5))
    np.testing.assert_allclose(field[:, -1], np.exp(0.5))
