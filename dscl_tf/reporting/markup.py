"""HTML that is safe by construction: what is not known to be markup is escaped."""

import html
from typing import Any, Optional

_SUPERSCRIPTS = {"D": "ᴰ", "R": "ᴿ", "-": "⁻"}
_EMPTY_TAGS = ("meta", "img", "br")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(value: Any) -> Html:
    """A value as markup; `Html` as it is, anything else escaped."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(*parts: Any) -> Html:
    """Pieces of markup and of text one after the other; None is left out."""
    return Html("".join(escape(part) for part in parts if part is not None))


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """An element.

    Args:
      name: of the element.
      *children: markup or text; None is left out.
      **attributes: their values are escaped. A name ends in _ where Python keeps the
        word for itself, and _ within it stands for -. True: an attribute without
        a value; None or False: it is left out.
    """
    words = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY_TAGS:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{join(*children)}</{name}>")


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def paragraph(*children: Any, class_: Optional[str] = None) -> Html:
    """A paragraph."""
    return tag("p", *children, class_=class_)


def absent(sentence: str) -> Html:
    """What stands where something cannot be shown, and says why."""
    return paragraph(sentence, class_="absent")


def folded(summary: str, *children: Any, printed: bool = True) -> Html:
    """Something that is opened by its summary; printed open, or not at all."""
    bulk = None if printed else "bulk"
    return tag("details", tag("summary", summary), *children, class_=bulk)


def title_text(title: str) -> str:
    """A method's title with the paper's superscripts: "G^D- + L^R" as Gᴰ⁻ + Lᴿ."""
    parts = title.split("^")
    return parts[0] + "".join(_raised(part) for part in parts[1:])


def _raised(text: str) -> str:
    end = 0
    while end < len(text) and text[end] in _SUPERSCRIPTS:
        end += 1
    if not end:
        return "^" + text
    return "".join(_SUPERSCRIPTS[each] for each in text[:end]) + text[end:]
