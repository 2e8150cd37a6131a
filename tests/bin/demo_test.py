import json
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def _start(output):
    command = [sys.executable, str(ROOT / "bin" / "demo.py"), f"--output={output}"]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _wait_for(path, process):
    for _ in range(900):
        if path.exists():
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(1)
    raise AssertionError(f"no {path} in 15 minutes")


@pytest.mark.slow
def test_demo_goes_on_after_a_kill_and_ends_with_what_it_names(tmp_path):
    """Several minutes: the whole main job, killed once in the decoder stage."""
    first = _start(tmp_path)
    _wait_for(tmp_path / "pretrained" / "decoder" / "config.json", first)
    first.kill()
    first.wait()
    time.sleep(10)  # Its command saves and stops.
    encoder = tmp_path / "pretrained" / "encoder" / "result.json"
    finished = encoder.stat().st_mtime_ns

    output, _ = (second := _start(tmp_path)).communicate()
    assert second.returncode == 0, output
    assert encoder.stat().st_mtime_ns == finished
    assert "random weights   dscl_tf" in output
    for name in ("beside.png", "contact_sheet.png", "summary.json", "cases.csv"):
        assert (tmp_path / "pretrained" / "test" / name).stat().st_size
    assert (tmp_path / "masks" / "patient002_frame01.nii.gz").exists()
    assert (tmp_path / "exported" / "saved_model.pb").exists()
    split = json.loads((tmp_path / "random" / "finetune" / "config.json").read_text())
    assert "patient002_frame01" in split["split"]["test"]
