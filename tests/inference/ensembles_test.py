import dataclasses
import json
import shutil

import numpy as np
import pytest

from dscl_tf import errors, stages
from dscl_tf.inference import ensembles, evaluate, export, predictor
from dscl_tf.training import run_folder


@pytest.fixture(scope="module")
def runs(make_stage, tmp_path_factory):
    """Two runs of other seeds."""
    root = tmp_path_factory.mktemp("ensemble")
    made = [make_stage("finetune", root / f"r{s}", 4, seed=s) for s in (0, 1)]
    return [stages.run([stage])[0] for stage in made]


def test_it_says_the_mean_of_what_its_members_say(runs, tmp_path):
    slices = np.random.default_rng(0).random((3, 16, 16), np.float32)
    alone = [predictor.open_predictor(run).probabilities(slices) for run in runs]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    together = predictor.open_predictor(",".join(map(str, runs)))
    np.testing.assert_allclose(
        together.probabilities(slices), np.mean(alone, axis=0), atol=1e-6
    )
    assert together.runs == tuple(runs)
    export.export_model(ensembles.load(runs), tmp_path / "export")
    exported = predictor.open_predictor(tmp_path / "export")
    assert exported.model_id == together.model_id
    np.testing.assert_array_equal(
        exported.probabilities(slices), together.probabilities(slices)
    )


def test_it_is_evaluated_on_the_split_of_its_members(runs, tiny_folder, tmp_path):
    opened = predictor.open_predictor(",".join(map(str, runs)))
    settings = evaluate.EvaluationConfig(
        str(tiny_folder), str(tmp_path / "test"), pictures=False
    )
    content = evaluate.evaluate(opened, settings)
    record = run_folder.RunFolder(runs[0]).read_record()
    assert content["volumes"] == list(record.split.test)


def test_runs_of_other_splits_need_a_split(runs, make_stage, tiny_folder, tmp_path):
    record = run_folder.RunFolder(runs[0]).read_record()
    other = dataclasses.replace(record.config.split, seed=5)
    stage = make_stage("finetune", tmp_path / "other", 2, split=other)
    opened = predictor.open_predictor(f"{runs[0]},{stages.run([stage])[0]}")
    settings = evaluate.EvaluationConfig(
        str(tiny_folder), str(tmp_path / "test"), subset="train", pictures=False
    )
    with pytest.raises(errors.UserError, match="have other train volumes: give"):
        evaluate.evaluate(opened, settings)


def test_what_most_members_keep_in_one_piece(runs):
    members = [
        dataclasses.replace(run_folder.load_segmenter(runs[0]), largest_component=kept)
        for kept in ((1, 2), (2,), (2, 3))
    ]
    assert ensembles.combined(members).largest_component == (2,)
    # One of two is not most.
    assert ensembles.combined(members[:2]).largest_component == (2,)


def test_what_does_not_fit_together_is_refused(runs, tmp_path):
    with pytest.raises(errors.UserError, match="names a run twice"):
        predictor.open_predictor(f"{runs[0]},{runs[0]}")
    with pytest.raises(errors.UserError, match="No model folder at"):
        predictor.open_predictor(f"{runs[0]},{tmp_path / 'none'}")
    with pytest.raises(errors.UserError, match="are runs, found nothing"):
        predictor.open_predictor(f"{runs[0]},")
    export.export_model(run_folder.load_segmenter(runs[0]), tmp_path / "export")
    with pytest.raises(errors.UserError, match=r"are runs, found an export, .*export"):
        predictor.open_predictor(f"{runs[1]},{tmp_path / 'export'}")
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    config_file = other / "config.json"
    text = config_file.read_text().replace('"disc"', '"ring"')
    config_file.write_text(text)
    with pytest.raises(errors.UserError, match=r"do not fit together: .*'ring'"):
        predictor.open_predictor(f"{runs[0]},{other}")


def test_masks_have_the_voxel_values_of_all_members(runs, tmp_path):
    named = []
    for number, run in enumerate(runs[:2]):
        named.append(tmp_path / str(number))
        shutil.copytree(run, named[-1])
        config_file = named[-1] / "config.json"
        content = json.loads(config_file.read_text())
        content["label_values"] = [0, 100 + number]
        config_file.write_text(json.dumps(content))
    with pytest.raises(errors.UserError, match=r"label_values \(0, 100\).*\(0, 101\)"):
        predictor.open_predictor(f"{named[0]},{named[1]}")
    # Whichever comes first.
    unknowing = tmp_path / "unknowing"
    shutil.copytree(runs[0], unknowing)
    without = json.loads((unknowing / "config.json").read_text())
    without.pop("label_values", None)
    (unknowing / "config.json").write_text(json.dumps(without))
    with pytest.raises(errors.UserError, match=r"label_values \(0, 100\).*\(0, 101\)"):
        predictor.open_predictor(f"{unknowing},{named[0]},{named[1]}")
    # Runs of an earlier version do not know them.
    del content["label_values"]
    config_file.write_text(json.dumps(content))
    for both in (named, named[::-1]):
        model = predictor.open_predictor(",".join(map(str, both)))
        assert model.label_values == (0, 100)


def test_last_weights_instead_of_chosen_ones(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    folder = run_folder.RunFolder(run)
    last = run / "checkpoints" / "ckpt-4"
    assert folder.last_checkpoint() == last
    # As if validation had chosen those of the middle.
    folder.finish(run / "checkpoints" / "ckpt-2", 4, {"best_step": 2})
    slices = np.random.default_rng(0).random((3, 16, 16), np.float32)
    network = run_folder.load_network(folder.read_record(), last)
    chosen, found = (predictor.open_predictor(run, last=k) for k in (False, True))
    assert chosen.model_id != found.model_id
    logits = network(slices[..., None], training=False).numpy()
    np.testing.assert_array_equal(
        found.probabilities(slices).argmax(-1), logits.argmax(-1)
    )
    export.export_model(ensembles.load([run], last=True), tmp_path / "export")
    exported = predictor.open_predictor(tmp_path / "export")
    assert exported.model_id == found.model_id
    with pytest.raises(
        errors.UserError, match=r"--weights=last is for runs, but .*exp"
    ):
        predictor.open_predictor(tmp_path / "export", last=True)
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(errors.UserError, match="has no checkpoint of its last step"):
        predictor.open_predictor(run, last=True)
