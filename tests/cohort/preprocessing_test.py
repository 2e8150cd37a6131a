import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import geometry, preprocessing
from dscl_tf.cohort.phantom import acquisition
from tests.cohort import making


def test_normalisation_by_hand():
    values = np.arange(101, dtype=np.float32)  # Percentile k is k.
    found = preprocessing.normalise(values, (1, 99))
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found[[0, 1, 50, 99, 100]], [-1 / 98, 0, 0.5, 1, 99 / 98]
    )
    found = preprocessing.normalise(np.array([2.0, 4.0, 6.0]), (0, 100))
    np.testing.assert_allclose(found, [0, 0.5, 1])


def test_normalisation_is_blind_to_scale_and_offset():
    values = making.intensities()
    found = preprocessing.normalise(7 * values + 300, (1, 99))
    np.testing.assert_allclose(
        found, preprocessing.normalise(values, (1, 99)), atol=1e-4
    )


@pytest.mark.parametrize("odd_voxels", [0, 3])
def test_no_contrast_is_refused(odd_voxels):
    values = np.full(1000, 5, np.float32)
    values[:odd_voxels] = 100  # Fewer than one in a hundred.
    with pytest.raises(errors.UserError, match=r"1 and 99 are both 5: .*constant"):
        preprocessing.normalise(values, (1, 99))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(odd):
    values = making.intensities()
    values[0, :2, 0] = odd
    with pytest.raises(errors.UserError, match=r"voxels: found 2 NaN or infinite"):
        preprocessing.prepare_image(
            making.image_of(values), config.PreprocessingConfig()
        )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (sitk.Image([4, 4], sitk.sitkInt16), "found a 2-dim.*, expected 3-D: .*Join"),
        (sitk.Image([4, 4, 4, 4], sitk.sitkInt16), r"found a 4-dim.*image\[\.\.\., 0"),
        (sitk.Image([4, 4, 4], sitk.sitkVectorFloat32, 3), "vector of 32.*one real"),
        (sitk.Image([4, 4, 4], sitk.sitkComplexFloat32), "complex of 32.*one real"),
        (sitk.Image([4, 4, 4], sitk.sitkLabelUInt8), "label of 8-bit.*one real"),
        (sitk.Image([0, 4, 4], sitk.sitkInt16), r"size \(0, 4, 4\), expected voxels"),
        ("scan.nii.gz", "type str, expected a SimpleITK image: sitk.ReadImage"),
        (np.zeros((4, 4, 4)), "type ndarray, expected a SimpleITK image"),
        (None, "type NoneType"),
    ],
)
def test_what_is_no_volume_is_refused(image, message):
    with pytest.raises(errors.UserError, match=message):
        preprocessing.prepare_image(image, config.PreprocessingConfig())


def test_the_cures_make_volumes():
    settings = config.PreprocessingConfig(
        (14, 12), 2.0, percentiles=(0, 100), bias_correction=False
    )
    image = making.image_of(making.intensities())
    flat = sitk.Extract(image, [*image.GetSize()[:2], 0])
    for mended in (
        sitk.JoinSeries(flat),
        sitk.JoinSeries([image, image])[..., 0],
        sitk.VectorIndexSelectionCast(sitk.Compose(image, image), 0),
        sitk.ComplexToModulus(sitk.RealAndImaginaryToComplex(image, image)),
    ):
        found, _ = preprocessing.prepare_image(mended, settings)
        assert found.min() >= 0 and found.max() > 0


def test_channels_that_are_no_volumes_or_lie_elsewhere_are_refused():
    settings = config.PreprocessingConfig(
        (14, 12),
        2.0,
        bias_correction=False,
        channels=(config.ChannelConfig("T1"), config.ChannelConfig("T2")),
    )
    first = making.image_of(making.intensities())
    found, _ = preprocessing.prepare_images([first, first], settings)
    assert found.shape == (5, 14, 12, 2)
    moved = making.image_of(making.intensities(), origin=(-10, 20, 9))
    fewer = first[:, :, :3]
    for second, message in (
        ("t2.nii.gz", "channel T2: found an object of type str"),
        (moved, r"channel T2: origin \(mm\): found .*; resample it to the first"),
        (fewer, "channel T2: size: found 12x14x3, expected 12x14x5"),
    ):
        with pytest.raises(errors.UserError, match=message):
            preprocessing.prepare_images([first, second], settings)


