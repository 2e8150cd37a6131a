"""A mask taken to the prepared grid and back, for any geometry that a scan may have.

The bound: a grid node takes the label of a voxel whose centre is within half a voxel's
diagonal of it, and a restored voxel mixes the nodes of its grid cell, within a cell's
diagonal. So a voxel can change only where another label is nearer, in its slice, than
the two together; beyond the field of view, and beyond the grid, is background.
"""

import hypothesis
import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf
from hypothesis import strategies

from dscl_tf import config
from dscl_tf.cohort import geometry
from dscl_tf.inference import predictor

NUM_CLASSES = 3


@strategies.composite
def label_volumes(draw):
    """Two blobs in a volume of any size, spacing, origin and direction."""
    size = [draw(strategies.integers(1, 22)) for _ in range(3)]
    rng = np.random.default_rng(draw(strategies.integers(0, 2**32)))
    points = np.stack(np.meshgrid(*map(np.arange, size[::-1]), indexing="ij"), -1)
    label = np.zeros(size[::-1], np.uint8)
    for value in range(1, NUM_CLASSES):
        center, radius = rng.uniform(0, size[::-1]), rng.uniform(2, 9)
        label[np.linalg.norm(points - center, axis=-1) < radius] = value
    image = sitk.GetImageFromArray(label)
    image.SetSpacing([draw(strategies.floats(0.4, 8)) for _ in range(3)])
    image.SetOrigin([draw(strategies.floats(-300, 300)) for _ in range(3)])
    # Whole thousandths: ITK cannot invert directions with denormal numbers in them.
    angles = [draw(strategies.integers(-700, 700)) / 1000 for _ in range(3)]
    turn = np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix(), (3, 3))
    axes = np.eye(3)[:, draw(strategies.permutations(range(3)))]
    signs = [draw(strategies.sampled_from([-1, 1])) for _ in range(3)]
    image.SetDirection((turn @ (axes * signs)).ravel().tolist())
    return image


def _settings(label, spacing_mm, covered):
    """Of a grid that covers a fraction of the volume in-plane, or all with a margin."""
    oriented = geometry.orient(label)
    extents = np.array(oriented.GetSize()[:2]) * oriented.GetSpacing()[:2]
    columns, rows = (int(covered * extent / spacing_mm) + 3 for extent in extents)
    return config.PreprocessingConfig(
        size_px=(rows, columns),
        spacing_mm=spacing_mm,
        percentiles=(0, 100),
        bias_correction=False,
    )


def _there_and_back(label, settings):
    """The label volume of prepared labels."""
    grid = geometry.in_plane_grid(geometry.orient(label), settings)
    on_grid = geometry.labels_on_grid(label, grid)
    soft = np.eye(NUM_CLASSES, dtype=np.float32)[on_grid]
    return geometry.restore_probabilities(soft, grid, label)


def _segmented(label, settings):
    """The mask of an image whose intensities tell the labels, by thresholds."""

    def thresholds(batch):
        number = np.rint(2 * np.clip(batch.numpy()[..., 0], 0, 1)).astype(int)
        return {"probabilities": tf.constant(np.eye(3, dtype=np.float32)[number])}

    names = ("background", "one", "two")
    segmenter = predictor.Predictor(thresholds, settings, names, "id")
    return segmenter.segment(sitk.Cast(label, sitk.sitkFloat32))


def _grid_index(label, settings):
    """Continuous in-plane index on the grid of each voxel: [Q, rows, columns, 2]."""
    grid = geometry.in_plane_grid(geometry.orient(label), settings)
    extents = label.GetSize()
    index = np.stack(np.meshgrid(*map(np.arange, extents), indexing="ij"), -1)
    axes = np.reshape(label.GetDirection(), (3, 3)) * label.GetSpacing()
    place = index @ axes.T + label.GetOrigin() - grid.GetOrigin()
    turned = place @ np.reshape(grid.GetDirection(), (3, 3)) / grid.GetSpacing()
    return turned[..., :2].transpose(2, 1, 0, 3)


