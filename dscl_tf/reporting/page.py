"""The page: style, tables that sort, and sections."""

import html
import pathlib
from collections.abc import Sequence
from typing import Any

_FOLDER = pathlib.Path(__file__).parent


class Raw(str):
    """HTML that is put as it is; any other text is escaped."""


def text(value: Any) -> str:
    """A value as HTML."""
    return value if isinstance(value, Raw) else html.escape(str(value))


def paragraph(words: Any, soft: bool = False) -> str:
    """A paragraph."""
    return f"<p{' class=soft' if soft else ''}>{text(words)}</p>"


def section(title: str, *parts: str) -> str:
    """A section; its parts are HTML."""
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], marked: int = -1) -> str:
    """A table that sorts by a click on a heading.

    Args:
      head: of the columns.
      rows: of cells: text, or a pair of text and the number that it sorts by (None
        where there is no number).
      marked: number of the column that is set off; -1: none.
    """
    heads = "".join(
        f"<th scope=col{_mark(k, marked)}><button>{text(name)}</button></th>"
        for k, name in enumerate(head)
    )
    lines = "".join(
        f"<tr>{''.join(_cell(cell, k, marked) for k, cell in enumerate(row))}</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _mark(column: int, marked: int) -> str:
    return ' class="paper"' if column == marked else ""


def _cell(cell: Any, column: int, marked: int) -> str:
    if not isinstance(cell, tuple):
        return f"<td{_mark(column, marked)}>{text(cell)}</td>"
    shown, number = cell
    value = "" if number is None else f"{number:.6g}".replace("inf", "Infinity")
    return f'<td{_mark(column, marked)} data-value="{value}">{text(shown)}</td>'


def folded(title: str, content: str) -> str:
    """Text that is shown when it is asked for."""
    return (
        f"<details><summary>{text(title)}</summary><pre>{text(content)}</pre></details>"
    )


def whole(title: str, sections: Sequence[str]) -> str:
    """The page, which needs nothing but itself."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{text(title)}</title>'
        '<link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><h1>{text(title)}</h1>"
        f"{''.join(sections)}<script>{script}</script></body></html>\n"
    )
