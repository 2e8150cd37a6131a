import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.cohort import splits
from dscl_tf.training import (
    distribution,
    records,
    runtime,
    tf_config,
)
from tests import weights

SCRIPT = pathlib.Path(__file__).with_name("mirrored_runs.py")


def runs_of(kind, folder):
    out = folder / f"{kind}.npz"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(out)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as found:
        return dict(found)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return runs_of("quick", tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory):
    return runs_of("all", tmp_path_factory.mktemp("all"))


def of(runs, name, kinds=("scalar", "gradient", "weight", "moving")):
    """What a run came to, by name."""
    return {
        key[len(name) + 1 :]: value
        for key, value in runs.items()
        if key.startswith(name + "/") and key[len(name) + 1 :].split("/")[0] in kinds
    }


def assert_equal_runs(found, expected):
    assert found.keys() == expected.keys() and found
    for name, value in expected.items():
        # Weights of about 1 have moved by 0.03, Adam's steps of 0.01; a gradient of
        # rounding errors alone moves them by a thousandth of that.
        np.testing.assert_allclose(
            found[name], value, rtol=2e-5, atol=5e-5, err_msg=name
        )


@pytest.mark.parametrize(
    "case, replicas",
    [
        ("finetune", "two"),
        ("gr-plain", "three"),
        ("gd_minus-plain", "three"),
        ("gd-plain", "three"),
        ("lr-plain", "three"),
        ("ld-plain", "three"),
        ("ld_crops-plain", "three"),
    ],
)
def test_replicas_equal_one_device(quick, case, replicas):
    one = of(quick, f"{case}/one")
    assert_equal_runs(of(quick, f"{case}/{replicas}"), one)
    assert one["scalar/loss"][0] > 0.1 and one["scalar/grad_norm"][0] > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("case", ["gr", "gd_minus", "gd", "lr", "ld", "finetune"])
@pytest.mark.parametrize("replicas", ["two", "three"])
def test_every_strategy_with_whole_networks(all_runs, case, replicas):
    assert_equal_runs(of(all_runs, f"{case}/{replicas}"), of(all_runs, f"{case}/one"))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["gd", "finetune"])
def test_unsynchronised_replicas_equal_parts_that_are_normalised_alone(all_runs, case):
    kinds = ("scalar", "gradient", "weight")
    apart = of(all_runs, f"{case}/apart", kinds)
    assert_equal_runs(apart, of(all_runs, f"{case}/parts", kinds))
    together = all_runs[f"{case}/one/scalar/loss"]
    assert np.abs(apart["scalar/loss"] - together).max() > 1e-3


@pytest.mark.slow
def test_unsynchronised_moving_statistics_settle_at_their_mean(all_runs):
    found, parts = (of(all_runs, name, ("moving",)) for name in ("apart", "parts"))
    assert_equal_runs(found, parts)


