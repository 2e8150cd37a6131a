import csv
import logging

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from dscl_tf.training import monitor as monitors


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_rows_after_the_resumed_step_are_dropped(tmp_path):
    monitor = monitors.Monitor(tmp_path, 0)
    for step in (1, 2, 3, 10):
        monitor.scalars(step, {"train/loss": step / 4})
    monitor.close()
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("11,train/lo")  # Cut off in the middle of a row.
    monitor = monitors.Monitor(tmp_path, 2)
    monitor.scalars(3, {"train/loss": 9})
    monitor.close()
    assert rows(tmp_path) == [
        ["step", "name", "value"],
        ["1", "train/loss", "0.25"],
        ["2", "train/loss", "0.5"],
        ["3", "train/loss", "9.0"],
    ]


def test_a_run_goes_on_after_a_power_cut_damaged_its_last_rows(tmp_path):
    monitor = monitors.Monitor(tmp_path, 0)
    monitor.scalars(1, {"validation/ŕ": 0.5})
    monitor.close()
    with (tmp_path / "metrics.csv").open("ab") as file:
        file.write(b"2,train/loss,0.5\n" + bytes(20) + "3,validation/ŕ".encode()[:-1])
    monitors.Monitor(tmp_path, 2).close()
    assert rows(tmp_path)[1:] == [
        ["1", "validation/ŕ", "0.5"],
        ["2", "train/loss", "0.5"],
    ]


def test_names_with_commas_survive_a_resume(tmp_path):
    for first in (0, 1):
        monitor = monitors.Monitor(tmp_path, first)
        if not first:
            monitor.scalars(1, {"validation/atrium, left": 0.5})
        monitor.close()
    assert rows(tmp_path)[1] == ["1", "validation/atrium, left", "0.5"]


def test_new_run_starts_empty(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,name,value\n5,train/loss,1.0\n")
    monitors.Monitor(tmp_path, 0).close()
    assert rows(tmp_path) == [["step", "name", "value"]]


def test_events_of_a_run_that_nothing_was_saved_of_are_gone(tmp_path):
    for value in (1.0, 2.0):
        monitor = monitors.Monitor(tmp_path, 0)
        monitor.scalars(1, {"train/loss": value})
        monitor.close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    found = event_accumulator.EventAccumulator(str(events)).Reload()
    (event,) = found.Tensors("train/loss")
    assert tf.make_ndarray(event.tensor_proto) == 2.0


def test_events_can_be_read_back(tmp_path):
    monitor = monitors.Monitor(tmp_path, 0)
    monitor.scalars(4, {"train/loss": 0.75, "train/top1": 0.5})
    monitor.picture(4, "views", np.full((5, 7, 3), 200, np.uint8))
    monitor.text("config", "some **settings**")
    monitor.close()
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()["tensors"]
    assert set(tags) == {"train/loss", "train/top1", "views", "config"}
    event = events.Tensors("train/loss")[0]
    assert event.step == 4
    assert tf.make_ndarray(event.tensor_proto) == 0.75
    width, height, png = events.Tensors("views")[0].tensor_proto.string_val[:3]
    assert (width, height, png[:4]) == (b"7", b"5", b"\x89PNG")


def test_numbers_that_are_not_finite_are_said_and_not_recorded(tmp_path, caplog):
    monitor = monitors.Monitor(tmp_path, 0)
    with caplog.at_level(logging.WARNING):
        monitor.scalars(3, {"a": float("inf"), "b": 1.0, "c": float("nan")})
    monitor.close()
    assert rows(tmp_path)[1:] == [["3", "b", "1.0"]]
    assert "At step 3 a is inf" in caplog.text and "c is nan" in caplog.text
