import json

import numpy as np
import pytest

from tests.bin import running
from tests.cohort import making


@pytest.fixture
def acdc(tmp_path):
    for name in ("patient001", "patient002"):
        folder = tmp_path / "acdc" / "training" / name
        making.acdc_patient(folder, (1, 9), "ED: 1\nES: 9\n")
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


def test_check_only_lists_each_problem_and_writes_nothing(acdc, tmp_path):
    label = acdc / "training" / "patient002" / "patient002_frame01_gt.nii.gz"
    making.write(label, 7 * making.labels().astype(np.uint8))
    result = running.run("prepare", f"--source={acdc}", "--check_only")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Error: Problems found: 1" in result.stderr
    assert "patient002_frame01_gt.nii.gz: values: found 7 (" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acdc"]


def test_a_mistake_is_one_sentence(tmp_path):
    output = f"--output={tmp_path / 'out'}"
    result = running.run("prepare", f"--source={tmp_path / 'typo'}", output)
    assert running.is_one_sentence(result), result.stderr
    assert "typo does not exist" in result.stderr
    assert not (tmp_path / "out").exists()
