import base64
import io

import numpy as np
from PIL import Image

from dscl_tf import palette
from dscl_tf.inference import small_pictures


def test_a_picture_keeps_its_size_its_greys_and_its_colours(tmp_path):
    greys = np.arange(0, 256, 4, dtype=np.uint8)
    pixels = np.stack([np.tile(greys, (8, 1))] * 3, axis=-1)
    color = palette.structure_color(1)
    pixels[0, 0] = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = small_pictures.shrink(tmp_path / "a.png")
    assert (found.width, found.height) == (64, 8)
    picture = Image.open(io.BytesIO(base64.b64decode(found.base64)))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)
