"""Evaluations beside the weights that their run has now."""

import dataclasses
import json
import pathlib
import re
import shutil

import pytest

from dscl_tf import errors, stages
from dscl_tf.inference import evaluate, predictor
from dscl_tf.reporting import weights
from dscl_tf.training import run_folder
from tests.small_stage import TINY_NETWORK


@pytest.fixture(scope="module")
def stage(make_stage, tmp_path_factory):
    """A finished run's settings; it has an evaluation of itself."""
    folder = tmp_path_factory.mktemp("work") / "run"
    # Statistics that follow soon, so that the weights of later steps are better.
    network = dataclasses.replace(TINY_NETWORK, batch_norm_momentum=0.5)
    stage = make_stage("finetune", folder / "finetune", 2, network=network)
    stages.run([stage])
    settings = evaluate.EvaluationConfig(
        stage.prepared, str(folder / "test"), pictures=False
    )
    evaluate.evaluate(predictor.open_predictor(folder), settings)
    return stage


@pytest.fixture
def folder(stage, tmp_path):
    """A copy of it, the files of which are all of the same age."""
    return shutil.copytree(pathlib.Path(stage.workdir).parent, tmp_path / "run")


def remark(folder):
    evaluations, runs = [("test", folder / "test")], run_folder.runs_in(folder)
    (found,) = weights.remarks(evaluations, runs).items()
    assert found[0] == "test"
    return found[1]


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_run_that_was_given_more_steps(stage, folder):
    assert remark(folder) == ""
    optimizer = dataclasses.replace(stage.optimizer, num_steps=16)
    longer = {"workdir": str(folder / "finetune"), "optimizer": optimizer}
    stages.run([dataclasses.replace(stage, **longer)])
    assert run_folder.RunFolder(folder / "finetune").read_result()["best_step"] > 2
    assert remark(folder).startswith("This is not of the weights that the run has now")
    # As dscl-evaluate says by itself.
    settings = evaluate.EvaluationConfig(stage.prepared, str(folder / "test"))
    with pytest.raises(errors.UserError, match="an evaluation of another model id"):
        evaluate.evaluate(predictor.open_predictor(folder), settings)


def test_a_run_that_is_being_given_more_steps(folder):
    (folder / "finetune" / "result.json").unlink()
    assert "it has none, since it is being trained" in remark(folder)


def test_of_another_round(folder):
    shutil.copytree(folder / "finetune", folder / "finetune_round_0")
    record = folder / "finetune" / "config.json"
    settings = json.loads(record.read_text())["config"]
    settings["finetune"]["pseudo_labels"]["round"] = 1
    change_json(record, config=settings)
    assert remark(folder) == ""
    # Masks that keep one piece are those of another model.
    change_json(folder / "finetune" / "result.json", largest_component=[1])
    assert remark(folder) == "This is of finetune_round_0, not of finetune."


def test_weights_that_cannot_be_read(folder):
    for path in (folder / "finetune" / "best").iterdir():
        path.write_bytes(b"?")
    assert re.match(
        r"Whether this is of the run's weights as they are now cannot be told: "
        r"Cannot read the checkpoint .*finetune/best/ckpt-2",
        remark(folder),
    )


def test_a_summary_that_names_no_model(folder):
    summary = folder / "test" / "summary.json"
    change_json(summary, model_id=5)
    with pytest.raises(errors.UserError, match=r"summary\.json: model_id: found"):
        remark(folder)
    content = json.loads(summary.read_text())
    del content["model_id"]
    summary.write_text(json.dumps(content))
    assert remark(folder).endswith("cannot be told: its summary.json has no model_id.")


def test_without_evaluations_no_weights_are_read(folder, monkeypatch):
    monkeypatch.setattr(run_folder, "load_segmenter", lambda run: pytest.fail())
    assert weights.remarks([], run_folder.runs_in(folder)) == {}
