"""Runs that are given more steps when they have ended, or before."""

import dataclasses
import json
import logging
import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, files, stages
from dscl_tf.cohort import splits
from dscl_tf.methods import rounds
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.stages import timing
from dscl_tf.training import records, run_folder, validation
from tests import curves, interrupting


def with_steps(stage, num_steps, **changes):
    optimizer = dataclasses.replace(stage.optimizer, num_steps=num_steps, **changes)
    return dataclasses.replace(stage, optimizer=optimizer)


def last_variables(stage):
    """All variables of a run's last checkpoint, the optimizer's too, by name."""
    path = str(run_folder.RunFolder(stage.workdir).last_checkpoint())
    return {
        name: tf.train.load_variable(path, name)
        for name, _ in tf.train.list_variables(path)
        if "OBJECT_GRAPH" not in name and "save_counter" not in name
    }


def assert_same_end(found, expected):
    found, expected = last_variables(found), last_variables(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def file_of(stage, name):
    return json.loads((pathlib.Path(stage.workdir) / name).read_text())


@pytest.fixture
def finetune(make_stage, tmp_path):
    return make_stage("finetune", tmp_path / "finetune", 2)


@pytest.mark.parametrize("name", ["encoder", "decoder", "pretext", "finetune"])
def test_it_ends_as_if_it_had_had_all_steps_from_the_start(
    make_stage, tmp_path, name, caplog
):
    changes = {}
    if name == "pretext":
        task = config.PretextTask.ROTATION
        changes["pretext"] = config.PretextConfig(task, batch_size=4)
    if name == "decoder":
        encoder = make_stage("encoder", tmp_path / "before" / "encoder", 1)
        changes["init"] = str(stages.run([encoder])[0])
    whole = make_stage(name, tmp_path / "whole", 4, **changes)
    short = make_stage(name, tmp_path / "short", 2, **changes)
    caplog.set_level(logging.INFO)
    stages.run([whole])
    stages.run([short])
    caplog.clear()
    longer = with_steps(short, 4)
    stages.run([longer])
    assert "Lengthened at step 2, from 2 to 4 steps." in caplog.text
    assert "Going on at step 2 of 4." in caplog.text
    assert "back up" not in caplog.text
    assert_same_end(longer, whole)
    loss = [curves.of_training(it.workdir, "loss") for it in (longer, whole)]
    assert loss[0] == loss[1] and len(loss[0]) == 4
    assert file_of(longer, "config.json")["config"]["optimizer"]["num_steps"] == 4
    lengthened = file_of(longer, "config.json")["lengthened"]
    assert lengthened == [{"at_step": 2, "from_steps": 2}]
    assert file_of(longer, "result.json")["steps"] == 4
    assert "lengthened" not in file_of(whole, "config.json")
    computing = file_of(whole, "config.json")["computing"]
    assert file_of(longer, "config.json")["computing"] == computing
    # And it is a finished run like any other.
    caplog.clear()
    stages.run([longer])
    assert "is finished; nothing to do" in caplog.text


def test_an_average_of_weights_and_a_warm_up_go_on_exactly(make_stage, tmp_path):
    # Both validate at step 4, which is the short one's last.
    averaged = config.FinetuneConfig(batch_size=3, average_decay=0.75, validate_every=2)
    whole, short = (
        with_steps(
            make_stage("finetune", tmp_path / name, finetune=averaged),
            num_steps,
            warmup_steps=3,
        )
        for name, num_steps in (("whole", 6), ("short", 4))
    )
    stages.run([whole])
    stages.run([short])
    stages.run([with_steps(short, 6)])
    assert_same_end(short, whole)


def test_a_run_that_was_interrupted_may_be_lengthened_and_interrupted_again(
    make_stage, tmp_path
):
    whole = make_stage("finetune", tmp_path / "whole", 7)
    cut = make_stage("finetune", tmp_path / "cut", 5)
    longer = with_steps(cut, 7)
    stages.run([whole])
    for stage, after in ((cut, 3), (longer, 3)):
        with interrupting.signal_after(after), pytest.raises(errors.Interrupted):
            stages.run([stage])
        assert not (pathlib.Path(cut.workdir) / "result.json").exists()
    stages.run([longer])
    assert_same_end(longer, whole)
    lengthened = file_of(longer, "config.json")["lengthened"]
    assert lengthened == [{"at_step": 3, "from_steps": 5}]


def test_a_falling_rate_goes_back_up_and_that_is_said(finetune, caplog):
    stages.run([with_steps(finetune, 2, cosine=True)])
    caplog.set_level(logging.INFO)
    stages.run([with_steps(finetune, 4, cosine=True)])
    said = "from 0 back up to 0.0005, which the schedule of 4 steps has at step 2"
    assert said in caplog.text
    rates = curves.of_training(finetune.workdir, "learning_rate")
    wave = [0.5 * (1 + np.cos(np.pi * share)) for share in (0, 1 / 2, 2 / 4, 3 / 4)]
    assert rates == pytest.approx([1e-3 * each for each in wave])


@pytest.mark.parametrize("is_better", [False, True])
def test_the_best_weights_stay_the_result_unless_later_ones_are_better(
    finetune, monkeypatch, is_better
):
    scores = iter([0.6, 0.7 if is_better else 0.5])
    monkeypatch.setattr(
        validation.Validator, "scores", lambda self: {"mean": next(scores)}
    )
    stages.run([finetune])
    stages.run([with_steps(finetune, 4)])
    best = 4 if is_better else 2
    assert file_of(finetune, "result.json") == {
        "checkpoint": f"best/ckpt-{best}",
        "steps": 4,
        "best_step": best,
        "validation_dice": 0.7 if is_better else 0.6,
    }


def test_while_it_is_lengthened_it_is_no_finished_run(make_stage, finetune, tmp_path):
    stages.run([finetune])
    longer = with_steps(finetune, 6)
    with interrupting.signal_after(2), pytest.raises(errors.Interrupted):
        stages.run([longer])
    with pytest.raises(errors.UserError, match="is not a finished run"):
        run_folder.load_segmenter(finetune.workdir)
    after = make_stage("finetune", tmp_path / "after", 1, init=finetune.workdir)
    with pytest.raises(errors.UserError, match="is not a finished run"):
        stages.run([after])
    with pytest.raises(errors.UserError, match="of 6 steps, but 2 are requested"):
        stages.run([finetune])
    stages.run([longer, after])


class Killed(BaseException):
    """Ends the process where it is, as far as the files are concerned."""


def killed_at(path, moment):
    """Dies before or after the file is written by `files.write_json`."""
    write = files.write_json

    def write_or_die(target, content):
        if moment == "before" and target == path:
            raise Killed
        write(target, content)
        if moment == "after" and target == path:
            raise Killed

    return mock.patch.object(files, "write_json", write_or_die)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_its_writes_the_same_command_goes_on(
    make_stage, finetune, tmp_path, moment
):
    whole = make_stage("finetune", tmp_path / "whole", 4)
    stages.run([whole])
    stages.run([finetune])
    longer, run = with_steps(finetune, 4), run_folder.RunFolder(finetune.workdir)
    with killed_at(run.config_file, moment), pytest.raises(Killed):
        stages.run([longer])
    assert run.read_result() is None
    stages.run([longer])
    assert_same_end(longer, whole)
    assert len(run.read_record().lengthened) == 1


def test_killed_before_its_record_is_written_it_also_ends_as_it_was(finetune):
    stages.run([finetune])
    run = run_folder.RunFolder(finetune.workdir)
    before = run.read_result(), run.config_file.read_bytes()
    with killed_at(run.config_file, "before"), pytest.raises(Killed):
        stages.run([with_steps(finetune, 4)])
    stages.run([finetune])
    assert (run.read_result(), run.config_file.read_bytes()) == before


def test_what_cannot_be_gone_on_from_stays_finished(finetune):
    folder = stages.run([finetune])[0]
    for path in (folder / "checkpoints").glob("ckpt-*.index"):
        path.write_bytes(b"damaged")
    before = (folder / "result.json").read_bytes()
    with pytest.raises(errors.UserError, match="None of the checkpoints"):
        stages.run([with_steps(finetune, 4)])
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(errors.UserError, match="4 steps: its checkpoints are gone"):
        stages.run([with_steps(finetune, 4)])
    assert (folder / "result.json").read_bytes() == before
    assert run_folder.load_segmenter(folder)  # The best weights are there still.
    stages.run([finetune])
    with pytest.raises(errors.UserError, match="seed was 0, is now 7"):
        stages.run([dataclasses.replace(finetune, seed=7)])


@pytest.fixture
def pretend(tiny_cohort):
    """A function that leaves what stages leave when they have finished."""

    def leave(chain):
        for stage in chain:
            split = splits.resolve(tiny_cohort, stage.split)
            run = run_folder.RunFolder(stage.workdir)
            run.start(records.make_record(stage, tiny_cohort, split))
            (run.path / "checkpoints").mkdir()
            (run.path / "checkpoints" / "checkpoint").touch()
            steps = stage.optimizer.num_steps
            run.finish(run.path / "checkpoints" / f"ckpt-{steps}", steps, {})

    return leave


def test_fewer_steps_and_other_settings_beside_are_refused(finetune, pretend):
    pretend([finetune])
    with pytest.raises(
        errors.UserError,
        match=r"finetune holds a run of 2 steps, but 1 are requested: .* not fewer\. "
        r"Request 2 or more with --finetune_steps, or use another --workdir\.",
    ):
        stages.run([with_steps(finetune, 1)])
    for other in (
        with_steps(finetune, 4, learning_rate=0.1),
        dataclasses.replace(with_steps(finetune, 4), seed=7),
    ):
        with pytest.raises(errors.UserError, match="holds a run with other settings"):
            stages.run([other])
    assert file_of(finetune, "result.json")["steps"] == 2


@pytest.fixture
def chain(make_stage, tmp_path):
    """Two stages, the second of which takes over the first."""
    encoder = make_stage("encoder", tmp_path / "encoder", 2)
    finetune = make_stage("finetune", tmp_path / "finetune", 2, init=encoder.workdir)
    return [encoder, finetune]


def test_what_was_taken_over_is_not_lengthened(chain, pretend):
    encoder, finetune = chain
    pretend(chain)
    longer = with_steps(encoder, 4)
    for wanted in ([longer, finetune], [longer, with_steps(finetune, 4)], [longer]):
        with pytest.raises(
            errors.UserError,
            match=r"encoder would go on from 2 to 4 steps, but \S+/finetune has "
            r"already taken over its weights: leave it at 2 and give \S+/finetune "
            r"more by --finetune_steps, or use another --workdir\.$",
        ):
            stages.run(wanted)
    assert file_of(encoder, "result.json")["steps"] == 2
    stages.check([encoder, with_steps(finetune, 4)])


def test_the_last_of_all_that_went_on_from_it_is_to_be_lengthened(
    chain, make_stage, tmp_path, pretend
):
    encoder, finetune = chain
    decoder = make_stage("decoder", tmp_path / "decoder", 2, init=encoder.workdir)
    chain = [encoder, decoder, dataclasses.replace(finetune, init=decoder.workdir)]
    pretend(chain)
    # As seen from where they are now.
    moved = tmp_path.with_name(f"{tmp_path.name}_moved")
    tmp_path.rename(moved)
    there = dataclasses.replace(encoder, workdir=str(moved / "encoder"))
    with pytest.raises(
        errors.UserError, match=r"but \S+moved/decoder has .* more by --finetune_steps"
    ):
        stages.check([with_steps(there, 4)])


def test_a_stage_before_those_that_have_begun_not_yet_is_lengthened(chain, tmp_path):
    stages.run(chain[:1])
    # A run of something else beside it does not matter.
    stages.run([dataclasses.replace(chain[1], init=None, workdir=f"{tmp_path}/other")])
    stages.run([with_steps(chain[0], 3), chain[1]])
    assert [file_of(it, "result.json")["steps"] for it in chain] == [3, 2]


def rounds_of(stage, num_steps, **settings):
    consistency = ConsistencyConfig(0.5, **settings)
    added = config.FinetuneConfig(
        batch_size=3, validate_every=2, consistency=consistency
    )
    stage = dataclasses.replace(with_steps(stage, num_steps), finetune=added)
    return rounds.with_rounds([stage], 0)


def test_of_two_rounds_the_last_is_lengthened_by_its_factor(finetune):
    stages.run(rounds_of(finetune, 1, steps_factor=1))
    with pytest.raises(
        errors.UserError,
        match=r"finetune_round_0 would go on from 1 to 3 steps, but \S+/finetune has "
        r".* give \S+/finetune more by --consistency_steps_factor",
    ):
        stages.run(rounds_of(finetune, 3, steps_factor=1))
    stages.run(rounds_of(finetune, 1, steps_factor=2))
    assert file_of(finetune, "result.json")["steps"] == 2
    with pytest.raises(errors.UserError, match="with --consistency_steps_factor"):
        stages.run(rounds_of(finetune, 1, steps_factor=1))


def test_of_rounds_with_one_flag_no_flag_is_named(finetune, pretend):
    def self_taught(num_steps):
        labels = PseudoLabelConfig(as_targets=True, confidence=0.0)
        added = config.FinetuneConfig(batch_size=3, pseudo_labels=labels)
        stage = dataclasses.replace(with_steps(finetune, num_steps), finetune=added)
        return rounds.with_rounds([stage], 1)

    pretend(self_taught(1))
    with pytest.raises(
        errors.UserError, match=r"weights: leave it at 1, or use another --workdir\.$"
    ):
        stages.check(self_taught(2))


def test_what_is_left_of_it_is_told_before(finetune, pretend, monkeypatch):
    pretend([finetune])
    monkeypatch.setattr(timing, "seconds_of", lambda stage, num_steps: 60 * num_steps)
    assert timing.outline([with_steps(finetune, 5)]).splitlines() == [
        f"      {finetune.workdir}: 3 more steps, about 3.0 min",
        "About 3.0 min in all.",
    ]
    assert timing.outline([finetune]).startswith(f"done  {finetune.workdir}\n")


def test_what_another_process_has_just_taken_over_is_not_lengthened(
    make_stage, tiny_cohort, tmp_path, pretend
):
    encoder = make_stage("encoder", tmp_path / "encoder", 2)
    after = make_stage("finetune", tmp_path / "finetune", 2, init=encoder.workdir)
    pretend([encoder])
    run = run_folder.RunFolder(after.workdir)
    split = splits.resolve(tiny_cohort, after.split)
    run.start(records.make_record(after, tiny_cohort, split))
    assert not run.has_begun()
    longer = with_steps(encoder, 4)
    with run.held(), pytest.raises(errors.UserError, match="has already taken over"):
        stages.check([longer])
    # A record that nobody trains by is of a run that was refused.
    stages.check([longer])
