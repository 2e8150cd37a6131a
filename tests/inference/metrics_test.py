"""Each expectation is worked out by hand from the drawing above it."""

import itertools
import math

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf.inference import metrics

SPACING_MM = (2.0, 3.0, 5.0)  # x (columns), y (rows), z (slices).


def _volume(slices, spacing_mm=SPACING_MM):
    """A label volume from one string per slice, its rows separated by blanks."""
    rows = [[[int(c) for c in row] for row in text.split()] for text in slices]
    image = sitk.GetImageFromArray(np.array(rows, np.uint8))
    image.SetSpacing(spacing_mm)
    return image


def test_overlap_counts():
    truth = _volume(["1100 1100 0002"])
    prediction = _volume(["0110 0110 0002"])
    found = metrics.structure_metrics(truth, prediction, 1)
    assert (found.tp, found.fp, found.fn, found.tn) == (2, 2, 2, 6)
    assert (found.n_pred, found.n_ref) == (4, 4)
    assert found.dice == 0.5  # 4 / 8
    assert found.iou == pytest.approx(1 / 3)
    assert found.status == "found"


def test_volumes_in_ml():
    # Voxels of 2 x 3 x 5 = 30 mm3: 4 of the truth, 1 of the prediction.
    truth, prediction = _volume(["1100 1100"]), _volume(["0000 0100"])
    found = metrics.structure_metrics(truth, prediction, 1)
    assert found.volume_ref_ml == pytest.approx(0.12)
    assert found.volume_pred_ml == pytest.approx(0.03)
    assert found.volume_difference_ml == pytest.approx(-0.09)
    absent = metrics.structure_metrics(truth, prediction, 2)
    assert (absent.volume_ref_ml, absent.volume_difference_ml) == (None, None)
    missed = metrics.structure_metrics(truth, _volume(["0000 0000"]), 1)
    assert missed.volume_pred_ml == 0
    assert missed.volume_difference_ml == pytest.approx(-0.12)


def test_identical_masks():
    truth = _volume(["000 010 000", "010 111 010", "000 010 000"])
    found = metrics.structure_metrics(truth, truth, 1)
    assert (found.dice, found.iou) == (1, 1)
    assert found.hd95_mm == pytest.approx(0, abs=1e-5)
    assert found.assd_mm == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "prediction, expected_mm",
    [
        (["0100 0000 0000", "0000 0000 0000"], 2),  # One column further.
        (["0000 1000 0000", "0000 0000 0000"], 3),  # One row.
        (["0000 0000 0000", "1000 0000 0000"], 5),  # One slice.
        (["0000 0000 0000", "0000 0100 0000"], math.sqrt(4 + 9 + 25)),
    ],
)
def test_spacing_goes_to_its_axis(prediction, expected_mm):
    truth = _volume(["1000 0000 0000", "0000 0000 0000"])
    found = metrics.structure_metrics(truth, _volume(prediction), 1)
    assert found.hd95_mm == pytest.approx(expected_mm, rel=1e-6)
    assert found.assd_mm == pytest.approx(expected_mm, rel=1e-6)


def test_directed_distances_differ():
    # From the truth's voxel to the prediction 0; back 0, 2, 4, 6 mm.
    truth = _volume(["10000 00000"])
    prediction = _volume(["11110 00000"])
    found = metrics.structure_metrics(truth, prediction, 1)
    # Rank 0.95 x 3 = 2.85 of (0, 2, 4, 6): 4 + 0.85 x 2.
    assert found.hd95_mm == pytest.approx(5.7, rel=1e-6)
    assert found.assd_mm == pytest.approx((0 + 0 + 2 + 4 + 6) / 5, rel=1e-6)
    swapped = metrics.structure_metrics(prediction, truth, 1)
    assert swapped.hd95_mm == pytest.approx(5.7, rel=1e-6)


def test_single_slice_has_an_outline_only():
    # The truth's centre is no surface: 8 voxels. The prediction is that centre.
    truth = _volume(["00000 01110 01110 01110 00000"], (1.0, 1.0, 8.0))
    prediction = _volume(["00000 00000 00100 00000 00000"], (1.0, 1.0, 8.0))
    found = metrics.structure_metrics(truth, prediction, 1)
    diagonal = math.sqrt(2)
    assert found.assd_mm == pytest.approx((4 * 1 + 4 * diagonal + 1) / 9, rel=1e-6)
    assert found.hd95_mm == pytest.approx(diagonal, rel=1e-6)


def test_last_slice_of_a_stack_is_surface():
    # In two slices, all voxels touch what lies beyond the stack; the centre of the
    # first counts now, at distance 0.
    square = "00000 01110 01110 01110 00000"
    truth = _volume([square, "0" * 5 + " 00000" * 4], (1.0, 1.0, 8.0))
    prediction = _volume(
        ["00000 00000 00100 00000 00000", "0" * 5 + " 00000" * 4], (1.0, 1.0, 8.0)
    )
    found = metrics.structure_metrics(truth, prediction, 1)
    expected = (4 * 1 + 4 * math.sqrt(2) + 0 + 0) / 10
    assert found.assd_mm == pytest.approx(expected, rel=1e-6)


