import numpy as np

from dscl_tf.pipeline import boxes


def test_pixels_whose_middle_is_in_a_box_are_inside():
    starts = np.array([[[1.0, 2.0]], [[0.6, 0.0]]], np.float32)
    ends = np.array([[[3.0, 5.0]], [[2.4, 3.5]]], np.float32)
    found = boxes.inside(starts, ends, (4, 6)).numpy()
    expected = np.zeros([2, 1, 4, 6], bool)
    expected[0, 0, 1:3, 2:5] = True
    # The middle of row 0, 0.5, is outside, that of row 1 inside; 3.5 is an end.
    expected[1, 0, 1:2, 0:3] = True
    np.testing.assert_array_equal(found, expected)
