"""The page around the sections: style, script and navigation, in one file."""

import dataclasses
import pathlib
from collections.abc import Sequence

from dscl_tf.reporting import markup
from dscl_tf.reporting.markup import Html

_FOLDER = pathlib.Path(__file__).parent
# Nothing may be loaded from anywhere, whatever a name in the data says.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with a heading."""

    anchor: str  # Its id.
    title: str
    content: Html


def whole(title: str, head: Html, sections: Sequence[Section]) -> str:
    """The HTML document.

    Args:
      title: of the page.
      head: what stands between the title and the first section.
      sections: in order.
    """
    body = markup.join(
        markup.tag("header", markup.tag("h1", title), head, _navigation(sections)),
        markup.tag("main", *(_section(each) for each in sections)),
        markup.tag("script", Html((_FOLDER / "page.js").read_text(encoding="utf-8"))),
    )
    meta = markup.join(
        markup.tag("meta", charset="utf-8"),
        markup.tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        markup.tag(
            "meta", name_="viewport", content="width=device-width, initial-scale=1"
        ),
        markup.tag("title", title),
        markup.tag("style", Html((_FOLDER / "page.css").read_text(encoding="utf-8"))),
    )
    page = markup.tag(
        "html", markup.tag("head", meta), markup.tag("body", body), lang="en"
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _navigation(sections: Sequence[Section]) -> Html:
    links = [
        markup.tag("li", markup.tag("a", each.title, href=f"#{each.anchor}"))
        for each in sections
    ]
    return markup.tag("nav", markup.tag("ul", *links), aria_label="Sections")


def _section(section: Section) -> Html:
    return markup.tag(
        "section",
        markup.tag("h2", section.title),
        section.content,
        id=section.anchor,
    )