def test_mask_at_the_border_of_the_image():
    # All 4 voxels of the truth lie on its surface, the image's border included.
    truth = _volume(["11 11"], (1.0, 1.0, 1.0))
    prediction = _volume(["10 00"], (1.0, 1.0, 1.0))
    found = metrics.structure_metrics(truth, prediction, 1)
    assert found.assd_mm == pytest.approx((0 + 0 + 1 + 1 + math.sqrt(2)) / 5, rel=1e-6)


def test_far_apart_in_a_large_volume():
    truth, prediction = (np.zeros((20, 50, 40), np.uint8) for _ in range(2))
    truth[3, 5, 7] = 4
    prediction[13, 45, 37] = 4
    images = [sitk.GetImageFromArray(array) for array in (truth, prediction)]
    for image in images:
        image.SetSpacing(SPACING_MM)
        image.SetDirection([0, 1, 0, 1, 0, 0, 0, 0, -1])
    found = metrics.structure_metrics(*images, 4)
    expected = math.sqrt((30 * 2) ** 2 + (40 * 3) ** 2 + (10 * 5) ** 2)
    assert found.hd95_mm == pytest.approx(expected, rel=1e-6)


def test_empty_masks_rule():
    empty, full = _volume(["00 00"]), _volume(["11 00"])
    neither = metrics.structure_metrics(empty, empty, 1)
    assert neither.status == "not_applicable"
    assert (neither.dice, neither.iou) == (None, None)
    assert (neither.hd95_mm, neither.assd_mm) == (None, None)
    missed = metrics.structure_metrics(full, empty, 1)
    assert (missed.status, missed.dice, missed.hd95_mm) == ("missed", 0, math.inf)
    spurious = metrics.structure_metrics(empty, full, 1)
    assert (spurious.status, spurious.iou, spurious.assd_mm) == (
        "spurious",
        0,
        math.inf,
    )

    assert (neither.nsd, missed.nsd) == (None, None)  # No tolerance was given.


def test_surface_dice_of_empty_masks():
    empty, full = _volume(["00 00"]), _volume(["11 00"])
    assert metrics.structure_metrics(empty, empty, 1, 2.0).nsd is None
    assert metrics.structure_metrics(full, empty, 1, 2.0).nsd == 0
    assert metrics.structure_metrics(empty, full, 1, 2.0).nsd == 0


@pytest.mark.parametrize(
    "axis, tolerance_mm, expected",
    [
        (2, 0, 32 / 52),
        (2, 1.9, 32 / 52),
        (2, 2, 1),
        (0, 1.9, 32 / 52),
        (0, 2, 34 / 52),
        (0, 4.9, 34 / 52),
        (0, 5, 1),
    ],
)
def test_surface_dice_of_shifted_cubes(axis, tolerance_mm, expected):
    # Cubes of 3 x 3 x 3 voxels, one column (2 mm) or slice (5 mm) apart: all voxels but
    # the middle one are surface, 26 of each. Of a cube's three layers along the shift
    # the outermost, 9 voxels, is one step from the other cube. The middle layer has 8
    # voxels on the other's face (0 mm). The third has 8 on the other's middle layer (0
    # mm), and its centre is 2 mm from surface: the face's, or the middle layer's.
    truth, prediction = (np.zeros((6, 6, 6), np.uint8) for _ in range(2))
    truth[1:4, 1:4, 1:4] = 1
    prediction[1:4, 1:4, 1:4] = 1
    prediction = np.roll(prediction, 1, axis)
    images = [sitk.GetImageFromArray(array) for array in (truth, prediction)]
    for image in images:
        image.SetSpacing(SPACING_MM)
    found = metrics.structure_metrics(*images, 1, tolerance_mm)
    assert found.nsd == pytest.approx(expected)


def _slow_surface(mask):
    """Indices of voxels with a face neighbour that is outside, by looking at each."""
    found = []
    for index in itertools.product(*map(range, mask.shape)):
        for axis, step in itertools.product(range(3), (-1, 1)):
            other = list(index)
            other[axis] += step
            is_beyond = not 0 <= other[axis] < mask.shape[axis]
            if mask[index] and (is_beyond or not mask[tuple(other)]):
                found.append(index)
                break
    return np.array(found)


