"""Pictures of slices in so few bytes that a page can hold many."""

import base64
import io
import pathlib
from typing import NamedTuple

from PIL import Image, ImageColor  # matplotlib brings it.

from dscl_tf import palette

_COLORED = 8  # Structures with colours of their own in a picture; of 256 in all.


class SmallPicture(NamedTuple):
    """A PNG."""

    width: int  # In pixels.
    height: int
    base64: str


def shrink(path: pathlib.Path) -> SmallPicture:
    """A PNG of 256 colours from one of greys with contours of structures."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(
            palette=_palette(), dither=Image.Dither.NONE
        )
    small.save(buffer, "PNG", optimize=True)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return SmallPicture(*small.size, text)


def _palette() -> Image.Image:
    """Greys, and the structures' colours on dark and on lighter grey.

    A palette that is found for each picture would spend itself on greys, of which a
    scan has the most pixels, and lose the colours of the contours.
    """
    colors = [(grey, grey, grey) for grey in range(0, 256, 2)]
    for label in range(1, _COLORED + 1):
        color = ImageColor.getrgb(palette.structure_color(label))
        for ground in (20, 100):
            for share in (k / 8 for k in range(1, 9)):
                mixed = [round(ground + share * (c - ground)) for c in color]
                colors.append(tuple(mixed))
    found = Image.new("P", (1, 1))
    found.putpalette([part for color in colors for part in color])
    return found
