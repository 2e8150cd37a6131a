"""The page around the sections, in one file: templates, style and scripts."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import markupsafe
import plotly.offline

from dscl_tf import palette
from dscl_tf.reporting import words

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


class Section(NamedTuple):
    """A part of the page with a heading."""

    anchor: str  # Its id.
    title: str
    template: str  # Without its suffix.
    data: Mapping[str, Any]  # What the template shows.


def whole(title: str, first: Section, sections: Sequence[Section]) -> str:
    """The HTML document: its title, the head below it, and the sections in order."""
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            head=first,
            sections=sections,
            plotly_js=markupsafe.Markup(plotly.offline.get_plotlyjs()),
        )
    )


def environment() -> jinja2.Environment:
    """The templates' environment, which escapes whatever is not marked as markup."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    names = ("number", "signed", "spread", "interval", "bounded", "duration")
    for name in (*names, "size_words"):
        found.filters[name] = getattr(words, name)
    found.filters["structure_color"] = palette.structure_color
    return found
