"""Two worker processes over loopback; each is `bin/train.py` with its TF_CONFIG."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests import curves, weights

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = [
    "--filters=4,6,8",
    "--batch_norm_momentum=0.9",
    "--num_partitions=2",
    "--batch_volumes=2",
    "--local_strategy=ld",
    "--num_blocks=1",
    "--region_size=2",
    "--num_regions=4",
    "--finetune_batch_size=3",
    "--validate_every=2",
    "--num_test_volumes=1",
    "--num_train_volumes=1",
    "--num_validation_volumes=1",
    "--precision=float32",
    "--sync_batch_norm",
    "--log_every=1",
]
STAGES = ("encoder", "decoder", "finetune_round_0", "finetune")
pytestmark = pytest.mark.slow


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Workers:
    """Processes of one run, ended with the test."""

    def __init__(self, prepared, folder):
        self._prepared, self._folder = prepared, folder
        self._started = []

    def start(self, workdir, *flags, count=2, differing=()):
        """Starts workers; `differing` are more flags of the last one."""
        ports = free_ports(count)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        found = []
        for index in range(count):
            task = {"type": "worker", "index": index}
            tf_config = {"cluster": {"worker": addresses}, "task": task}
            more = differing if index == count - 1 else ()
            log = self._folder / f"{len(self._started)}.log"
            command = [sys.executable, str(ROOT / "bin" / "train.py"), *FLAGS, *flags]
            command += [f"--prepared={self._prepared}", f"--workdir={workdir}", *more]
            environment = {**os.environ, "TF_CONFIG": json.dumps(tf_config)}
            with log.open("w") as file:
                process = subprocess.Popen(
                    command, stdout=file, stderr=file, env=environment
                )
            process.log = log
            self._started.append(process)
            found.append(process)
        return found

    def train(self, *arguments, **keywords):
        """Starts workers and waits for them: exit codes, and what each said."""
        return finish(self.start(*arguments, **keywords))

    def kill(self):
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()


def finish(processes):
    codes = [process.wait(timeout=600) for process in processes]
    return codes, [process.log.read_text() for process in processes]


def wait_for(processes, text):
    """Waits until the first of the processes has logged `text`."""
    for _ in range(9000):
        if re.search(text, processes[0].log.read_text()):
            return
        assert processes[0].poll() is None, processes[0].log.read_text()[-2000:]
        time.sleep(0.05)
    raise AssertionError(f"{text} was never logged.")


@pytest.fixture
def workers(tiny_folder, tmp_path):
    found = Workers(tiny_folder, tmp_path)
    yield found
    found.kill()


def assert_same_weights(found, expected):
    weights.assert_same(found, expected, rtol=1e-3, atol=3e-5)


def test_all_stages_equal_one_process(workers, tmp_path):
    steps = ["--encoder_steps=3", "--decoder_steps=3", "--finetune_steps=4"]
    # As few as the others: from a difference of 1e-6 in a loss, twelve of Adam's steps
    # of 1e-3 come to 2e-4 in a weight.
    steps.append("--consistency_steps_factor=1")
    codes, said = workers.train(tmp_path / "one", *steps, count=1)
    assert codes == [0], said[0][-2000:]
    steps.append("--distribution=multi_worker")
    codes, said = workers.train(tmp_path / "two", *steps)
    assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    for stage in STAGES:
        assert_same_weights(tmp_path / "two" / stage, tmp_path / "one" / stage)
        results = [
            json.loads((tmp_path / name / stage / "result.json").read_text())
            for name in ("one", "two")
        ]
        scores = [result.pop("validation_dice", 0) for result in results]
        assert results[0] == results[1] and scores[0] == pytest.approx(scores[1])


FINETUNE = [
    "--stage=finetune",
    "--global_strategy=none",
    "--local_strategy=none",
    "--finetune_steps=150",
    "--checkpoint_every=10",
    "--validate_every=50",
    "--distribution=multi_worker",
]


def test_killed_and_signalled_workers_go_on_where_they_were(workers, tmp_path):
    codes, said = workers.train(tmp_path / "whole", *FINETUNE)
    assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    for victim, step in ((1, 20), (0, 50)):
        both = workers.start(tmp_path / "cut", *FINETUNE)
        wait_for(both, f"step {step}/150")
        both[victim].send_signal(signal.SIGKILL)
        codes, said = finish(both)
        assert codes[victim] == -signal.SIGKILL
        left = 1 - victim
        assert codes[left] == 1, said[left][-2000:]
        assert "Error: Another worker of this run has ended" in said[left]
        assert "Traceback" not in said[left]
    # A worker that is not the chief is asked to stop; both save and stop at one step.
    both = workers.start(tmp_path / "cut", *FINETUNE)
    wait_for(both, "step 80/150")
    both[1].send_signal(signal.SIGTERM)
    codes, said = finish(both)
    assert codes == [75, 75], said[0][-2000:] + said[1][-2000:]
    stopped = [re.search(r"Interrupted: (.*) at step (\d+)", text) for text in said]
    assert [found[1] for found in stopped] == ["A signal to another worker", "SIGTERM"]
    assert stopped[0][2] == stopped[1][2]
    codes, said = workers.train(tmp_path / "cut", *FINETUNE)
    assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    assert f"Going on at step {stopped[0][2]} of 150" in said[0]
    assert_same_weights(tmp_path / "cut" / "finetune", tmp_path / "whole" / "finetune")


def test_workers_lengthen_a_run_together(workers, tmp_path):
    flags = [*FINETUNE, "--recipe=paper", "--validate_every=2"]
    codes, said = workers.train(tmp_path / "whole", *flags, "--finetune_steps=5")
    assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    for num_steps in (2, 5):
        more = f"--finetune_steps={num_steps}"
        codes, said = workers.train(tmp_path / "longer", *flags, more)
        assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    assert "Lengthened at step 2, from 2 to 5 steps" in said[0]
    assert_same_weights(
        tmp_path / "longer" / "finetune", tmp_path / "whole" / "finetune"
    )
    record = json.loads((tmp_path / "longer/finetune/config.json").read_text())
    assert record["lengthened"] == [{"at_step": 2, "from_steps": 2}]


def test_workers_with_other_settings_are_refused(workers, tmp_path):
    codes, said = workers.train(tmp_path / "run", *FINETUNE, differing=["--seed=5"])
    assert codes == [1, 1]
    for text in said:
        assert "Error: The workers differ in their settings" in text
    assert not (tmp_path / "run" / "finetune" / "checkpoints").exists()


def test_rounds_of_self_training_equal_one_process(workers, tmp_path):
    flags = ["--stage=finetune", "--local_strategy=none", "--global_strategy=none"]
    flags += ["--self_training_rounds=1", "--pseudo_confidence=0.5"]
    flags += ["--finetune_steps=2", "--class_contrast_weight=1"]
    codes, said = workers.train(tmp_path / "one", *flags, count=1)
    assert codes == [0], said[0][-2000:]
    # The same teacher: its rounding errors could change a pseudo-label.
    flags.append(f"--self_training_first={tmp_path / 'one' / 'finetune_round_0'}")
    flags.append("--distribution=multi_worker")
    codes, said = workers.train(tmp_path / "two", *flags)
    assert codes == [0, 0], said[0][-2000:] + said[1][-2000:]
    one, two = (tmp_path / name / "finetune" for name in ("one", "two"))
    # Gradients of more than 100, whose rounding errors are of 1e-3 and more.
    for name, rel in (("own_loss", 1e-5), ("class_loss", 1e-5), ("grad_norm", 1e-2)):
        first = [curves.of_training(run, name)[0] for run in (two, one)]
        assert first[0] == pytest.approx(first[1], rel=rel), name
    # Adam's steps are of 1e-3, also where a gradient is little more than rounding: a
    # weight may go the other way, and the steep loss of this small network brings more
    # along. What a variable changes by has a root mean square of 1.6e-3.
    weights.assert_same_in_rms(two, one, atol=3e-4)
    names = sorted(path.name for path in (one / "pseudo_labels").iterdir())
    assert names == sorted(path.name for path in (two / "pseudo_labels").iterdir())
    assert len(names) == 4  # Of three volumes, and the summary.
