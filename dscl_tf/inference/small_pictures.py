"""Shrinks pictures of slices to so few bytes that a page can hold many."""

import base64
import io
import pathlib
from typing import NamedTuple

from PIL import Image, ImageColor  # Installed with matplotlib.

from dscl_tf import palette

_COLORED = 8  # Structures with colours of their own; with the greys that is 256.


class SmallPicture(NamedTuple):
    """A PNG."""

    width: int  # In pixels.
    height: int
    base64: str


def shrink(path: pathlib.Path) -> SmallPicture:
    """Reduces a PNG of greys with coloured contours to 256 colours."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(
            palette=_palette(), dither=Image.Dither.NONE
        )
    small.save(buffer, "PNG", optimize=True)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return SmallPicture(*small.size, text)


def _palette() -> Image.Image:
    """Greys, and the structures' colours blended with dark and with lighter grey.

    A palette computed for each picture would be spent on greys, which most pixels of a
    scan have, and lose the colours of the contours.
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
