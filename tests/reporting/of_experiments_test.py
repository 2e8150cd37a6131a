"""The report of what dscl-experiment itself writes, from plan to page."""

import pytest

from dscl_tf import config, files
from dscl_tf.experiments import grids, plan, worker
from dscl_tf.experiments import results as written
from dscl_tf.reporting import report, results
from dscl_tf.training import records, run_folder
from tests.reporting import making

DICE = {"random": 0.4, "gr": 0.5, "gd": 0.6, "gd+lr": 0.7, "benchmark": 0.9}


@pytest.fixture
def root(make_stage, tiny_cohort, tmp_path):
    """A function from the methods that have finished to an experiment's folder."""
    stages = ("encoder", "decoder", "pretext", "finetune")
    bases = {name: make_stage(name, "") for name in stages}

    def make(done):
        grid = config.GridConfig("quick", tuple(DICE), (1, 2), 3, (0,), 1)
        found = plan.make_plan(grids.make_grid(grid), bases, tmp_path)
        for cell in found.cells:
            if cell.method.name in done:
                finish(tmp_path, cell, numbers(found.cells, cell.size).index(cell.draw))
        settings = {"finetune": {"seed": 0, "optimizer": {"num_steps": 3}}}
        written.write(
            tmp_path, written.gather(found, tmp_path, tiny_cohort, settings, "acdc")
        )
        return tmp_path

    return make


def numbers(cells, size):
    """The draws of a size; numbers that would repeat a draw are not among them."""
    return sorted({cell.draw for cell in cells if cell.size == size})


def finish(root, cell, place):
    """Leaves what a finished cell leaves, as far as results are made of it."""
    dice = DICE[cell.method.name] + 0.01 * place
    folder = root / cell.task.name
    files.write_json(folder / worker.DONE, {"seconds": 1.0})
    for record in cell.task.records:
        run = run_folder.RunFolder(record.config.workdir)
        files.write_json(run.config_file, records.to_json(record))
        files.write_json(run.result_file, {})
    summary = {
        "foreground_mean": {"Dice": dice},
        "label_names": {"1": "disc"},
        "mean": {"1": {"Dice": dice}},
        "metric_per_case": [],
    }
    files.write_json(folder / worker.EVALUATION / "summary.json", summary)


def test_every_field_is_read(root):
    found = results.read(root(DICE))
    assert found.structures == ["disc"]
    assert found.sizes == [1, 2, "all"]
    assert found.row("gd", 2)["versus_random"]["mean"] == pytest.approx(0.2)
    text = report.write(report.ReportConfig(str(found.folder))).read_text()
    # The mean of 0.70, 0.71 and 0.72, above random weights by 0.3 in every draw.
    assert (
        "With 1 labelled volume, Gᴰ + Lᴿ has the highest mean Dice: 0.710 ± 0.010 "
        "(n = 3); against Random init. over the same draws +0.300 [+0.300, +0.300]."
    ) in making.summary(text)
    assert "on its own data of acdc" in text
    assert "rather too narrow" in text
    assert "num_steps" in text


def test_a_method_that_is_missing_leaves_the_best_open(root):
    folder = root(set(DICE) - {"gd"})
    text = report.write(report.ReportConfig(str(folder))).read_text()
    assert making.summary(text)[1] == (
        "With 1 labelled volume: 3 of 4 methods have a result: which is the best is "
        "not known yet."
    )
    assert "What has no result" in text and "num best" not in text


def test_cells_of_other_draws_leave_the_best_open(root):
    """Each method lacks one cell, but of another draw: their numbers agree."""
    folder = root(DICE)
    content = files.read_json_object(folder / written.RESULTS, "results")
    drawn = numbers(results.read(folder).cells, 1)
    lacking = {method: drawn[k % 2] for k, method in enumerate(DICE)}
    for cell in content["cells"]:
        if cell["size"] == 1 and cell["draw"] == lacking[cell["method"]]:
            cell.update(state="failed", dice=None)
    content["table"] = written.table_rows(content["cells"], list(DICE), {})
    files.write_json(folder / written.RESULTS, content)
    found = results.read(folder)
    assert {row["n"] for row in found.rows(1)} == {2}
    assert found.why_no_best(1).startswith("methods have finished cells of other draws")
    assert not found.is_even(1) and found.is_even(2) and not found.why_no_best(2)
    text = report.write(report.ReportConfig(str(folder))).read_text()
    assert "compare them by Δ alone" in text


def test_pretraining_that_was_deleted_is_said(root):
    folder = root(DICE)
    content = files.read_json_object(folder / written.RESULTS, "results")
    content["pretraining"][0]["state"] = "done"
    files.write_json(folder / written.RESULTS, content)
    text = report.write(report.ReportConfig(str(folder))).read_text()
    run = folder / content["pretraining"][0]["run"]
    assert f"{run} no longer exists." in text
