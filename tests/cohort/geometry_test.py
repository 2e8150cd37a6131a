import dataclasses
import pathlib

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import geometry, orientation
from tests.cohort import making

_OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.4).GetMatrix()
_SETTINGS = config.PreprocessingConfig(size_px=(40, 36), spacing_mm=1.3)


def ball(shape, spacing_mm, direction=None):
    """Two concentric ellipsoids, labels 1 and 2, in the middle of a volume."""
    axes = [np.linspace(-1, 1, extent) for extent in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((z / 1.2) ** 2 + ((y - 0.1) / 0.7) ** 2 + (x / 0.6) ** 2)
    values = (radius < 1).astype(np.uint8) + (radius < 0.6)
    return making.image_of(values, spacing_mm, direction)


VOLUMES = {
    "plain": ball((8, 32, 28), (1.5, 1.5, 8)),
    "anisotropic": ball((8, 24, 40), (1.0, 1.9, 8)),
    "isotropic": ball((30, 32, 28), (1.4, 1.4, 1.4)),
    "oblique": ball((8, 32, 28), (1.5, 1.5, 8), _OBLIQUE),
    "flipped": ball((8, 32, 28), (1.5, 1.5, 8), np.diag([-1, -1, 1])),
    "permuted": sitk.PermuteAxes(ball((8, 32, 28), (1.5, 1.5, 8)), [2, 0, 1]),
    "isotropic RAS": sitk.DICOMOrient(ball((30, 32, 28), (1.4, 1.4, 1.4)), "RAS"),
    "oblique SRA": sitk.DICOMOrient(ball((8, 32, 28), (1.5, 1.5, 8), _OBLIQUE), "SRA"),
}


def dice(first, second, label):
    a, b = first == label, second == label
    return 2 * (a & b).sum() / (a.sum() + b.sum())


SHORT_AXIS = sitk.Euler3DTransform((0, 0, 0), 0.9, -0.7, 0.2).GetMatrix()
# What volumes are turned to: each by itself, or as their cohort's reference.
WANTED = {
    "alone": None,
    "short axis": config.OrientationConfig(SHORT_AXIS, is_stack=True),
    "axial": config.OrientationConfig((1, 0, 0, 0, 1, 0, 0, 0, 1), is_stack=False),
    "left-handed": config.OrientationConfig((0, 0, -1, 0, 1, 0, -1, 0, 0), True),
}


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("name", VOLUMES)
def test_labels_come_back_in_the_original_geometry(name, wanted):
    original = VOLUMES[name]
    oriented = geometry.orient(original, WANTED[wanted])
    grid = geometry.in_plane_grid(oriented, _SETTINGS)
    assert grid.GetSize()[:2] == _SETTINGS.size_px[::-1]
    on_grid = geometry.labels_on_grid(original, grid)
    found = geometry.restore_probabilities(
        np.eye(3, dtype=np.float32)[on_grid], grid, original
    )
    assert found.GetPixelID() == sitk.sitkUInt8
    assert found.GetSize() == original.GetSize()
    assert found.GetSpacing() == original.GetSpacing()
    assert found.GetOrigin() == original.GetOrigin()
    assert found.GetDirection() == original.GetDirection()
    before, after = map(sitk.GetArrayFromImage, (original, found))
    # Slices across an axis that was not the slices' one are of coarse pixels.
    low = 0.9 if oriented.GetSpacing()[2] == max(original.GetSpacing()) else 0.8
    assert dice(before, after, 1) > low
    assert dice(before, after, 2) > low


@pytest.mark.parametrize("order", ["LPS", "RAS", "SRA", "PIL", "IAR"])
@pytest.mark.parametrize("direction", [np.eye(3), np.reshape(_OBLIQUE, (3, 3))])
@pytest.mark.parametrize("spacing_mm", [(1.5, 1.4, 8), (1.5, 1.4, 1.3)])
def test_axis_orders_of_one_subject_give_the_same_slices(order, direction, spacing_mm):
    image = making.image_of(making.intensities(), spacing_mm, direction)
    turned = sitk.DICOMOrient(image, order)
    settings = config.PreprocessingConfig(size_px=(16, 16), spacing_mm=1.5)
    slices = []
    for volume in (image, turned):
        oriented = geometry.orient(volume)
        grid = geometry.in_plane_grid(oriented, settings)
        slices.append(sitk.GetArrayFromImage(geometry.to_grid(oriented, grid)))
    assert slices[0].shape == (5, 16, 16)
    np.testing.assert_allclose(slices[0], slices[1], atol=0.01)


@pytest.mark.parametrize(
    ("spacing_mm", "expected"),
    [
        ((1.5, 1.5, 8), "LPS"),  # Axial slices.
        ((1.5, 8, 1.5), "LSP"),  # Coronal ones stay coronal: their axis comes last.
        ((8, 1.5, 1.5), "PSL"),  # Sagittal.
        ((1, 1, 1), "LPS"),
        ((1, 1.5, 1), "LPS"),  # Not yet a stack.
    ],
)
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_the_acquired_slices_are_kept(spacing_mm, expected, signs):
    image = making.image_of(making.intensities(), spacing_mm, np.diag(signs))
    found = orientation.code_of_one(image.GetDirection(), spacing_mm)
    assert found == expected


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("across", [0, 1, 2], ids=["sagittal", "coronal", "axial"])
@pytest.mark.parametrize("thickness_mm", [0.5, 2, 3, 8])
def test_one_slice_stays_one(across, thickness_mm, wanted):
    shape, spacing_mm = [24, 28, 32], [2, 2, 2]
    shape[2 - across], spacing_mm[across] = 1, thickness_mm
    label = np.zeros(shape, np.uint8)
    np.squeeze(label)[6:18, 5:15] = 1
    original = making.image_of(label, spacing_mm)
    oriented = geometry.orient(original, WANTED[wanted])
    assert oriented.GetSize()[2] == 1
    settings = config.PreprocessingConfig(size_px=(72, 72), spacing_mm=1.0)
    grid = geometry.in_plane_grid(oriented, settings)
    on_grid = geometry.labels_on_grid(original, grid)
    found = geometry.restore_probabilities(
        np.eye(2, dtype=np.float32)[on_grid], grid, original
    )
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), label)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize(
    "direction", [np.diag([-1, 1, 1]), np.reshape(_OBLIQUE, (3, 3))]
)
def test_orienting_moves_no_voxel(direction, wanted):
    image = making.image_of(making.intensities(), (8, 1.5, 1.5), direction)
    oriented = geometry.orient(image, WANTED[wanted])
    for index in ((0, 0, 0), (11, 3, 4), (5, 13, 2)):
        place = image.TransformIndexToPhysicalPoint(index)
        there = oriented.TransformPhysicalPointToIndex(place)
        assert oriented[there] == image[index]


