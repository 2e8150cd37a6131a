import math

import pytest

from dscl_tf.reporting import words


@pytest.mark.parametrize(
    "found, expected",
    [
        (words.number(None), "–"),
        (words.number(math.inf), "–"),
        (words.number(-0.12345), "−0.123"),
        (words.signed(0.05), "+0.050"),
        (words.signed(-0.05), "−0.050"),
        (words.signed(None), "–"),
        (words.spread(0.5, None), "0.500"),
        (words.spread(0.5, 0.0123), "0.500 ± 0.012"),
        (words.spread(None, None), "–"),
        (words.interval(0.1, -0.1, 0.3), "+0.100 [−0.100, +0.300]"),
        (words.interval(0.1, None, None), "+0.100"),
        (words.duration(30), "30 s"),
        (words.duration(600), "10 min"),
        (words.duration(9000), "2.5 h"),
    ],
)
def test_figures(found, expected):
    assert found == expected


@pytest.mark.parametrize(
    "title, expected",
    [
        ("G^D + L^R", "Gᴰ + Lᴿ"),
        ("G^D-", "Gᴰ⁻"),
        ("G^D-only", "Gᴰ⁻only"),
        ("Random init.", "Random init."),
        ("a^b^", "a^b^"),
    ],
)
def test_superscripts(title, expected):
    assert words.title_text(title) == expected


def test_sizes_in_words():
    assert words.size_words(1) == "1 labelled volume"
    assert words.size_words(2) == "2 labelled volumes"
    assert words.size_words("all") == "all labelled volumes"
