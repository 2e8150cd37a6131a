"""The pages can be read, their links lead somewhere, their scripts can be called."""

import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md"))),
]
_LONGEST = 120
_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short_enough(page):
    is_code, long = False, []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        is_code ^= line.startswith("```")
        # Tables and pictures cannot be wrapped.
        if len(line) > _LONGEST and not is_code and not line.startswith(("|", "![")):
            long.append(number)
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = _LINK.findall(page.read_text("utf-8"))
    own = [link for link in links if not link.startswith("http")]
    assert [link for link in own if not (page.parent / link).exists()] == []


def test_every_page_is_linked():
    linked = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in _LINK.findall(page.read_text("utf-8"))
    }
    assert [page.name for page in PAGES[1:] if page not in linked] == []


def test_scripts_that_pages_call_can_be_called():
    called = {
        ROOT / script
        for page in PAGES
        for script in re.findall(
            r"^\(?`?(benchmarks/\w+\.py)", page.read_text("utf-8"), re.MULTILINE
        )
    }
    assert ROOT / "benchmarks" / "paired.py" in called
    assert [path.name for path in sorted(called) if not os.access(path, os.X_OK)] == []
