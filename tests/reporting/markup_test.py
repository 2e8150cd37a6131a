import pytest

from dscl_tf.reporting import markup


def test_text_is_escaped_and_markup_is_not():
    inner = markup.tag("b", '<i> & "q"')
    assert inner == "<b>&lt;i&gt; &amp; &quot;q&quot;</b>"
    assert markup.tag("p", inner, None, "<") == f"<p>{inner}&lt;</p>"


def test_attributes_are_escaped_named_and_left_out():
    found = markup.tag(
        "a", class_='x"><script>', aria_sort="none", hidden=True, id=None, open=False
    )
    assert found == (
        '<a class="x&quot;&gt;&lt;script&gt;" aria-sort="none" hidden></a>'
    )


def test_empty_tags_are_not_closed():
    assert markup.tag("img", src="s", width=3) == '<img src="s" width="3">'


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
    assert markup.title_text(title) == expected
