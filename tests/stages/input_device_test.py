"""Where a GPU augments, stages have it do so."""

import pytest

from dscl_tf import stages
from dscl_tf.pipeline import streams
from dscl_tf.stages import timing
from dscl_tf.training import runtime
from tests import weights


@pytest.fixture
def places(monkeypatch):
    """Where batches were made, on a machine whose CPU is said to be a GPU."""
    found, open_on = [], streams.Source.open_on
    plain = runtime.Runtime("float32", False, "/CPU:0")
    monkeypatch.setattr(runtime, "resolve", lambda config, num_steps: plain)

    def spy(source, device, *steps):
        found.append(device)
        return open_on(source, device, *steps)

    monkeypatch.setattr(streams.Source, "open_on", spy)
    return found


def test_a_stage_trains_on_batches_of_its_device(make_stage, tmp_path, places):
    stages.run([make_stage("finetune", tmp_path / "gpu", 2)])
    assert places == ["/CPU:0"]
    seconds = timing.seconds_of(make_stage("finetune", tmp_path / "timed", 2))
    assert places == ["/CPU:0"] * 2 and seconds > 0


def test_they_are_the_batches_of_the_cpu(make_stage, tmp_path, places, monkeypatch):
    stages.run([make_stage("finetune", tmp_path / "gpu", 2)])
    monkeypatch.undo()
    stages.run([make_stage("finetune", tmp_path / "cpu", 2)])
    weights.assert_same(tmp_path / "gpu", tmp_path / "cpu", atol=1e-5)
