"""The colours of structures, the same in every picture."""

import colorsys

# Easy to tell apart on grey and for most colour-blind readers; further labels get
# other hues.
_COLORS = ("#4cc9f0", "#ffb703", "#ef476f", "#8ac926", "#b388eb", "#ff8c42", "#f7f7a1")


def structure_color(label: int) -> str:
    """The colour of a label from 1 up, "#rrggbb"."""
    if label <= len(_COLORS):
        return _COLORS[label - 1]
    # Steps of the golden ratio keep any number of further hues apart.
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618 % 1, 0.6, 1)
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
