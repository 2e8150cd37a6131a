import math

import pytest

from dscl_tf.reporting import tables
from dscl_tf.reporting.tables import Cell, Column


def test_a_table_sorts_by_numbers_and_heads_its_rows():
    columns = [Column("<Method>", False), Column("Dice"), Column("Paper", True, True)]
    rows = [["a<b", Cell("0.9 ± 0.1", 0.9, True), Cell("0.5", 0.5)], ["c", None, None]]
    found = tables.table("A & B", columns, rows)
    assert "<caption>A &amp; B</caption>" in found
    assert found.count('aria-sort="none"') == 3
    assert '<button type="button">&lt;Method&gt;</button>' in found
    assert '<th scope="row">a&lt;b</th>' in found
    assert '<td class="num best" data-sort="0.9">0.9 ± 0.1</td>' in found
    assert '<td class="num paper" data-sort="0.5">0.5</td>' in found
    assert found.count('data-sort=""') == 2


@pytest.mark.parametrize(
    "found, expected",
    [
        (tables.number(None), "–"),
        (tables.number(math.inf), "–"),
        (tables.number(-0.12345), "−0.123"),
        (tables.signed(0.05), "+0.050"),
        (tables.signed(-0.05), "−0.050"),
        (tables.spread(0.5, None), "0.500"),
        (tables.spread(0.5, 0.0123), "0.500 ± 0.012"),
        (tables.spread(None, None), "–"),
        (tables.interval(0.1, -0.1, 0.3), "+0.100 [−0.100, +0.300]"),
        (tables.interval(0.1, None, None), "+0.100"),
        (tables.duration(30), "30 s"),
        (tables.duration(600), "10 min"),
        (tables.duration(9000), "2.5 h"),
        (tables.duration(None), "–"),
    ],
)
def test_figures(found, expected):
    assert found == expected
