import dataclasses
import logging
import math
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import (
    checkpoints,
    distribution,
    finiteness,
    interruption,
    loop,
    monitor,
)


class FakeStream:
    """Batches that say their step."""

    failure = None

    def open(self, seed, first_step, num_steps):
        return [
            {"image": np.zeros([2, 1]), "step": step}
            for step in range(first_step, num_steps)
        ]

    def batches(self, device, *steps):
        assert device is None
        return iter(self.open(*steps))

    def ids(self, seed, step):
        return {"volume": [f"v{step}", "w"], "slice": [3, 4]}


@pytest.fixture
def make_training(make_stage, tmp_path):
    """A run whose step is any function of the batch's step."""

    def make(scalars_of, num_steps=6, hooks=(), **runtime):
        weight = tf.Variable(0.0)
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=[1])])
        saved = checkpoints.Checkpoints(
            tmp_path, {"model": model}, tf.keras.optimizers.Adam()
        )
        first = saved.restore()
        stage = make_stage("encoder", tmp_path, num_steps)
        stage = dataclasses.replace(
            stage, runtime=dataclasses.replace(stage.runtime, **runtime)
        )
        taken = []

        def step(batch):
            taken.append(batch["step"])
            return {
                name: weight + value
                for name, value in scalars_of(batch["step"]).items()
            }

        training = loop.Training(
            stage, FakeStream(), step, saved, monitor.Monitor(tmp_path, first), hooks
        )
        return training, taken

    return make