def test_grid_is_centred_in_plane_and_keeps_slices():
    oriented = making.image_of(making.labels(), (2, 3, 8), origin=(10, 20, 30))
    settings = config.PreprocessingConfig(size_px=(4, 6), spacing_mm=1.0)
    grid = geometry.in_plane_grid(oriented, settings)
    assert grid.GetSize() == (6, 4, 5)
    assert grid.GetSpacing() == (1, 1, 8)
    # The middle of 12 columns of 2 mm from 10 mm on is at 21; of 14 rows, at 39.5. So
    # the first row, of 3 mm, is the sixth; the first column is 4.25, and becomes 4.
    assert grid.GetOrigin() == pytest.approx((18, 39.5 - 1.5, 30))
    before = dataclasses.replace(settings, on_voxels=False)
    grid = geometry.in_plane_grid(oriented, before)
    assert grid.GetOrigin() == pytest.approx((21 - 2.5, 39.5 - 1.5, 30))


@pytest.mark.parametrize("direction", [np.eye(3), np.reshape(_OBLIQUE, (3, 3))])
@pytest.mark.parametrize("shape", [(3, 31, 33), (3, 30, 32), (3, 31, 32)])
def test_at_the_scan_s_own_spacing_slices_are_its_voxels(shape, direction):
    """Else an image lay half a voxel beside its label where parities differ."""
    rng = np.random.default_rng(0)
    label = making.image_of(rng.integers(0, 3, shape).astype(np.uint8), (1.4, 1.4, 8))
    label.SetDirection(np.ravel(direction).tolist())
    settings = config.PreprocessingConfig(size_px=(32, 32), spacing_mm=1.4)
    grid = geometry.in_plane_grid(geometry.orient(label), settings)
    on_grid = geometry.labels_on_grid(label, grid)
    image = geometry.to_grid(sitk.Cast(geometry.orient(label), sitk.sitkFloat32), grid)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), on_grid, atol=1e-4)
    soft = np.eye(3, dtype=np.float32)[on_grid]
    found = sitk.GetArrayFromImage(geometry.restore_probabilities(soft, grid, label))
    covered = np.s_[:, :31, :32]  # 33 columns do not fit into 32 pixels.
    np.testing.assert_array_equal(
        found[covered], sitk.GetArrayFromImage(label)[covered]
    )


