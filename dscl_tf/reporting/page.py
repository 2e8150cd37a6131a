"""The page around the sections, in one file: templates, style and scripts."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import markupsafe
import plotly.offline

from dscl_tf import palette
from dscl_tf.reporting import results, words

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


class Section(NamedTuple):
    """A part of the page with a heading."""

    anchor: str  # Its id.
    title: str
    template: str  # Without its suffix.
    data: Mapping[str, Any]  # What the template shows.


def whole(title: str, head: Section, sections: Sequence[Section]) -> str:
    """The HTML document.

    Args:
      title: of the page.
      head: what stands between the title and the first section.
      sections: in order.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            head=head,
            sections=sections,
            plotly_js=markupsafe.Markup(plotly.offline.get_plotlyjs()),
        )
    )


def fragment(section: Section) -> str:
    """What a section's template makes of its data, without a heading."""
    template = _environment().get_template(f"{section.template}.html")
    return template.render(section=section)


def _environment() -> jinja2.Environment:
    """Templates in which what is not known to be markup is escaped."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    for each in (words.number, words.signed, words.spread, words.interval):
        found.filters[each.__name__] = each
    found.filters["duration"] = words.duration
    found.filters["size_words"] = results.size_words
    found.filters["structure_color"] = palette.structure_color
    return found
