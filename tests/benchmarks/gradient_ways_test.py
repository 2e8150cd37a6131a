import numpy as np
import pytest
import tensorflow as tf

from benchmarks.speed_parts import gradient_ways
from dscl_tf import errors

MAPS = [2, 4, 6]


@pytest.mark.parametrize("name", gradient_ways.WAYS)
@pytest.mark.parametrize("inputs, outputs", [(1, 3), (4, 2)])
def test_each_way_gives_the_gradient(name, inputs, outputs):
    images, upstream, kernel = gradient_ways.noise(MAPS, inputs, outputs, tf.float32)
    found = gradient_ways.WAYS[name](images, upstream, kernel)
    if name == gradient_ways.FORWARD:
        assert found.shape == upstream.shape
        return
    # Summed pixel by pixel.
    padded = np.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    expected = np.zeros(kernel.shape)
    for row, column in np.ndindex(3, 3):
        shifted = padded[:, row : row + MAPS[1], column : column + MAPS[2]]
        expected[row, column] = np.einsum("nhwi,nhwo->io", shifted, upstream)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def graphs(ways, dtype=tf.float32):
    operands = gradient_ways.noise(MAPS, 2, 3, dtype)
    functions = {
        name: gradient_ways.compiled(way, operands) for name, way in ways.items()
    }
    return functions, operands


def test_all_are_let_pass():
    gradient_ways.require_equal(*graphs(gradient_ways.WAYS))


def test_in_bfloat16_they_are_near():
    found = gradient_ways.deviations(*graphs(gradient_ways.WAYS, tf.bfloat16))
    assert found.keys() == gradient_ways.WAYS.keys() - {gradient_ways.FORWARD}
    assert 0 < max(found.values()) < 0.05


def test_a_wrong_one_is_refused():
    def without_border(images, upstream, kernel):
        cut = images[:, 1:], upstream[:, 1:]
        return gradient_ways.nine_products(*cut, kernel)

    with pytest.raises(errors.UserError, match="without border: the gradient"):
        gradient_ways.require_equal(*graphs({"without border": without_border}))


def test_the_whole_result_comes_with_one_number_of_it():
    functions, operands = graphs(gradient_ways.WAYS)
    for function in functions.values():
        result, number = function(*operands)
        assert number.numpy() == result.numpy().ravel()[0]