@pytest.mark.parametrize("spacing_mm", [2.0, 1.9995, 1.0, 3.0])
def test_labels_lie_where_their_images_do(spacing_mm):
    settings = config.PreprocessingConfig(size_px=(64, 64), spacing_mm=spacing_mm)
    rows, columns = np.mgrid[:64, :65]
    shifts_mm = []
    for row, column in np.random.default_rng(0).uniform(20, 44, (20, 2)):
        disc = np.hypot(rows - row, columns - column) < 12
        label = making.image_of(disc[None].astype(np.uint8), (1, 1, 8))
        label.SetOrigin((0, 0, 0))
        grid = geometry.in_plane_grid(label, settings)
        found = np.nonzero(geometry.labels_on_grid(label, grid)[0])
        middle = np.mean(found, axis=1)[::-1] * spacing_mm + grid.GetOrigin()[:2]
        shifts_mm.append(middle - (column, row))
    # Of a single disc borders fall to either side. Where all nodes lay between two
    # voxels, all borders moved by half a voxel to the same side.
    assert np.abs(np.mean(shifts_mm, axis=0)).max() < 0.1


def test_values_between_pixels_by_hand():
    values = np.array([[[0, 10], [20, 30]]], np.float32)
    image = making.image_of(values, (2, 2, 2), origin=(0, 0, 0))
    settings = config.PreprocessingConfig((1, 7), 0.8, on_voxels=False)
    grid = geometry.in_plane_grid(image, settings)
    found = sitk.GetArrayFromImage(geometry.to_grid(image, grid))
    # At x = -1.4, -0.6, ..., 3.4 and y = 1; pixels reach from x = -1 to 3.
    expected = [0, 10, 11, 15, 19, 20, 0]
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-5)


def test_outside_of_the_grid_is_background():
    original = making.image_of(np.ones((2, 10, 10), np.uint8), (1, 1, 8))
    settings = config.PreprocessingConfig(size_px=(4, 6), spacing_mm=1.0)
    grid = geometry.in_plane_grid(original, settings)
    sure = np.zeros((2, 4, 6, 2), np.float32)
    sure[..., 1] = 1
    found = geometry.restore_probabilities(sure, grid, original)
    expected = np.zeros((2, 10, 10))
    expected[:, 3:7, 2:8] = 1
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), expected)


def test_soft_maps_are_resampled_not_labels():
    original = making.image_of(np.zeros((1, 1, 4), np.uint8), (1, 1, 8))
    settings = config.PreprocessingConfig((1, 2), 2.0, on_voxels=False)
    grid = geometry.in_plane_grid(original, settings)
    ones = np.array([1.0, 0.3], np.float32)
    soft = np.stack([1 - ones, ones], -1)[None, None]
    found = geometry.restore_probabilities(soft, grid, original)
    # Between the centres 0.825 and 0.475; the label would change half-way instead.
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found)[0, 0], [1, 1, 0, 0])
    ones[1] = 0.4
    soft = np.stack([1 - ones, ones], -1)[None, None]
    found = geometry.restore_probabilities(soft, grid, original)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found)[0, 0], [1, 1, 1, 0])


def test_nodes_half_a_voxel_outside_are_background_or_the_border():
    """ITK's own resampling gave any number there (found by the property tests)."""
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0.001, 0).GetMatrix()
    direction = np.reshape(turn, (3, 3))[:, [0, 2, 1]] * [-1, 1, -1]
    label = sitk.GetImageFromArray(np.full((1, 1, 1), 2, np.uint8))
    label.SetSpacing((1, 2, 1))
    label.SetDirection(direction.ravel().tolist())
    settings = config.PreprocessingConfig(size_px=(4, 4), spacing_mm=1.0)
    grid = geometry.in_plane_grid(geometry.orient(label), settings)
    found = geometry.labels_on_grid(label, grid)
    assert found.shape == (1, 4, 4) and set(np.unique(found)) == {0, 2}
    assert (found[0, [0, -1]] == 0).all() and (found[0, :, [0, -1]] == 0).all()
    assert (found == 2).any()


def test_mask_ends_where_the_grid_ends_exactly_half_a_voxel_off():
    # Columns at 0 to 4 mm; two nodes at 1 and 3 mm, whose voxels reach from 0 to 4.
    original = making.image_of(np.zeros((1, 1, 5), np.uint8), (1, 1, 1))
    original.SetOrigin((0, 0, 0))
    grid = making.image_of(np.zeros((1, 1, 2), np.uint8), (2, 1, 1))
    grid.SetOrigin((1, 0, 0))
    everywhere = np.zeros((1, 1, 2, 2), np.float32)
    everywhere[..., 1] = 1
    mask = geometry.restore_probabilities(everywhere, grid, original)
    # Of two equally near ones the upper counts: 0 mm belongs to the first node, 4 mm to
    # the one after the last.
    assert sitk.GetArrayFromImage(mask).ravel().tolist() == [1, 1, 1, 1, 0]


def test_no_interpolation_to_the_nearest_by_itk():
    # It was seen to read memory that is not the image's (`labels_on_grid`).
    root = pathlib.Path(geometry.__file__).parents[1]
    users = [p for p in root.rglob("*.py") if "sitkNearestNeighbor" in p.read_text()]
    assert not users
