"""Another test set, or the last weights, of an experiment: never taken for its own."""

import json
import pathlib

import pytest

from tests.bin import running

COMMITTED = pathlib.Path(__file__).parents[1] / "docs/results/recipe_test_acdc.json"


@pytest.fixture
def experiment(tmp_path):
    """Of which no cell is done, so that nothing is evaluated."""
    content = json.loads(COMMITTED.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell.update(state="not run", dice=None)
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("flag", "said"),
    [("--weights=last", "weights is "), ("--split=paper:prostate", "split.file is ")],
)
def test_it_is_not_put_together_with_the_experiment(experiment, tmp_path, flag, said):
    output = tmp_path / "again"
    done = running.benchmark(
        "retested", f"--experiment={experiment}", f"--output={output}", flag
    )
    assert done.returncode == 0, done.stderr
    both = ",".join(str(it / "results.json") for it in (experiment, output))
    done = running.benchmark("merged", f"--input={both}", f"--output={tmp_path}/m.json")
    assert done.returncode == 1 and f"other settings: {said}" in done.stderr
    assert not (tmp_path / "m.json").exists()
