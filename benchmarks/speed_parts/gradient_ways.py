"""Ways to compute the weight gradient of a 3x3 convolution.

Each takes images [N, H, W, inputs], the upstream gradient [N, H, W, outputs] and the
kernel [3, 3, inputs, outputs], and returns the kernel's gradient.
"""

from collections.abc import Mapping
from typing import Callable

import numpy as np
import tensorflow as tf

from dscl_tf import errors

TOLERANCE = 1e-3  # In float32, as a fraction of the gradient's root mean square.
FORWARD = "forward convolution"
TENSORFLOW = "TensorFlow's"
Way = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def forward(images, _, kernel):
    """The convolution itself: as many products and sums as its gradient."""
    return tf.nn.conv2d(images, kernel, 1, "SAME")


def of_tensorflow(images, upstream, kernel):
    """Conv2DBackpropFilter; the unused forward pass is not computed."""
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        outputs = tf.nn.conv2d(images, kernel, 1, "SAME")
    return tape.gradient(outputs, kernel, upstream)


def nine_products(images, upstream, _):
    """For each of the nine kernel positions, a product over all pixels, shifted."""
    height, width, inputs = images.shape[1:]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    right = tf.reshape(upstream, [-1, upstream.shape[-1]])
    products = []
    for row in range(3):
        for column in range(3):
            shifted = padded[:, row : row + height, column : column + width]
            left = tf.reshape(shifted, [-1, inputs])
            products.append(tf.matmul(left, right, transpose_a=True))
    return tf.reshape(tf.stack(products), [3, 3, inputs, -1])


def nine_products_by_halves(images, upstream, kernel):
    """`nine_products` of each half of the batch; the halves may run in parallel."""
    pairs = zip(tf.split(images, 2), tf.split(upstream, 2))
    return tf.add_n([nine_products(*pair, kernel) for pair in pairs])


def product_of_patches(images, upstream, _):
    """One product over all pixels; each pixel's neighbourhood is a row (im2col)."""
    ones, sizes = [1, 1, 1, 1], [1, 3, 3, 1]
    patches = tf.image.extract_patches(images, sizes, ones, ones, "SAME")
    left = tf.reshape(patches, [-1, patches.shape[-1]])
    right = tf.reshape(upstream, [-1, upstream.shape[-1]])
    product = tf.matmul(left, right, transpose_a=True)
    return tf.reshape(product, [3, 3, images.shape[-1], -1])


def pairs_of_columns(images, upstream, _):
    """TensorFlow's way on maps half as wide, with two columns' channels in each pixel.

    Of the twelve products in a row of its kernel, six are of columns at most 1 apart:
    two for each weight, which add up to its gradient. The other six are not used.
    """
    count, height, width, inputs = images.shape
    outputs = upstream.shape[-1]
    wide = tf.reshape(images, [count, height, width // 2, 2 * inputs])
    wide_upstream = tf.reshape(upstream, [count, height, width // 2, 2 * outputs])
    sizes = [3, 3, 2 * inputs, 2 * outputs]
    gradient = of_tensorflow(wide, wide_upstream, tf.zeros(sizes, images.dtype))
    # Row, pair, column of the pair, channel; column of the upstream's pair, channel.
    gradient = tf.reshape(gradient, [3, 3, 2, inputs, 2, outputs])
    columns = []
    for offset in (-1, 0, 1):
        terms = []
        for own in (0, 1):
            pair, column = divmod(own + offset, 2)
            terms.append(gradient[:, 1 + pair, column, :, own])
        columns.append(terms[0] + terms[1])
    return tf.stack(columns, axis=1)


WAYS = {
    FORWARD: forward,
    TENSORFLOW: of_tensorflow,
    "nine products": nine_products,
    "nine products, by halves": nine_products_by_halves,
    "product of patches": product_of_patches,
    "pairs of columns": pairs_of_columns,
}


def compiled(way: Way, operands: list[tf.Tensor]):
    """Compiles a way for operands of these shapes and dtypes.

    Returns:
      A function from operands to the way's result and one number of it to wait for.
    """

    @tf.function
    def run(images, upstream, kernel):
        result = way(images, upstream, kernel)
        # The whole result is returned, so that no part of it is pruned as unused.
        return result, tf.cast(tf.reshape(result, [-1])[0], tf.float32)

    return run.get_concrete_function(*operands)


def noise(maps: list[int], inputs: int, outputs: int, dtype: tf.DType) -> list:
    """Random operands of a dtype; `maps` are [N, H, W]."""
    shapes = [*maps, inputs], [*maps, outputs], [3, 3, inputs, outputs]
    return [
        tf.cast(tf.random.stateless_normal(shape, [7, number]), dtype)
        for number, shape in enumerate(shapes)
    ]


def deviations(functions: Mapping, operands: list[tf.Tensor]) -> dict[str, float]:
    """Each gradient's largest deviation from TensorFlow's in float32.

    Args:
      functions: from `compiled`, by name.
      operands: the float32 gradient is computed from the same, already rounded, values.

    Returns:
      Deviations by name, as fractions of the root mean square of the gradient.
    """
    exact = of_tensorflow(*(tf.cast(each, tf.float32) for each in operands))
    scale = np.sqrt(np.mean(np.square(exact)))
    found = {}
    for name, function in functions.items():
        if name != FORWARD:
            gradient, _ = function(*operands)
            gap = np.abs(tf.cast(gradient, tf.float32) - exact)
            found[name] = float(gap.max() / scale)
    return found


def require_equal(functions: Mapping, operands: list[tf.Tensor]) -> None:
    """Checks that all ways give the same gradient.

    Args:
      functions: from `compiled`, by name.
      operands: float32.

    Raises:
      UserError: one does not.
    """
    for name, deviation in deviations(functions, operands).items():
        if not deviation <= TOLERANCE:
            raise errors.UserError(
                f"{name}: the gradient of {operands[2].shape} weights is off "
                f"TensorFlow's by {deviation:.2g} of its root mean square, expected "
                f"{TOLERANCE:g} at most: not timed."
            )
