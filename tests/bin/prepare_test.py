import json

import numpy as np
import pytest

from tests.bin import running
from tests.cohort import making


@pytest.fixture
def acdc(tmp_path):
    for name, first in (("patient001", 1), ("patient002", 2)):
        folder = tmp_path / "acdc" / "training" / name
        making.acdc_patient(
            folder, (first, first + 8), f"ED: {first}\nES: {first + 8}\n"
        )
    return tmp_path / "acdc"


def test_prepares_and_then_finds_it_done(acdc, tmp_path):
    flags = [
        f"--source={acdc}",
        f"--output={tmp_path / 'out'}",
        "--size_px=16",
        "--spacing_mm=2",
        "--percentiles=0,100",
        "--nobias_correction",
        "--acdc_frames=both",
        "--num_workers=1",
    ]
    first = running.run("prepare", *flags)
    assert first.returncode == 0, first.stderr
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert len(index["volumes"]) == 4
    assert index["settings"]["size_px"] == [16, 16]
    assert index["settings"]["percentiles"] == [0, 100]
    assert index["settings"]["bias_correction"] is False
    again = running.run("prepare", *flags)
    assert again.returncode == 0 and "already prepared" in again.stderr


def test_check_only_lists_each_problem_and_writes_nothing_else(acdc, tmp_path):
    report = tmp_path / "report.json"
    flags = [f"--source={acdc}", "--check_only", f"--report={report}"]
    good = running.run("prepare", *flags)
    assert good.returncode == 0, good.stderr
    assert "No problems found." in good.stdout and "subjects         2" in good.stdout
    assert json.loads(report.read_text())["problems"] == []
    label = acdc / "training" / "patient002" / "patient002_frame02_gt.nii.gz"
    making.write(label, 7 * making.labels().astype(np.uint8))
    result = running.run("prepare", *flags)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Error: 1 of 2 volumes have errors, listed above." in result.stderr
    assert "patient002_frame02_gt.nii.gz  values  7 (" in result.stdout
    (problem,) = json.loads(report.read_text())["problems"]
    assert problem["severity"] == "error" and problem["file"] == str(label)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acdc", "report.json"]


def test_a_mistake_is_one_sentence(tmp_path):
    output = f"--output={tmp_path / 'out'}"
    result = running.run("prepare", f"--source={tmp_path / 'typo'}", output)
    assert running.is_one_sentence(result), result.stderr
    assert "typo does not exist" in result.stderr
    assert not (tmp_path / "out").exists()
