"""The report in a real browser: loads, sorts, fits, and can be read, light and dark."""

import html
import json
import re
import shutil
import subprocess

import pytest

from dscl_tf.reporting import report
from tests.reporting import making

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
]
TABLE = 2  # That of one labelled volume, after the failed cells and the overview.
# In the report's own page: what it measures goes to the page around it.
PROBE = """
addEventListener("load", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const table = document.querySelectorAll("table.sortable")[PICK];
  const heads = Array.from(table.tHead.rows[0].cells);
  const column = heads.findIndex(head => head.textContent.startsWith("HEAD"));
  const read = () => ({
    aria: heads.map(head => head.getAttribute("aria-sort")),
    cells: Array.from(table.tBodies[0].rows, row => row.cells[column].textContent),
  });
  const orders = [read()];
  const button = heads[column].querySelector("button");
  for (let k = 0; k < 2; k++) { button.click(); orders.push(read()); }
  button.focus();
  parent.postMessage(JSON.stringify({
    width: innerWidth,
    needed: document.documentElement.scrollWidth,
    images: Array.from(document.images, image => image.naturalWidth),
    charts: Array.from(document.querySelectorAll("svg.chart"),
                       chart => chart.getBoundingClientRect().width),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    focused: document.activeElement === button,
    faint: faint(),
    orders,
  }), "*");
});
function channels(text) {
  return (text.match(/[\\d.]+/g) || []).map(Number);
}
function luminance(rgb) {
  const [r, g, b] = rgb.slice(0, 3).map(c => {
    c /= 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function background(element) {
  for (let at = element; at; at = at.parentElement) {
    const found = channels(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
}
// Texts with less contrast than WCAG AA asks for.
function faint() {
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = Array.from(element.childNodes).some(
      node => node.nodeType === 3 && node.textContent.trim());
    const unseen = ["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName);
    if (!own || unseen) continue;
    const style = getComputedStyle(element);
    const ink = channels(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(background(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(element.outerHTML);
  }
  return found;
}
"""
OUTER = """<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark">
<style>:root {{ color-scheme: light dark }} body {{ margin: 0 }}</style></head><body>
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>
<script>addEventListener("message", event => {{
  const found = document.createElement("pre");
  found.id = "found"; found.textContent = event.data; document.body.append(found);
}});</script></body></html>"""


def chromium(path, *flags):
    """The DOM of a page after it has loaded, and what the console said."""
    result = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--window-size=1400,1000",
            "--virtual-time-budget=5000",
            *flags,
            "--dump-dom",
            f"file://{path}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return result.stdout, console


@pytest.fixture(scope="module")
def page(tmp_path_factory, evaluation, evaluated_cohort):
    """The report of an experiment with names of all lengths, and with pictures."""
    folder = tmp_path_factory.mktemp("experiment")
    content = making.experiment(folder)
    content["cohort"]["prepared"] = str(evaluated_cohort.folder)
    content["cohort"]["id"] = evaluated_cohort.content_id
    content["grid"]["flags"] = {"a_flag": "/a/very/long/path" * 20}
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


def probe(page, folder, width, dark, head="Dice"):
    """What the report measures of itself at a width."""
    script = PROBE.replace("PICK", str(TABLE)).replace("HEAD", head)
    text = page.read_text(encoding="utf-8")
    text = text.replace("</body>", f"<script>{script}</script></body>")
    outer = folder / "outer.html"
    outer.write_text(OUTER.format(width=width, page=html.escape(text)))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dom, console = chromium(outer, scheme)
    found = re.search('<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found, console
    return json.loads(html.unescape(found.group(1))), console


def test_loads_from_a_file_without_a_complaint(page):
    dom, console = chromium(page)
    assert console == []
    assert f"Experiment {page.parent.name}" in dom


def test_a_complaint_would_be_heard(page, tmp_path):
    broken = tmp_path / "broken.html"
    text = page.read_text(encoding="utf-8")
    broken.write_text(text.replace("</body>", "<script>nothing()</script></body>"))
    _, console = chromium(broken)
    assert len(console) == 1
    broken.write_text(
        text.replace("</body>", '<img src="http://localhost:1/x"></body>')
    )
    _, console = chromium(broken)
    assert any("Content Security Policy" in line for line in console)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits_and_can_be_read(page, tmp_path, width, dark):
    found, console = probe(page, tmp_path, width, dark)
    assert console == []
    assert found["width"] == width
    assert found["needed"] <= width
    assert found["dark"] == dark
    assert found["faint"] == []
    # Two methods have finished cells, of each the best, median and worst volume.
    assert len(found["images"]) == 6
    assert all(pixels > 100 for pixels in found["images"])
    assert found["charts"]
    assert all(100 < wide <= width for wide in found["charts"])


def test_tables_sort_by_numbers_both_ways(page, tmp_path):
    found, _ = probe(page, tmp_path, 1280, False)
    before, down, up = found["orders"]
    assert set(before["aria"]) == {"none"}
    assert down["aria"].count("descending") == 1
    assert up["aria"].count("ascending") == 1
    figures = [float(cell.split()[0]) for cell in down["cells"]]
    assert figures == sorted(figures, reverse=True)
    assert sorted(up["cells"]) == sorted(before["cells"])
    assert [float(cell.split()[0]) for cell in up["cells"]] == sorted(figures)
    assert found["focused"]


def test_what_has_no_number_stays_last(page, tmp_path):
    found, _ = probe(page, tmp_path, 1280, False, head="Δ to Random")
    _, down, up = found["orders"]
    assert down["cells"][-1] == up["cells"][-1] == "–"


def test_names_sort_from_a(page, tmp_path):
    found, _ = probe(page, tmp_path, 1280, False, head="Method")
    _, first, second = found["orders"]
    assert first["aria"][0] == "ascending"
    assert first["cells"][0] == "A method of a long name 0"
    assert second["cells"][-1] == "A method of a long name 0"
