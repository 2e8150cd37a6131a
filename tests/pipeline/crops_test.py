import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.pipeline import crops

SEED = tf.constant([3, 4])
MAP_SIZE = (12, 16)
SIDE = (0.6, 1.0)


def draw(num_views, group, size=3, side=SIDE):
    """Windows [V, n, 3], places [n, A, 2] and corners [V, n, A, 2] of a batch."""
    settings = config.LocalConfig(region_size=size, num_regions=5, crop_side=side)
    count = len(group)
    windows = crops.draw_windows(SEED, num_views * count, side)
    windows = tf.reshape(windows, [num_views, count, 3])
    places = crops.draw_places(
        SEED + 1, windows, tf.constant(group), settings, MAP_SIZE
    )
    corners = [crops.corners_in(w, places, size, MAP_SIZE) for w in windows]
    return windows.numpy(), places.numpy(), np.stack(corners)


def test_windows_lie_in_the_slice_and_fill_their_ranges():
    windows = crops.draw_windows(SEED, 2000, SIDE).numpy()
    starts, sides = windows[:, :2], windows[:, 2]
    assert 0.6 <= sides.min() < 0.61 and 0.99 < sides.max() <= 1
    assert starts.min() >= 0 and (starts + sides[:, None]).max() <= 1 + 1e-6
    # Of those with little room and of those with much alike.
    room = starts / (1 - sides[:, None])
    assert room.min() < 0.01 and room.max() > 0.99
    assert abs(np.corrcoef(room[:, 0], room[:, 1])[0, 1]) < 0.1


def test_show_is_the_window_at_full_size():
    ramp = np.mgrid[:8, :8][0].astype(np.float32)[None, ..., None]
    windows = tf.constant([[0.25, 0.125, 0.5]])
    shown = crops.show(tf.constant(ramp), windows).numpy()[0, ..., 0]
    # Rows 2 to 6 of 8: the middle of output row k shows 2 + (k + 0.5) / 2 - 0.5.
    expected = 2 + (np.arange(8) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(shown, np.tile(expected[:, None], 8), atol=1e-5)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("num_views", [2, 3])
def test_regions_of_all_views_show_the_same_place(num_views, size):
    group = np.arange(300)
    windows, places, corners = draw(num_views, group, size)
    assert corners.min() >= 0
    assert (corners.max(axis=(0, 1, 2)) <= np.array(MAP_SIZE) - size).all()
    middles = (corners + size / 2) / MAP_SIZE  # In each view.
    starts, sides = windows[..., None, :2], windows[..., None, 2:]
    in_slice = starts + sides * middles
    # Positions are whole, so that each may be half of one off, of its window's side.
    assert (np.abs(in_slice - places) <= sides * 0.5 / MAP_SIZE + 1e-5).all()
    # Nothing is cut off to make this so: places are drawn where all views reach.
    seen = (places - starts) / sides * MAP_SIZE
    assert seen.min() >= size / 2 - 1e-4
    assert (seen.max(axis=(0, 1, 2)) <= np.array(MAP_SIZE) - size / 2 + 1e-4).all()


def test_places_fill_what_the_views_have_in_common():
    windows, places, _ = draw(2, np.arange(2000), size=1)
    starts, sides = windows[..., :2], windows[..., 2:]
    low, high = starts.max(axis=0), (starts + sides).min(axis=0)
    share = (places - low[:, None]) / (high - low)[:, None]
    assert share.min() < 0.06 and share.max() > 0.94
    assert abs(share.mean() - 0.5) < 0.02


def test_a_group_has_the_same_places():
    group = np.array([7, 5, 7, 5, 9])
    _, places, _ = draw(2, group)
    np.testing.assert_array_equal(places[0], places[2])
    np.testing.assert_array_equal(places[1], places[3])
    assert len({tuple(places[k].ravel()) for k in (0, 1, 4)}) == 3


def test_all_views_of_a_group_show_its_places_whole():
    windows, places, _ = draw(3, np.arange(300) // 3)
    starts, sides = windows[..., None, :2], windows[..., None, 2:]
    seen = (places - starts) / sides * MAP_SIZE
    assert seen.min() >= 1.5 - 1e-4
    assert (seen.max(axis=(0, 1, 2)) <= np.array(MAP_SIZE) - 1.5 + 1e-4).all()


def test_place_on_the_map_does_not_tell_the_region():
    _, _, corners = draw(2, np.arange(400))
    moved = np.abs(corners[0] - corners[1]).max(axis=-1)
    assert np.mean(moved >= 1) > 0.7


def test_crops_that_may_have_no_region_in_common_are_refused():
    crops.check(config.LocalConfig(crop_side=(0.6, 1.0)), (24, 24))
    with pytest.raises(errors.UserError, match=r"--local_crop_side above 0\.6"):
        crops.check(config.LocalConfig(crop_side=(0.6, 1.0)), (24, 8))


@pytest.mark.parametrize("size", [8, 9, 16, 17])
def test_regions_that_fill_the_map_are_refused(size):
    settings = config.LocalConfig(crop_side=(1.0, 1.0), region_size=size)
    with pytest.raises(errors.UserError, match="a smaller --region_size"):
        crops.check(settings, (24, 8))


def test_the_least_side_that_is_named_suffices_in_the_worst_case():
    # Two of the smallest crops at opposite ends: the places left are one point each.
    size, extent = 3, 12
    least = 0.5 / (1 - size / 2 / extent)
    windows = tf.constant([[[0.0, 0.0, least]], [[1 - least, 1 - least, least]]])
    settings = config.LocalConfig(region_size=size, num_regions=4)
    places = crops.draw_places(SEED, windows, [0], settings, (extent, extent))
    np.testing.assert_allclose(places, np.full([1, 4, 2], 0.5), atol=1e-6)
