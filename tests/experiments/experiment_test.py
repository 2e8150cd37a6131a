"""An experiment as a whole, without its work."""

import dataclasses

import pytest

from dscl_tf import config, errors, files, locks
from dscl_tf.experiments import experiment
from dscl_tf.training import records, run_folder


@pytest.fixture
def settings_of(make_stage, tmp_path):
    """A function from a shard to the settings of an experiment of two draws."""
    bases = {
        name: make_stage(name, tmp_path)
        for name in ("encoder", "decoder", "pretext", "finetune")
    }
    grid = config.GridConfig("quick", ("random",), (1,), 2)

    def make(shard=(0, 1)):
        return config.ExperimentConfig(grid, bases, str(tmp_path), shard=shard)

    return make


def test_more_steps_for_an_interrupted_cell_are_refused_before_any_work(
    settings_of, tmp_path, monkeypatch
):
    monkeypatch.setattr(experiment.running, "run_all", lambda *arguments: {})
    settings = settings_of()
    experiment.run(settings)
    (first, _) = experiment._plan(settings).tasks
    run = run_folder.RunFolder(first.stages[-1].workdir)
    files.write_json(run.config_file, records.to_json(first.records[-1]))
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "checkpoint").touch()
    experiment.run(settings)
    finetune = settings.bases["finetune"]
    more = dataclasses.replace(
        finetune, optimizer=dataclasses.replace(finetune.optimizer, num_steps=9)
    )
    longer = {**settings.bases, "finetune": more}
    with pytest.raises(errors.UserError, match="num_steps was 3, is now 9"):
        experiment.run(dataclasses.replace(settings, bases=longer))


def test_two_of_one_folder_are_refused_but_for_other_shards(
    settings_of, tmp_path, monkeypatch
):
    ran = []
    monkeypatch.setattr(
        experiment.running, "run_all", lambda tasks, *others: ran.append(tasks) or {}
    )
    for shard, folder in (((0, 1), tmp_path), ((1, 2), tmp_path / "shard_1_of_2")):
        refused = pytest.raises(errors.UserError, match=r"is in use by process")
        with locks.held(folder, "--workdir"), refused:
            experiment.run(settings_of(shard))
    assert not ran
    with locks.held(tmp_path / "shard_1_of_2", "--workdir"):
        experiment.run(settings_of((0, 2)))
    assert [[task.name for task in tasks] for tasks in ran] == [
        ["cells/n1_draw0_seed0_random"]
    ]
