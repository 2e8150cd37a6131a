"""The report in a real browser: a page around it looks at it and says what it saw."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from dscl_tf import stages
from dscl_tf.inference import evaluate, predictor
from dscl_tf.reporting import report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
]
# Put at the end of the page: what a reader would see, as JSON in its title.
PROBE = """<script>window.addEventListener("load", () => {
  const body = document.querySelector("tbody");
  const at = document.querySelectorAll("thead")[0].rows[0].cells.length > 4 ? 3 : 1;
  const column = k => [...body.rows].map(
    row => row.cells[k].textContent);
  const button = document.querySelectorAll("th button")[at];
  button.click(); const up = column(at); button.click(); const down = column(at);
  const style = getComputedStyle(document.body);
  document.title = "SEEN" + JSON.stringify({
    up, down, sorted: document.querySelectorAll("th")[at].getAttribute("aria-sort"),
    pictures: [...document.images].map(image => image.naturalWidth),
    overflow: document.documentElement.scrollWidth - innerWidth,
    background: style.backgroundColor, charts: document.querySelectorAll("svg").length,
  });
});</script></body>"""


def look(path: pathlib.Path, width: int, *flags: str) -> tuple[dict, str]:
    """What the probe saw, and what the console said."""
    probed = path.with_name("probed.html")
    probed.write_text(path.read_text().replace("</body>", PROBE))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--window-size={width},900", "--enable-logging=stderr", *flags]
    command += ["--virtual-time-budget=2000", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>SEEN(.*?)</title>", done.stdout, re.S)
    assert title, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(title[1].replace("&quot;", '"')), "\n".join(console)


@pytest.mark.parametrize("width", [500, 1280])
def test_page_works(experiment, width):
    seen, console = look(report.write(str(experiment())), width)
    assert console == ""
    assert seen["up"] == sorted(seen["up"]) != seen["down"]
    assert seen["down"] == sorted(seen["up"], reverse=True)
    assert seen["sorted"] == "descending"
    assert seen["overflow"] <= 0
    assert seen["charts"] == 4


@pytest.fixture(scope="module")
def run(make_stage, tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    finetune = make_stage("finetune", folder / "finetune")
    stages.run([finetune])
    settings = evaluate.EvaluationConfig(
        str(tiny_folder), str(folder / "test"), pictures=False
    )
    evaluate.evaluate(predictor.open_predictor(finetune.workdir), settings)
    return folder


def test_pictures_load(run):
    seen, console = look(report.write(str(run)), 500)
    assert console == ""
    assert len(seen["pictures"]) == 3 and all(seen["pictures"])
    assert seen["overflow"] <= 0


def test_phone_width_in_a_frame(experiment, tmp_path):
    # Headless windows have a least width, frames have none.
    path = report.write(str(experiment()))
    probe = """<iframe src="report.html" width="360" height="800"></iframe><script>
    window.addEventListener("load", () => {const page = frames[0].document;
      document.title = "SEEN" + JSON.stringify({overflow:
        page.documentElement.scrollWidth - 360, tables: page.images.length})})
    </script></body>"""
    outer = path.with_name("outer.html")
    outer.write_text("<!doctype html><html><head><title></title></head><body>" + probe)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [*command, outer.as_uri()], capture_output=True, text=True, timeout=120
    )
    title = re.search(r"<title>SEEN(.*?)</title>", done.stdout, re.S)
    assert title, done.stderr[-2000:]
    assert json.loads(title[1].replace("&quot;", '"'))["overflow"] <= 0


def test_light_and_dark(experiment):
    path = report.write(str(experiment()))
    light, _ = look(path, 1000)
    dark, _ = look(path, 1000, "--blink-settings=preferredColorScheme=0")
    assert light["background"] == "rgb(255, 255, 255)"
    assert dark["background"] == "rgb(16, 20, 24)"