@pytest.mark.slow
def test_stages_on_two_devices(tiny_folder, tmp_path):
    command = [sys.executable, str(SCRIPT), "stages", str(tiny_folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    for stage in ("encoder", "finetune"):
        runs = (tmp_path / kind / stage for kind in ("mirrored", "none"))
        weights.assert_same(*runs, rtol=2e-5, atol=5e-5)


def test_overflow_on_one_replica_skips_the_step_of_all(quick):
    # 3 times the scale 2^15 is beyond float16 on the second replica alone.
    np.testing.assert_array_equal(quick["two/float16/weights"][0], [1, 2])
    np.testing.assert_array_equal(quick["two/float16/scales"], [2**14, 2**14])
    # As on one device: steps_test.test_overflow_is_skipped_and_halves_the_scale.
    np.testing.assert_allclose(
        quick["two/float16/weights"][1], [1 - 7.44e-4, 2 - 7.44e-4], atol=1e-6
    )
    assert quick["two/float16/grad_norm"] == pytest.approx(0.25 * 2**0.5)


@pytest.mark.parametrize(
    "total, replicas, expected",
    [
        (6, 3, [0, 2, 4, 6]),
        (7, 3, [0, 3, 5, 7]),
        (8, 3, [0, 3, 6, 8]),
        (3, 3, [0, 1, 2, 3]),
        (5, 1, [0, 5]),
    ],
)
def test_row_bounds(total, replicas, expected):
    assert distribution.row_bounds(total, replicas) == expected


def test_fewer_rows_than_devices():
    message = "batch of 2 images cannot be divided among 3"
    with pytest.raises(errors.UserError, match=message):
        distribution.row_bounds(2, 3)


def test_one_device_gives_back_what_it_is_given():
    one, rows = distribution.start("none"), tf.constant([[1.0]])
    assert one is distribution.ONE
    assert one.gather(rows, 1) is rows and one.sum(rows) is rows
    assert one.sum_gradients([rows])[0] is rows
    assert one.any_asked(True) and not one.any_asked(False)
    assert one.chiefs(0.5) == 0.5 and one.is_chief and one.num_replicas == 1


def test_unknown_distribution():
    with pytest.raises(errors.UserError, match="none, mirrored, multi_worker, found"):
        distribution.start("horovod")


def test_compiler_is_off_and_refused_when_distributed():
    mirrored = config.RuntimeConfig(precision="float32", distribution="mirrored")
    assert not runtime.resolve(mirrored, 1).jit
    wrong = config.RuntimeConfig(jit="on", distribution="mirrored")
    with pytest.raises(errors.UserError, match="--jit=on does not go with"):
        runtime.resolve(wrong, 1)


WORKERS = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "needs TF_CONFIG: set it"),
        ("", "needs TF_CONFIG"),
        ("{", "not valid .JSONDecodeError"),
        ([], "not valid .TypeError"),
        ({"cluster": WORKERS}, "not valid .KeyError: 'task'"),
        ({"cluster": WORKERS, "task": {"type": "ps", "index": 0}}, "KeyError: 'ps'"),
        (
            {"cluster": {**WORKERS, "ps": ["c:1"]}, "task": {"type": "ps", "index": 0}},
            "if there is one, the chief",
        ),
        (
            {"cluster": {"worker": 1}, "task": {"type": "worker", "index": 0}},
            "list the addresses",
        ),
        (
            {"cluster": WORKERS, "task": {"type": "worker", "index": 2}},
            "task.index must be 0 to 1, found 2",
        ),
        (
            {"cluster": WORKERS, "task": {"type": "worker", "index": "0"}},
            "found '0'",
        ),
    ],
)
def test_bad_tf_config(monkeypatch, content, message):
    text = content if content is None or isinstance(content, str) else None
    text = json.dumps(content) if text is None and content is not None else text
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(errors.UserError, match=message):
        distribution.start("multi_worker")


@pytest.mark.parametrize("kind", ["worker", "chief"])
def test_good_tf_config(kind):
    cluster = {"chief": ["c:1"], **WORKERS}
    text = json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}})
    tf_config.check(text)


def change(stage, part, **fields):
    return dataclasses.replace(
        stage, **{part: dataclasses.replace(getattr(stage, part), **fields)}
    )


@pytest.fixture
def record_of(tiny_cohort):
    split = splits.Split(("p0", "p1"), (), (), ("p2",))
    return lambda stage: records.make_record(stage, tiny_cohort, split)


def test_batch_norm_decides_what_a_run_is_and_the_devices_do_not(make_stage, record_of):
    stage = make_stage("encoder", "run")
    devices = change(stage, "runtime", distribution="mirrored")
    assert records.differences(record_of(stage), record_of(devices)) == ""
    norm = change(stage, "network", sync_batch_norm=True)
    found = records.differences(record_of(stage), record_of(norm))
    assert found == "config.network.sync_batch_norm was False, is now True"


def test_fingerprint_tells_apart_what_workers_must_share(make_stage, record_of):
    stage = make_stage("encoder", "run")
    expected = records.fingerprint(record_of(stage))
    elsewhere = dataclasses.replace(stage, prepared="a", workdir="b", init="c")
    assert records.fingerprint(record_of(elsewhere)) == expected
    command = change(stage, "runtime", command="dscl-train --workdir=b")
    assert records.fingerprint(record_of(command)) == expected
    for other in (
        dataclasses.replace(stage, seed=1),
        change(stage, "runtime", checkpoint_every=7),
    ):
        assert records.fingerprint(record_of(other)) != expected


def lost_worker():
    message = "{{node a/b}} Collective ops is aborted by: Socket closed\nmore"
    return tf.errors.UnavailableError(None, None, message)


def test_a_lost_worker_is_said():
    workers = distribution.Workers.__new__(distribution.Workers)
    message = r"Another worker of this run has ended.*\(Socket closed\).*start all"
    with pytest.raises(errors.UserError, match=message), workers.guard():
        raise lost_worker()
    # As when it is lost while a checkpoint is saved.
    with pytest.raises(errors.UserError, match=message), workers.guard():
        raise errors.UserError("Cannot write") from lost_worker()
    with pytest.raises(errors.UserError, match="Cannot write"), workers.guard():
        raise errors.UserError("Cannot write") from OSError("disk full")