@pytest.mark.parametrize("seed", range(6))
def test_surface_dice_agrees_with_a_loop(seed):
    rng = np.random.default_rng(seed)
    spacing_mm = rng.uniform(0.5, 5, 3)  # z, y, x.
    masks = [np.zeros((4, 6, 7), bool) for _ in range(2)]
    for mask in masks:
        low = rng.integers(0, 2, 3)
        mask[tuple(slice(a, a + n) for a, n in zip(low, (3, 4, 5)))] = True
        mask &= rng.random(mask.shape) < 0.9
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    images[0].SetSpacing(spacing_mm[::-1].tolist())
    surfaces = [_slow_surface(mask) * spacing_mm for mask in masks]
    between_mm = np.linalg.norm(surfaces[0][:, None] - surfaces[1][None], axis=-1)
    nearest_mm = np.concatenate([between_mm.min(axis=1), between_mm.min(axis=0)])
    for tolerance_mm in (0.0, 0.7, *(spacing_mm * 1.01), 4.0):
        found = metrics.structure_metrics(*images, 1, tolerance_mm)
        expected = np.count_nonzero(nearest_mm <= tolerance_mm) / len(nearest_mm)
        assert found.nsd == pytest.approx(expected), tolerance_mm


def test_refuses_other_size():
    with pytest.raises(ValueError, match=r"\(2, 2, 1\) and \(3, 2, 1\)"):
        metrics.structure_metrics(_volume(["00 00"]), _volume(["000 000"]), 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_distances_agree_with_scipy(seed):
    """An independent path: surfaces by binary erosion, distances by scipy's transform.

    Conventions: the surface is a mask's voxels with a face neighbour outside it;
    distances between voxel centres; HD95 the larger directed percentile, linear between
    ranks; ASSD over the points of both surfaces (not the mean of two means).
    """
    ndimage = pytest.importorskip("scipy.ndimage", reason="comes with the extra [test]")
    rng = np.random.default_rng(seed)
    spacing_mm = rng.uniform(0.5, 5, 3)
    # A single slice has their outline as surface, in fewer dimensions.
    shape = [(9, 24, 20), (1, 24, 20), (2, 30, 5)][seed % 3]
    masks = []
    for _ in range(2):
        noise = ndimage.gaussian_filter(rng.normal(size=shape), 2)
        masks.append(noise > np.quantile(noise, 0.8))
    truth, prediction = (
        sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks
    )
    truth.SetSpacing(spacing_mm[::-1].tolist())
    found = metrics.structure_metrics(truth, prediction, 1)

    if shape[0] == 1:
        masks, spacing_mm = [mask[0] for mask in masks], spacing_mm[1:]
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in masks]
    directed = [
        ndimage.distance_transform_edt(~surfaces[1 - k], spacing_mm)[surfaces[k]]
        for k in (0, 1)
    ]
    hd95_mm = max(np.percentile(distances, 95) for distances in directed)
    assert found.hd95_mm == pytest.approx(hd95_mm, rel=1e-5)
    assert found.assd_mm == pytest.approx(np.concatenate(directed).mean(), rel=1e-5)


def test_unknown_voxels_count_nowhere():
    truth = _volume(["1100 1199 9999"])
    prediction = _volume(["1110 0011 1111"])
    found = metrics.structure_metrics(truth, prediction, 1, unknown=9)
    assert (found.tp, found.fp, found.fn, found.tn) == (2, 1, 2, 1)
    assert found.volume_pred_ml == pytest.approx(0.09)
    nothing = metrics.structure_metrics(
        _volume(["9900"]), _volume(["1100"]), 1, unknown=9
    )
    assert nothing.status == "not_applicable" and nothing.hd95_mm is None


def test_a_mask_has_no_surface_at_what_is_unknown():
    # In the middle slice alone, the truth is a block of 3 x 3 and the prediction has
    # lost its last column: surfaces are the outlines, of 8 and of 6 voxels.
    block = "00000 01110 01110 01110 00000"
    less = "00000 01100 01100 01100 00000"
    nines = "99999 99999 99999 99999 99999"
    truth = _volume([nines, block, nines])
    prediction = _volume([less, less, less])
    found = metrics.structure_metrics(truth, prediction, 1, 0.0, unknown=9)
    # 3 of the truth's voxels lie 2 mm away; the centre, which is of the prediction's
    # outline, lies 2 mm from the truth's.
    assert found.assd_mm == pytest.approx((3 * 2 + 2) / 14)
    assert found.nsd == pytest.approx(10 / 14)
    alone = metrics.structure_metrics(_volume([block]), _volume([less]), 1, 0.0)
    assert (found.hd95_mm, found.assd_mm, found.nsd) == pytest.approx(
        (alone.hd95_mm, alone.assd_mm, alone.nsd)
    )


def test_without_a_known_surface_distances_do_not_apply():
    truth, prediction = _volume(["999 919 999"]), _volume(["000 010 000"])
    found = metrics.structure_metrics(truth, prediction, 1, 1.0, unknown=9)
    assert (found.dice, found.status) == (1, "found")
    assert (found.hd95_mm, found.assd_mm, found.nsd) == (None, None, None)
