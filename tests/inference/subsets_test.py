"""Volumes that a model was trained on are not called test volumes."""

import json
import logging
import types

import pytest

from dscl_tf import config, errors
from dscl_tf.inference import subsets


@pytest.fixture
def split_for(tmp_path):
    def make(*test):
        file = tmp_path / "split.json"
        file.write_text(json.dumps({"train": [], "test": test}))
        return config.SplitConfig(file=str(file))

    return make


def choose(cohort, runs, subset, split=None):
    model = types.SimpleNamespace(runs=runs)
    return [each.name for each in subsets.choose(model, cohort, subset, split)]


@pytest.mark.parametrize("kind", ["pretrain", "train", "validation"])
def test_another_split_has_no_volume_for_testing_that_was_learned_from(
    make_run, tiny_cohort, split_for, kind
):
    run = make_run("run", **{kind: ("p0", "p1")})
    with pytest.raises(errors.UserError, match=r"run was trained on 1 .*\(p1\).*all"):
        choose(tiny_cohort, [run], "test", split_for("p1", "p2"))
    assert choose(tiny_cohort, [run], "test", split_for("p2")) == ["p2"]


def test_what_any_run_of_an_ensemble_went_on_from_counts(
    make_run, tiny_cohort, split_for
):
    encoder = make_run("encoder", pretrain=("p1",))
    runs = [make_run("a", train=("p0",)), make_run("b", init=encoder, train=("p0",))]
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        choose(tiny_cohort, runs, "test", split_for("p1"))


def test_of_all_volumes_those_that_were_learned_from_are_counted(
    make_run, tiny_cohort, caplog
):
    run = make_run("run", train=("p0",), validation=("p1",), test=("p2",))
    names = [volume.name for volume in tiny_cohort.volumes]
    with caplog.at_level(logging.WARNING):
        assert choose(tiny_cohort, [run], "all") == names
    assert f"was trained on 2 of these {len(names)} volumes" in caplog.text


def test_of_a_run_of_another_cohort_it_is_said_that_nobody_knows(
    make_run, tiny_cohort, split_for, caplog
):
    run = make_run("run", cohort_id="other", train=("p1",))
    with caplog.at_level(logging.WARNING):
        assert choose(tiny_cohort, [run], "test", split_for("p1")) == ["p1"]
    assert "another prepared cohort" in caplog.text
    assert "whether it has seen these cannot be checked" in caplog.text


def test_of_the_own_split_in_another_cohort_it_is_said_that_names_tell(
    make_run, tiny_cohort, caplog
):
    run = make_run("run", cohort_id="other", test=("p2",))
    with caplog.at_level(logging.WARNING):
        assert choose(tiny_cohort, [run], "test") == ["p2"]
    assert "its test volumes are looked for" in caplog.text
    assert "by their names" in caplog.text and "--subset=all" in caplog.text


def test_the_runs_own_split_needs_no_check(make_run, tiny_cohort, caplog):
    run = make_run("run", train=("p0",), test=("p2",))
    with caplog.at_level(logging.WARNING):
        assert choose(tiny_cohort, [run], "test") == ["p2"]
    assert caplog.text == ""


@pytest.mark.parametrize("subset", ["test", "all"])
def test_of_an_export_it_is_said_that_it_does_not_know(
    tiny_cohort, split_for, caplog, subset
):
    with caplog.at_level(logging.WARNING):
        choose(tiny_cohort, [], subset, split_for("p1"))
    assert "An exported model does not know" in caplog.text