def test_prepared_slices_by_hand():
    values = making.intensities(shape=(3, 6, 4))
    settings = config.PreprocessingConfig(
        size_px=(4, 6), spacing_mm=2.0, percentiles=(0, 100), bias_correction=False
    )
    found, grid = preprocessing.prepare_image(making.image_of(values), settings)
    assert found.dtype == np.float32 and found.shape == (3, 4, 6)
    low, high = values.min(), values.max()
    # The first and last row are cropped; one column of zeros on either side.
    expected = np.zeros((3, 4, 6))
    expected[:, :, 1:5] = (values[:, 1:5] - low) / (high - low)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    label = geometry.labels_on_grid(
        making.image_of((values > 50).astype(np.int32)), grid
    )
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label[:, :, 1:5], values[:, 1:5] > 50)
    assert not label[:, :, [0, 5]].any()


@pytest.mark.parametrize("kind", [sitk.sitkInt16, sitk.sitkUInt8, sitk.sitkFloat64])
def test_voxels_may_be_of_any_type(kind):
    values = making.intensities(shape=(3, 32, 32))
    image = sitk.Cast(making.image_of(np.round(values)), kind)
    settings = config.PreprocessingConfig(size_px=(32, 32), spacing_mm=2.0)
    expected, _ = preprocessing.prepare_image(
        sitk.Cast(image, sitk.sitkFloat32), settings
    )
    found, _ = preprocessing.prepare_image(image, settings)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def _field_and_tissue():
    """A smooth multiplicative field on a disc of two tissues, and a little noise."""
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    tissue = np.where(np.hypot(x, y) < 0.8, 100.0, 0)
    tissue[(np.abs(x) < 0.3) & (np.abs(y) < 0.3)] = 160
    field = np.exp(0.25 * x + 0.15 * y)
    noise = np.random.default_rng(0).normal(1, 0.02, (4, 40, 40))
    return tissue * field * noise, tissue


def _variation(values, tissue):
    inside = values[np.broadcast_to(tissue == 100, values.shape)]
    return inside.std() / inside.mean()


@pytest.mark.parametrize("shrink", [1, 2])
def test_bias_correction_removes_most_of_a_known_field(shrink):
    values, tissue = _field_and_tissue()
    image = making.image_of(values.astype(np.float32))
    settings = config.PreprocessingConfig(bias_shrink=shrink, bias_iterations=10)
    corrected = preprocessing.correct_bias(image, settings)
    assert corrected.GetPixelID() == sitk.sitkFloat32
    assert corrected.GetSize() == image.GetSize()
    assert corrected.GetOrigin() == image.GetOrigin()
    after = _variation(sitk.GetArrayFromImage(corrected), tissue)
    # The noise of 2 % stays.
    assert _variation(values, tissue) > 0.12
    assert after < 0.03


def test_default_bias_correction_finds_the_phantom_scanners_field():
    # A trunk of two tissues at the size of an ACDC volume, with texture and noise.
    rng = np.random.default_rng(3)
    scan = dataclasses.replace(
        acquisition.draw_scan(rng),
        shape=(256, 216),
        bias=np.array([0.45, -0.35, 0.1, -0.15, 0.1]),
        gamma=1.0,
        noise=0.05,
    )
    y, x = np.mgrid[-1:1:256j, -1:1:216j]
    tissue = np.where(np.hypot(x, y) < 0.85, 0.5, 0.03)
    tissue[np.hypot(x - 0.2, y) < 0.3] = 0.9
    values = np.broadcast_to(tissue, (10, 256, 216))
    acquired = acquisition.acquire(values, scan, rng).astype(np.float32)
    image = making.image_of(acquired, (1.5, 1.5, 8))
    found = preprocessing.correct_bias(image, config.PreprocessingConfig())
    applied = acquired / np.maximum(sitk.GetArrayFromImage(found), 1e-3)
    left = applied / acquisition.sensitivity(scan)
    inside = (tissue > 0.3) & (acquired > 0)
    true = np.broadcast_to(acquisition.sensitivity(scan), inside.shape)[inside]
    assert true.std() / true.mean() > 0.2
    assert left[inside].std() / left[inside].mean() < 0.06


def _tiled_field_and_tissue(num_slices):
    """As `_field_and_tissue`, of 120 x 120 pixels, float32."""
    return np.tile(_field_and_tissue()[0][:num_slices] + 1, (1, 3, 3)).astype("f4")


