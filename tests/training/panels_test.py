import numpy as np
import pytest

from dscl_tf import palette
from dscl_tf.losses import regions
from dscl_tf.training import panels


def _rgb(label):
    color = palette.structure_color(label)
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def _share(picture, color):
    """The share of a picture's pixels that have exactly this colour."""
    return (picture == np.array(color)).all(axis=-1).mean()


def test_segmentation_panel_shows_truth_and_prediction_in_their_colors():
    images = np.zeros([6, 8, 8], np.float32)
    truth = np.zeros([6, 8, 8], np.uint8)
    truth[:, :, :4] = 1  # The left half in truth, the right half in prediction.
    prediction = 2 * (1 - truth)
    picture = panels.segmentation_panel(images, truth, prediction, num_classes=3)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    third = picture.shape[1] // 3
    image, truth, prediction = (
        picture[:, k * third : (k + 1) * third] for k in range(3)
    )
    assert _share(image, _rgb(1)) == _share(image, _rgb(2)) == 0
    assert _share(truth, _rgb(1)) == pytest.approx(0.4, abs=0.1)
    assert _share(prediction, _rgb(2)) == pytest.approx(0.4, abs=0.1)
    assert _share(truth, _rgb(2)) == _share(prediction, _rgb(1)) == 0


@pytest.mark.parametrize("views", [(0, 1, 2), (1, 2)])
def test_view_panel_has_a_column_for_each_view(views):
    images = np.concatenate(
        [np.full([2, 8, 8, 1], 0.3 * number, np.float32) for number in views]
    )
    picture = panels.view_panel(images, np.repeat(views, 2))
    width = picture.shape[1] // len(views)
    for column, number in enumerate(views):
        # imshow's white is 1.2.
        grey = round(0.3 * number / 1.2 * 255)
        found = picture[:, column * width : (column + 1) * width]
        assert _share(found, [grey] * 3) > 0.5


def test_region_panel_draws_the_regions():
    images = np.zeros([4, 32, 32, 1], np.float32)
    found = regions.make_regions((8, 8), 3, grid=2, num_negatives=0)
    view = np.array([1, 1, 2, 2])
    picture = panels.region_panel(images, view, found, 3, stride_px=4)
    orange = np.abs(picture.astype(int) - [255, 127, 14]).max(axis=-1) < 40
    assert orange.sum() > 100
    # Where a region has become one vector, the picture shows what it was made of.
    single = regions.single_positions(found)
    again = panels.region_panel(images, view, single, 3, stride_px=4)
    np.testing.assert_array_equal(again, picture)
