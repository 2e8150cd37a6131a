"""The report in a real browser: loads, sorts, fits, and can be read, light and dark."""

import json
import pathlib

import pytest

from dscl_tf.reporting import report
from tests.reporting import chromium, making

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PATH is None, reason="no chromium on PATH"),
]
TABLE = 2  # That of one labelled volume, after the failed cells and the overview.
MEASURE = (pathlib.Path(__file__).parent / "measure_page.js").read_text()
UNFOLD = "for (const each of document.querySelectorAll('details')) each.open = true"
ALL_DRAWN = (
    "Array.from(document.querySelectorAll('.chart'))"
    ".every(chart => chart.querySelector('.main-svg'))"
)
EVIL = '<a href="//a.b">x</a><b>%{x}</b>'


@pytest.fixture(scope="module")
def page(tmp_path_factory, evaluation, evaluated_cohort):
    """The report of an experiment with names of all lengths, and with pictures."""
    folder = tmp_path_factory.mktemp("experiment")
    content = making.experiment(folder)
    content["cohort"]["prepared"] = str(evaluated_cohort.folder)
    content["cohort"]["id"] = evaluated_cohort.content_id
    content["grid"]["flags"] = {"a_flag": "/a/very/long/path" * 20}
    content["grid"]["methods"][1]["title"] = EVIL
    content["cells"][-1] |= {"state": "failed", "error": "Cannot write. " * 30}
    for cell in content["cells"]:
        cell["evaluation"] = str(evaluation)
    for number in range(9):
        name = f"method_{number}"
        method = {"name": name, "title": f"A method of a long name {number}"}
        content["grid"]["methods"].append(method)
        row = making.row("gd", 1) | {"method": name, "mean": 0.1 * number}
        content["table"].append(row)
    (folder / "results.json").write_text(json.dumps(content))
    return report.write(report.ReportConfig(str(folder)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = chromium.Chromium(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def measured(browser):
    """What the page measures of itself with everything unfolded and drawn."""
    browser.evaluate(UNFOLD)
    browser.wait(ALL_DRAWN)
    return browser.evaluate(MEASURE)


def test_loads_from_a_file_without_a_complaint_or_a_request(page, browser):
    browser.show()
    browser.open(page)
    assert f"Experiment {page.parent.name}" in browser.evaluate(
        "document.body.innerText"
    )
    browser.evaluate(UNFOLD)
    browser.wait(ALL_DRAWN)
    assert browser.complaints == []
    assert browser.requests == []


def test_a_complaint_would_be_heard(page, tmp_path, browser):
    broken = tmp_path / "broken.html"
    text = page.read_text(encoding="utf-8")
    broken.write_text(text.replace("</body>", "<script>nothing()</script></body>"))
    browser.open(broken)
    assert len(browser.complaints) == 1
    broken.write_text(
        text.replace("</body>", '<img src="http://localhost:1/x"></body>')
    )
    browser.open(broken)
    assert any("Content Security Policy" in line for line in browser.complaints)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits_and_can_be_read(page, browser, width, dark):
    browser.show(width, dark)
    browser.open(page)
    found = measured(browser)
    assert browser.complaints == []
    assert found["width"] == width
    assert found["needed"] <= width
    assert found["dark"] == dark
    assert found["faint"] == []
    assert found["cut"] == []
    # Two methods have finished cells, of each the best, median and worst volume.
    assert len(found["images"]) == 6
    assert all(pixels > 100 for pixels in found["images"])
    assert found["charts"]
    assert all(100 < wide <= width for wide in found["charts"])
    assert found["drawings"] == pytest.approx(found["charts"], abs=1)


def test_charts_follow_the_colours_and_the_width(page, browser):
    browser.show(1280, False)
    browser.open(page)
    light = measured(browser)
    browser.show(1280, True)
    first = "getComputedStyle(document.querySelector('.chart text')).fill"
    browser.wait(f"{first} !== {light['inks'][0]!r}")
    dark = measured(browser)
    assert set(dark["inks"]).isdisjoint(light["inks"])
    browser.show(700, True)
    browser.wait(
        "Array.from(document.querySelectorAll('.chart')).every(chart => "
        "chart.querySelector('.main-svg').clientWidth === chart.clientWidth)"
    )
    assert measured(browser)["needed"] <= 700


def test_a_value_is_shown_under_the_pointer(page, browser):
    browser.show()
    browser.open(page)
    browser.evaluate("document.querySelector('#sizes .chart').scrollIntoView()")
    place = browser.evaluate(
        "(box => [box.x + box.width / 2, box.y + box.height / 2])(document."
        "querySelector('#sizes .point').getBoundingClientRect())"
    )
    browser.point(*place)
    browser.wait("!!document.querySelector('#sizes .hoverlayer text')")
    shown = browser.evaluate("document.querySelector('#sizes .hoverlayer').textContent")
    assert "0.500 ± 0.100 with 1" in shown
    assert "Random initialisation" in shown


def test_names_in_charts_are_texts(page, browser):
    browser.show()
    browser.open(page)
    measured(browser)
    texts = browser.evaluate(
        "Array.from(document.querySelectorAll('.chart text'), each => each.textContent)"
    )
    assert EVIL in texts
    assert browser.evaluate("document.querySelectorAll('.chart svg a').length") == 0


def test_paper_gets_light_charts_and_all_that_is_folded(page, browser):
    browser.show(1280, True)
    browser.open(page)
    assert browser.pdf().startswith(b"%PDF")
    # After it the page is as it was.
    folded = "document.querySelectorAll('details:not([open]):not(.bulk)').length"
    num_folded = browser.evaluate(folded)
    assert num_folded > 0
    browser.show(700, True, "print")
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate(folded) == 0
    browser.wait(ALL_DRAWN)
    found = browser.evaluate(
        MEASURE.replace(
            'querySelectorAll(".chart")', "querySelectorAll('.js-plotly-plot')"
        )
    )
    assert found["faint"] == []
    assert found["needed"] <= 700
    assert max(found["drawings"]) <= 330
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate(folded) == num_folded
    assert browser.complaints == []


def test_without_scripts_the_tables_are_there_and_the_charts_are_missed(page, browser):
    browser.show()
    browser.open(page, with_scripts=False)
    text = browser.evaluate("document.body.innerText")
    assert "The charts need JavaScript" in text
    assert "0.500 ± 0.100" in text


def orders_of(browser, page, head, keys=(None, None)):
    """A column and the headings' orders: as it was, and after each key or click."""
    browser.show()
    browser.open(page)
    browser.evaluate(
        f"""var table = document.querySelectorAll("table.sortable")[{TABLE}];
        var heads = Array.from(table.tHead.rows[0].cells);
        var column = heads.findIndex(each => each.textContent.startsWith("{head}"));
        var button = heads[column].querySelector("button");
        button.focus();"""
    )
    read = """({
        aria: heads.map(head => head.getAttribute("aria-sort")),
        cells: Array.from(table.tBodies[0].rows, row => row.cells[column].textContent),
        focused: document.activeElement === button,
    })"""
    found = [browser.evaluate(read)]
    for key in keys:
        if key is None:
            browser.evaluate("button.click()")
        else:
            browser.press(key)
        found.append(browser.evaluate(read))
    return found


@pytest.mark.parametrize("keys", [(None, None), ("Enter", " ")], ids=["click", "keys"])
def test_tables_sort_by_numbers_both_ways(page, browser, keys):
    before, down, up = orders_of(browser, page, "Dice", keys)
    assert set(before["aria"]) == {"none"}
    assert down["aria"].count("descending") == 1
    assert up["aria"].count("ascending") == 1
    figures = [float(cell.split()[0]) for cell in down["cells"]]
    assert figures == sorted(figures, reverse=True)
    assert sorted(up["cells"]) == sorted(before["cells"])
    assert [float(cell.split()[0]) for cell in up["cells"]] == sorted(figures)
    assert up["focused"]


def test_what_has_no_number_stays_last(page, browser):
    _, down, up = orders_of(browser, page, "Δ to Random")
    assert down["cells"][-1] == up["cells"][-1] == "–"


def test_names_sort_from_a(page, browser):
    _, first, second = orders_of(browser, page, "Method")
    assert first["aria"][0] == "ascending"
    assert first["cells"][1] == "A method of a long name 0"
    assert second["cells"][-2] == "A method of a long name 0"


def test_the_keyboard_reaches_what_it_can_use(page, browser):
    browser.show()
    browser.open(page)
    reached = []
    for _ in range(25):
        browser.press("Tab")
        reached.append(browser.evaluate("document.activeElement.tagName"))
    assert {"A", "BUTTON", "DIV", "SUMMARY"} <= set(reached)