@pytest.mark.parametrize("outlier", [1e4, 32767, 1e9, -32768])
@pytest.mark.parametrize("num_slices", [4, 1])
def test_bias_correction_is_not_spoilt_by_a_few_voxels(outlier, num_slices):
    values = _tiled_field_and_tissue(num_slices)
    settings = config.PreprocessingConfig(bias_shrink=4, bias_iterations=10)
    spoilt, others = values.copy(), np.ones(values.shape, bool)
    others[0, 18:23, 18:22] = False
    spoilt[~others] = outlier
    clean, found = (
        sitk.GetArrayFromImage(
            preprocessing.correct_bias(making.image_of(each), settings)
        )
        for each in (values, spoilt)
    )
    assert np.corrcoef(clean[others], found[others])[0, 1] > 0.995


def test_a_tiny_mask_of_the_bias_correction_is_a_doubt():
    values = _tiled_field_and_tissue(4)
    settings = config.PreprocessingConfig(bias_shrink=4)
    assert preprocessing.bias_doubt(making.image_of(values), settings) is None
    # More than 1 % are no outliers to clip: 8 % of one slice of 8.
    values = np.concatenate([values] * 2)
    values[3, 16:52, 16:52] = 32767
    found, expected, cure = preprocessing.bias_doubt(making.image_of(values), settings)
    assert found.startswith("a mask of 1.1 %") and expected == "2 % or more"
    assert "--nobias_correction" in cure
    without = config.PreprocessingConfig(bias_correction=False)
    assert preprocessing.bias_doubt(making.image_of(values), without) is None


@pytest.mark.parametrize("shape", [(1, 20, 20), (2, 9, 7), (5, 3, 30)])
def test_bias_correction_of_small_volumes_gives_numbers(shape):
    settings = config.PreprocessingConfig(bias_iterations=2)
    values = making.intensities(shape=shape) + 20
    found = preprocessing.correct_bias(making.image_of(values), settings)
    assert np.isfinite(sitk.GetArrayFromImage(found)).all()


@pytest.mark.parametrize(
    ("size", "shrink", "expected"),
    [
        ((216, 256), 8, [8, 8]),
        ((512, 512), 8, [8, 8]),
        ((1536, 1024), 8, [24, 16]),
        ((1536, 1536), 2, [6, 6]),
        ((600, 40), 8, [10, 5]),
    ],
)
def test_large_images_are_shrunk_more_for_n4(size, shrink, expected):
    image = sitk.Image([*size, 1], sitk.sitkUInt8)
    settings = config.PreprocessingConfig(bias_shrink=shrink)
    assert preprocessing._factor(image, settings) == expected


def test_axis_orders_of_one_subject_give_the_same_corrected_slices():
    values, _ = _field_and_tissue()
    image = making.image_of(values.astype(np.float32), (1.5, 1.5, 8))
    settings = config.PreprocessingConfig(
        size_px=(20, 20), spacing_mm=3.0, bias_iterations=2
    )
    first, _ = preprocessing.prepare_image(image, settings)
    turned = sitk.DICOMOrient(image, "SRA")
    second, _ = preprocessing.prepare_image(turned, settings)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_a_window_is_linear_inside_and_clipped_outside():
    values = np.array([-1000, -200, 0, 200, 600, 3000], np.float32)
    found = preprocessing.apply_window(values, (-200, 600))
    np.testing.assert_allclose(found, [0, 0, 0.25, 0.5, 1, 1])
    assert found.dtype == np.float32


@pytest.mark.parametrize("values", [[-1024, -200], [600, 700]])
def test_an_image_beside_the_window_is_refused(values):
    with pytest.raises(errors.UserError, match=r"outside of the window -200 to 600"):
        preprocessing.apply_window(np.array(values, np.float32), (-200, 600))


def test_a_window_does_not_depend_on_the_rest_of_the_image():
    settings = config.PreprocessingConfig(
        (14, 12), 2.0, window=(0, 200), bias_correction=False
    )
    values = making.intensities()
    first, _ = preprocessing.prepare_image(making.image_of(values), settings)
    values[0, 0, 0] = 9999  # Metal.
    second, _ = preprocessing.prepare_image(making.image_of(values), settings)
    np.testing.assert_array_equal(first[1:], second[1:])
    assert first.max() < second.max() == 1
