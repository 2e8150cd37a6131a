"""A mask taken to the prepared grid and back, for any geometry that a scan may have.

The bound: a grid node takes the label of a voxel whose centre is within half a voxel's
diagonal of it, and a restored voxel mixes the nodes of its grid cell, within a cell's
diagonal. So a voxel can change only where another label is nearer, in its slice, than
the two together; beyond the field of view is background.
"""

import hypothesis
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import strategies

from dscl_tf import config
from dscl_tf.cohort import geometry

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


def _there_and_back(label, spacing_mm):
    """The restored mask, through grids that cover the whole volume."""
    oriented = geometry.orient(label)
    extents = np.array(oriented.GetSize()[:2]) * oriented.GetSpacing()[:2]
    columns, rows = (int(extent / spacing_mm) + 3 for extent in extents)
    settings = config.PreprocessingConfig(
        size_px=(rows, columns), spacing_mm=spacing_mm
    )
    grid = geometry.in_plane_grid(oriented, settings)
    on_grid = geometry.labels_on_grid(label, grid)
    soft = np.eye(NUM_CLASSES, dtype=np.float32)[on_grid]
    return geometry.restore_probabilities(soft, grid, label)


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


def _check(label, spacing_mm):
    restored = _there_and_back(label, spacing_mm)
    assert restored.GetSize() == label.GetSize()
    assert restored.GetSpacing() == label.GetSpacing()
    assert restored.GetOrigin() == label.GetOrigin()
    assert restored.GetDirection() == label.GetDirection()
    voxel = np.hypot(*geometry.orient(label).GetSpacing()[:2]) / 2
    reach_mm = 1.01 * (voxel + spacing_mm * np.sqrt(2))
    truth = sitk.GetArrayFromImage(label)
    found = sitk.GetArrayFromImage(restored)
    changed = truth != found
    assert not (changed & ~_near_another_label(label, reach_mm)).any()


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(label_volumes(), strategies.floats(0.4, 4))
def test_only_borders_change(label, spacing_mm):
    _check(label, spacing_mm)


@pytest.mark.slow
@hypothesis.settings(max_examples=1000, deadline=None)
@hypothesis.given(label_volumes(), strategies.floats(0.4, 4))
def test_only_borders_change_in_many(label, spacing_mm):
    _check(label, spacing_mm)


@pytest.mark.parametrize("spacing_mm", [1.0, 1.5])
def test_dice_of_a_ball(spacing_mm):
    """A ball of 20 mm: its border band is thin, so the Dice has to be high."""
    rows, columns = np.mgrid[:48, :48]
    label = np.zeros((5, 48, 48), np.uint8)
    label[:, np.hypot(rows - 23.5, columns - 23.5) * 1.4 < 20] = 1
    image = sitk.GetImageFromArray(label)
    image.SetSpacing((1.4, 1.4, 8))
    image.SetDirection((0, 0, 1, -1, 0, 0, 0, 1, 0))
    found = sitk.GetArrayFromImage(_there_and_back(image, spacing_mm))
    dice = 2 * (found * label).sum() / (found.sum() + label.sum())
    assert dice > 0.97
