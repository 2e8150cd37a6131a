"""dscl-train as its user meets it."""

import pytest

from tests.bin import running


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--workdir=w"], "--prepared=DIR and --workdir=DIR are needed"),
        (["--prepared=no/such", "--workdir=w"], "No prepared cohort at no/such"),
        # A preset has it, for dscl-prepare.
        (["--preset=acdc", "--size_px=128"], "Unknown command line flag 'size_px'"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    result = running.run("train", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert message in result.stderr
    assert not (tmp_path / "w").exists()


def test_it_stops_after_its_hours_and_goes_on(tiny_folder, tmp_path):
    flags = [f"--prepared={tiny_folder}", f"--workdir={tmp_path / 'w'}"]
    flags += ["--stage=encoder", "--filters=4,6,8", "--num_partitions=2"]
    flags += ["--num_train_volumes=1", "--num_validation_volumes=1"]
    flags += ["--num_test_volumes=1", "--precision=float32", "--jit=off"]
    stopped = running.run("train", *flags, "--encoder_steps=9999", "--max_hours=0.004")
    assert stopped.returncode == 75, stopped.stderr
    assert "--max_hours=0.004 have passed: saving and stopping" in stopped.stderr
    assert "Start the same command again to go on." in stopped.stderr
    assert "Traceback" not in stopped.stderr
    # What is over before the hours are is not stopped.
    flags[1] += "2"
    done = running.run("train", *flags, "--encoder_steps=2", "--max_hours=1")
    assert done.returncode == 0, done.stderr


def test_what_a_flagfile_asks_for_is_not_dropped(tiny_folder, tmp_path):
    (tmp_path / "own.flags").write_text("--copy_paste_weight=1\n")
    flags = [f"--prepared={tiny_folder}", "--workdir=w", "--stage=finetune"]
    flags += ["--num_train_volumes=3", "--num_validation_volumes=2"]
    flags += ["--global_strategy=none", "--local_strategy=none"]
    flags += ["--num_test_volumes=1", "--filters=4,6,8", "--flagfile=own.flags"]
    refused = running.run("train", *flags, cwd=tmp_path)
    assert refused.returncode == 1
    assert "ignores --consistency_weight" in refused.stderr
    assert "Error: --copy_paste_weight needs unlabelled volumes" in refused.stderr
    assert not (tmp_path / "w").exists()