def test_hooks_reports_and_checkpoints(make_training, tmp_path):
    seen = []
    hooks = [loop.Hook(4, seen.append)]
    training, taken = make_training(
        lambda step: {"loss": float(step)}, hooks=hooks, log_every=2, checkpoint_every=4
    )
    assert loop.train(training) == "" and int(training.checkpoints.step) == 6
    assert taken == [0, 1, 2, 3, 4, 5]
    assert seen == [4, 6]
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert [row for row in rows if "train/loss" in row] == [
        "2,train/loss,0.5",
        "4,train/loss,2.5",
        "6,train/loss,4.5",
    ]
    names = {path.stem for path in (tmp_path / "checkpoints").glob("*.index")}
    assert names == {"ckpt-4", "ckpt-6"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("log_every", [1, 10])
def test_loss_that_is_not_finite(make_training, tmp_path, value, log_every):
    training, taken = make_training(
        lambda step: {"loss": value if step >= 2 else 1.0},
        log_every=log_every,
        checkpoint_every=4,
    )
    with pytest.raises(finiteness.NotFiniteError) as raised:
        loop.train(training)
    text = str(raised.value)
    assert f"{value} at step 3" in text and "v2[3], w[4]" in text
    assert "--learning_rate" in text
    # Nothing of it is saved.
    assert not list((tmp_path / "checkpoints").glob("*.index"))
    assert len(taken) == (3 if log_every == 1 else 4)


@pytest.mark.parametrize("pair_loss, warns", [(2.005, True), (1.9, False)])
def test_flat_loss_is_warned_about_once(make_training, caplog, pair_loss, warns):
    training, _ = make_training(
        lambda step: {"loss": 4.0, "pair_loss": pair_loss, "chance": 2.0}, log_every=1
    )
    with caplog.at_level(logging.WARNING):
        loop.train(training)
    assert caplog.text.count("the networks learn nothing") == int(warns)
    if warns:
        assert "At step 3" in caplog.text and "chance level 2.000" in caplog.text


def test_a_loss_that_is_flat_now_and_then_is_not_warned_about(make_training, caplog):
    training, _ = make_training(
        lambda step: {"loss": 4.0, "pair_loss": 2 - step % 3, "chance": 2.0},
        num_steps=12,
        log_every=1,
    )
    with caplog.at_level(logging.WARNING):
        loop.train(training)
    assert "learn nothing" not in caplog.text


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


def test_time_is_divided_between_input_and_step(
    make_training, tmp_path, monkeypatch, caplog
):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    class SlowStream(FakeStream):
        def batches(self, device, *steps):
            for batch in super().batches(device, *steps):
                clock.now += 1
                yield batch

    def scalars_of(step):
        clock.now += 3
        return {"loss": 1.0}

    training, _ = make_training(scalars_of, num_steps=6, log_every=2)
    training = dataclasses.replace(training, stream=SlowStream())
    with caplog.at_level(logging.INFO):
        loop.train(training)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    for step, left in ((2, 16), (4, 8), (6, 0)):
        assert f"{step},train/input_wait,0.25" in rows
        assert f"{step},train/images_per_second,0.5" in rows
        assert f"step {step}/6: loss 1.0000, 0 images/s, {left} s left" in caplog.text


def test_validation_counts_in_the_time_left_and_not_as_training(
    make_training, tmp_path, monkeypatch, caplog
):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    def scalars_of(step):
        clock.now += 4
        return {"loss": 1.0}

    def validate(step):
        clock.now += 100

    training, _ = make_training(scalars_of, num_steps=4, log_every=2)
    training = dataclasses.replace(training, hooks=[loop.Hook(1, validate)])
    with caplog.at_level(logging.INFO):
        loop.train(training)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    for step in (2, 4):
        assert f"{step},train/images_per_second,0.5" in rows
    # 108 s have passed at the second step: 4 + 100 + 4.
    assert "step 2/4: loss 1.0000, 0 images/s, 1 min 48 s left" in caplog.text


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_stops(make_training, kind):
    def scalars_of(step):
        if step == 2:
            os.kill(os.getpid(), kind)
        return {"loss": 1.0}

    training, taken = make_training(scalars_of, checkpoint_every=100)
    message = f"{kind.name} at step 3 of 6.*Start the same command again"
    with pytest.raises(errors.Interrupted, match=message):
        loop.train(training)
    assert taken == [0, 1, 2]
    again, taken = make_training(lambda step: {"loss": 1.0})
    assert loop.train(again) == "" and int(again.checkpoints.step) == 6
    assert taken == [3, 4, 5]
    finished, taken = make_training(lambda step: {"loss": 1.0})
    assert loop.train(finished) == "" and taken == []
    assert int(finished.checkpoints.step) == 6


@pytest.mark.parametrize("moment", ["step", "hook", "save"])
def test_signal_at_the_last_step_is_no_interruption_but_told(
    make_training, moment, monkeypatch
):
    def signal_at(now):
        if now == moment:
            os.kill(os.getpid(), signal.SIGTERM)

    def scalars_of(step):
        if step == 5:
            signal_at("step")
        return {"loss": 1.0}

    training, taken = make_training(
        scalars_of, hooks=[loop.Hook(6, lambda done: signal_at("hook"))]
    )
    save = training.checkpoints.save

    def save_and_signal(done):
        save(done)
        if done == 6:
            signal_at("save")

    monkeypatch.setattr(training.checkpoints, "save", save_and_signal)
    assert loop.train(training) == "SIGTERM"
    assert len(taken) == int(training.checkpoints.step) == 6


class FakeWorker(distribution.Devices):
    """One of several that look together; `answers` are the others'."""

    steps_between_stops = distribution.Workers.steps_between_stops

    def __init__(self, taken, answers):
        self.looked, self._taken, self._answers = [], taken, answers

    def any_asked(self, asked):
        self.looked.append((len(self._taken), asked))
        return asked or self._answers[len(self._taken)]


@pytest.mark.parametrize(
    ("own", "others", "told"),
    [
        (None, {10: False, 12: False}, ""),
        (11, {10: False, 12: False}, "SIGTERM"),
        (None, {10: False, 12: True}, "A signal to another worker"),
    ],
)
def test_workers_look_together_every_ten_steps_and_after_the_last(
    make_training, own, others, told
):
    def scalars_of(step):
        if step + 1 == own:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": 1.0}

    training, taken = make_training(scalars_of, num_steps=12)
    worker = FakeWorker(taken, others)
    assert loop.train(dataclasses.replace(training, devices=worker)) == told
    # At the same steps whatever was asked: one that looked alone would wait for ever.
    assert worker.looked == [(10, False), (12, own is not None)]


def test_workers_look_once_after_a_last_step_that_is_a_tenth(make_training):
    training, taken = make_training(lambda step: {"loss": 1.0}, num_steps=10)
    worker = FakeWorker(taken, {10: True})
    loop.train(dataclasses.replace(training, devices=worker))
    assert worker.looked == [(10, False)]


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruption.stop_request() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and stop.signal_name == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "seconds, text",
    [(0.4, "0 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7384, "2 h 03 min")],
)
def test_duration(seconds, text):
    assert loop._duration(seconds) == text


def test_gradient_that_is_not_finite_is_named_though_the_loss_is(make_training):
    training, _ = make_training(
        lambda step: {"loss": 1.0, "grad_norm": math.inf if step == 3 else 2.0}
    )
    with pytest.raises(finiteness.NotFiniteError) as raised:
        loop.train(training)
    assert "norm of the gradient is inf at step 4" in str(raised.value)
    assert "v3[3]" in str(raised.value)


def test_skipped_steps_of_loss_scaling_are_counted_and_no_fault(
    make_training, tmp_path
):
    training, _ = make_training(
        lambda step: {
            "loss": 1.0,
            "loss_scale": 512.0,
            "grad_norm": math.inf if step == 1 else 4.0,
        },
        num_steps=4,
        log_every=4,
    )
    assert loop.train(training) == "" and int(training.checkpoints.step) == 4
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert "4,train/skipped_steps,0.25" in rows
    assert "4,train/grad_norm,4.0" in rows
    assert "4,train/loss_scale,512.0" in rows


def test_weights_that_are_not_finite_are_not_saved(make_training, tmp_path):
    """The loss stays finite, as behind a ReLU that takes NaN for 0."""
    training, _ = make_training(lambda step: {"loss": 1.0}, checkpoint_every=2)
    model = training.checkpoints._parts["model"]
    poison = loop.Hook(3, lambda done: model.variables[0].assign([[math.nan]]))
    training = dataclasses.replace(training, hooks=[poison])
    with pytest.raises(
        finiteness.NotFiniteError, match=r"At step 4 model/dense.*kernel"
    ):
        loop.train(training)
    names = {path.stem for path in (tmp_path / "checkpoints").glob("*.index")}
    assert names == {"ckpt-2"}


def test_a_report_fetches_once_from_the_device(make_training, monkeypatch):
    fetched = []
    kind = type(tf.constant(0.0))
    numpy, as_float = kind.numpy, kind.__float__
    monkeypatch.setattr(kind, "numpy", lambda t: fetched.append("numpy") or numpy(t))
    monkeypatch.setattr(
        kind, "__float__", lambda t: fetched.append("float") or as_float(t)
    )
    training, _ = make_training(
        lambda step: {"loss": 1.0, "top1": 0.5, "grad_norm": 2.0}, num_steps=20
    )
    meter = loop._Meter(training, 0)
    batches = iter(training.stream.open(0, 0, 20))
    for _ in range(20):
        meter.add(training.step, batches)
    # The monitor, which TensorFlow's summaries are behind, is not looked at.
    monkeypatch.setattr(training.monitor, "scalars", lambda *_: None)
    fetched.clear()
    meter.report(20)
    assert fetched == ["numpy"]
