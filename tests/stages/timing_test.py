import dataclasses
import re

import pytest

from dscl_tf import config, errors, stages
from dscl_tf.methods import rounds
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.stages import timing
from tests import weights


def test_what_is_left_of_a_chain_is_timed_and_nothing_is_kept(make_stage, tmp_path):
    encoder = make_stage("encoder", tmp_path / "encoder", 2)
    stages.run([encoder])
    added = config.FinetuneConfig(
        batch_size=3, consistency=ConsistencyConfig(0.5, steps_factor=2)
    )
    finetune = make_stage(
        "finetune", tmp_path / "finetune", 30, finetune=added, init=encoder.workdir
    )
    chain = rounds.with_rounds([encoder, finetune], 0)
    done, first, second, total = timing.outline(chain).splitlines()
    assert done == f"done  {encoder.workdir}"
    assert f"{tmp_path}/finetune_round_0: 30 steps, about " in first
    assert f"{tmp_path}/finetune: 60 steps, about " in second
    assert re.fullmatch(r"About \d+\.\d min in all\.", total)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_other_settings_in_a_folder_are_refused_before_any_work(make_stage, tmp_path):
    stages.run([make_stage("finetune", tmp_path / "finetune", 2)])
    added = config.FinetuneConfig(batch_size=3, consistency=ConsistencyConfig(0.5))
    stage = make_stage("finetune", tmp_path / "finetune", 2, finetune=added)
    chain = rounds.with_rounds([stage], 0)
    for run in (timing.outline, stages.run):
        with pytest.raises(errors.UserError, match="holds a run with other settings"):
            run(chain)
    assert [path.name for path in tmp_path.iterdir()] == ["finetune"]


def test_it_is_timed_on_one_device(make_stage):
    stage = make_stage("encoder", "w")
    runtime = dataclasses.replace(stage.runtime, distribution="mirrored")
    alone = dataclasses.replace(stage, runtime=runtime, init="before").alone
    assert alone.runtime.distribution == "none" and alone.init is None


def test_a_long_chain_says_how_long_it_takes_and_a_short_one_does_not(
    make_stage, tmp_path, monkeypatch, caplog
):
    def said(*stages_):
        caplog.clear()
        with caplog.at_level("INFO"):
            timing.announce(stages_)
        return caplog.text

    short = make_stage("encoder", tmp_path / "encoder", 30)
    long = make_stage("encoder", tmp_path / "encoder", 5000)
    assert said(short) == ""
    assert "5000 steps, about " in said(long) and not (tmp_path / "encoder").exists()
    runtime = dataclasses.replace(long.runtime, distribution="mirrored")
    assert said(dataclasses.replace(long, runtime=runtime)) == ""
    stages.run([short])
    monkeypatch.setattr(timing, "seconds_of", None)  # What has begun is not timed.
    assert said(long) == ""


def test_what_was_timed_before_has_the_same_weights(make_stage, tmp_path):
    first, second = (make_stage("finetune", tmp_path / k, 2) for k in ("a", "b"))
    stages.run([first])
    timing.seconds_of(second)
    stages.run([second])
    weights.assert_same(second.workdir, first.workdir)
