import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "input.py"


@pytest.mark.slow
def test_one_command_times_the_batches_of_all_stages():
    command = [sys.executable, str(SCRIPT), "--size_px=64", "--batches=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, _, *lines = done.stdout.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    # Views of slices, or slices with those that teach.
    images = {"encoder": 36, "decoder": 24, "finetune, paper": 20}
    images |= {"finetune, strongest": 20, "consistency": 80}
    assert {name: int(count) for name, count, *_ in rows} == images
    assert all(float(rate) > 0 for row in rows for rate in row[2:])
