"""An experiment as a whole, without its work."""

import pytest

from dscl_tf import config, errors, locks
from dscl_tf.experiments import experiment


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
