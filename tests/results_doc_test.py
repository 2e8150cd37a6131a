"""docs/results.md shows what the committed results say."""

import json
import pathlib

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


def test_there_are_some():
    assert {"table1_phantom.json", "table2_phantom.json"} <= COMMITTED.keys()