def _near_another_label(label, reach_mm):
    """Where another label's voxel centre is within reach in the slice: bool."""
    oriented = geometry.orient(label)
    values = sitk.GetArrayFromImage(oriented)
    dx, dy = oriented.GetSpacing()[:2]
    near = np.zeros(values.shape, bool)
    rows, columns = int(reach_mm / dy), int(reach_mm / dx)
    # Beyond the field of view is background, for nodes that lie there.
    padded = np.pad(values, ((0, 0), (rows, rows), (columns, columns)))
    for i in range(-rows, rows + 1):
        for j in range(-columns, columns + 1):
            if np.hypot(i * dy, j * dx) <= reach_mm:
                top, left = rows + i, columns + j
                other = padded[
                    :, top : top + values.shape[1], left : left + values.shape[2]
                ]
                near |= other != values
    image = sitk.GetImageFromArray(near.astype(np.uint8))
    image.CopyInformation(oriented)
    back = sitk.Resample(image, label, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(back) > 0


def _check(label, restored, settings):
    assert restored.GetSize() == label.GetSize()
    assert restored.GetSpacing() == label.GetSpacing()
    assert restored.GetOrigin() == label.GetOrigin()
    assert restored.GetDirection() == label.GetDirection()
    voxel = np.hypot(*geometry.orient(label).GetSpacing()[:2]) / 2
    reach_mm = 1.01 * (voxel + settings.spacing_mm * np.sqrt(2))
    found = sitk.GetArrayFromImage(restored)
    index = _grid_index(label, settings)
    # From the centres of the outermost pixels; ties are left out.
    beyond = np.abs(index - (np.array(settings.size_px[::-1]) - 1) / 2)
    half = np.array(settings.size_px[::-1]) / 2
    assert not found[(beyond > half + 1e-4).any(-1)].any()
    within = (beyond < half - 1e-4).all(-1)
    changed = within & (sitk.GetArrayFromImage(label) != found)
    assert not (changed & ~_near_another_label(label, reach_mm)).any()


GEOMETRIES = (
    label_volumes(),
    strategies.floats(0.4, 4),
    strategies.sampled_from([0.3, 0.7, 1.0]),
)


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(*GEOMETRIES)
def test_only_borders_change(label, spacing_mm, covered):
    settings = _settings(label, spacing_mm, covered)
    _check(label, _there_and_back(label, settings), settings)


@pytest.mark.slow
@hypothesis.settings(max_examples=1000, deadline=None)
@hypothesis.given(*GEOMETRIES)
def test_only_borders_change_in_many(label, spacing_mm, covered):
    settings = _settings(label, spacing_mm, covered)
    _check(label, _there_and_back(label, settings), settings)


def _check_segmented(label, spacing_mm):
    values = sitk.GetArrayViewFromImage(label)
    hypothesis.assume(values.min() == 0 and values.max() == NUM_CLASSES - 1)
    settings = _settings(label, spacing_mm, covered=1.2)
    restored = _segmented(label, settings)
    _check(label, restored, settings)


@hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
@hypothesis.given(label_volumes(), strategies.floats(0.4, 4))
def test_segmenting_an_image_changes_only_borders(label, spacing_mm):
    _check_segmented(label, spacing_mm)


@pytest.mark.slow
@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(label_volumes(), strategies.floats(0.4, 4))
def test_segmenting_many_images_changes_only_borders(label, spacing_mm):
    _check_segmented(label, spacing_mm)


@pytest.mark.parametrize("size", [(900, 700, 2), (1, 1, 5), (3, 512, 1)])
def test_huge_and_tiny_slices(size):
    """Of other sizes than the random ones have; the grid covers and does not."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, NUM_CLASSES, (size[2], 9, 9)).astype(np.uint8)
    rows, columns = (np.arange(extent) * 9 // extent for extent in size[1::-1])
    label = sitk.GetImageFromArray(coarse[:, rows][:, :, columns])
    label.SetSpacing((0.7, 0.7, 5.0))
    label.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    for covered in (0.5, 1.0):
        settings = _settings(label, 1.3, covered)
        _check(label, _there_and_back(label, settings), settings)


@pytest.mark.parametrize("spacing_mm", [1.0, 1.5])
def test_dice_of_a_ball(spacing_mm):
    """A ball of 20 mm: its border band is thin, so the Dice has to be high."""
    rows, columns = np.mgrid[:48, :48]
    label = np.zeros((5, 48, 48), np.uint8)
    label[:, np.hypot(rows - 23.5, columns - 23.5) * 1.4 < 20] = 1
    image = sitk.GetImageFromArray(label)
    image.SetSpacing((1.4, 1.4, 8))
    image.SetDirection((0, 0, 1, -1, 0, 0, 0, 1, 0))
    restored = _there_and_back(image, _settings(image, spacing_mm, 1.0))
    found = sitk.GetArrayFromImage(restored)
    dice = 2 * (found * label).sum() / (found.sum() + label.sum())
    assert dice > 0.97
