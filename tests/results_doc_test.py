"""docs/results.md shows what the committed results say."""

import json
import pathlib
import subprocess
import sys

import pytest

from dscl_tf.experiments import results

DOCS = pathlib.Path(__file__).parents[1] / "docs"
COMMITTED = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((DOCS / "results").glob("*_phantom*.json"))
}


@pytest.mark.parametrize("name", COMMITTED)
def test_tables_are_those_of_the_cells(name):
    content = COMMITTED[name]
    methods = [each["name"] for each in content["grid"]["methods"]]
    rows = results.table_rows(content["cells"], methods, {})
    assert json.loads(json.dumps(rows)) == content["table"]
    assert results.as_markdown(content) in (DOCS / "results.md").read_text("utf-8")


def pool(*words):
    script = DOCS.parent / "benchmarks" / "pooled.py"
    command = [sys.executable, str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cohorts_together_are_those_of_the_cells():
    files = [
        DOCS / "results" / f"{name}_phantom.json" for name in ("table1", "cohort1")
    ]
    done = pool(f"--input={files[0]},{files[1]}", "--size=1")
    assert done.returncode == 0, done.stderr
    text = (DOCS / "results.md").read_text("utf-8")
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) == 6 + 2 + 12  # Four methods, twelve draws, two heads.
    assert [line for line in lines if line not in text] == []
    random = [
        cell["dice"]
        for name in ("table1_phantom.json", "cohort1_phantom.json")
        for cell in COMMITTED[name]["cells"]
        if (cell["method"], cell["size"]) == ("random", 1)
    ]
    assert f"| 1 | Random init. | 12 | {sum(random) / 12:.3f} ±" in done.stdout


def test_cohorts_together_need_two():
    done = pool("--input=one.json")
    assert done.returncode == 1
    assert "--input names fewer than two files" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_are_some():
    assert {"table1_phantom.json", "table2_phantom.json"} <= COMMITTED.keys()
