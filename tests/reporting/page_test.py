"""Templates: what is not known to be markup is escaped, and tables sort."""

import json
import re

import jinja2
import pytest

from dscl_tf.reporting import figures, page
from dscl_tf.reporting.figures import Series
from dscl_tf.reporting.page import Section
from tests.reporting import making

EVIL = "</script><script>alert(1)</script>'\" &"


def settings(**data):
    empty = {"facts": [], "tables": [], "full": [], "commands": []}
    data = {**empty, "seconds": (), **data}
    return making.fragment(Section("settings", "Settings", "settings", data))


def test_texts_are_escaped():
    found = settings(facts=[(EVIL, EVIL)], full=[("x", "</code>")], commands=["a 'b'"])
    assert "<script" not in found
    assert found.count("&lt;/script&gt;&lt;script&gt;alert(1)") == 2
    assert "<pre><code>&lt;/code&gt;</code></pre>" in found
    assert "<pre><code>a &#39;b&#39;</code></pre>" in found


def test_charts_are_escaped_within_their_attribute():
    series = [Series(EVIL, 0, [0], [1])]
    chart = figures.lines(EVIL, series, (EVIL, EVIL))
    found = making.fragment(Section("", "", "sizes", {"charts": [chart]}))
    assert "<script" not in found
    (held,) = re.findall("data-figure='([^']*)'", found)
    assert json.loads(held) == json.loads(json.dumps(chart.figure))
    assert '"' not in re.search('aria-label="([^"]*)"', found).group(1)


def test_what_a_template_asks_for_must_be_there():
    with pytest.raises(jinja2.UndefinedError):
        making.fragment(Section("", "", "settings", {}))


def test_a_table_sorts_by_numbers_and_heads_its_rows():
    mean = {"mean": 0.9, "std": 0.1}
    row = {
        **{**mean, "n": 2, "title": "a<b", "is_best": True, "paper": 0.5},
        **{"structures": {"low": {"mean": 0.25, "std": None}}},
    }
    other = {**row, "title": "c", "is_best": False, "paper": None, "structures": {}}
    table = {
        **{"size": 1, "rows": [row, other], "references": [], "is_even": True},
        **{"has_interval": False, "has_paper": True},
    }
    data = {"tables": [table], "structures": ["low"], "dataset": "A & B"}
    found = making.fragment(Section("", "", "dice", {**data, "overview": []}))
    assert "on its own data of A &amp; B; it was not measured here." in found
    assert found.count('aria-sort="none"') == 5
    assert '<button type="button">Method</button>' in found
    assert '<th scope="row">a&lt;b</th>' in found
    assert '<td class="num best" data-sort="0.9">0.900 ± 0.100</td>' in found
    assert '<td class="num" data-sort="0.25">0.250</td>' in found
    assert '<td class="num paper" data-sort="0.5">0.500</td>' in found
    assert '<td class="num paper" data-sort="">–</td>' in found
    assert found.count('data-sort=""') == 2


def test_plotly_is_in_the_page_once():
    head = Section("", "", "sizes", {"charts": []})
    text = page.whole(EVIL, head, [head])
    assert text.count("plotly.js v") == 1
    assert text.count("<script>") == 2
    assert "<noscript>" in text
    assert text.count("<title>&lt;/script&gt;&lt;script&gt;alert(1)") == 1
