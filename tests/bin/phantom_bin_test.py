"""dscl-phantom as its user meets it."""

import os

import matplotlib.image
import pytest

from tests.bin import running


def test_help_shows_its_own_flags():
    result = running.run("phantom", "--help")
    assert result.returncode == 0
    for flag in ("--output", "--num_subjects", "--seed", "--num_workers", "--picture"):
        assert f"  {flag}" in result.stdout
    assert "  --prepared" not in result.stdout


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--output=DIR is needed"),
        (["--output=file"], "is a file"),
        (["--output=file/below"], "Cannot write"),
        (["--output=taken"], "is not empty"),
        (["--output=new", "--num_subjects=0"], "--num_subjects=0"),
        (["--output=new", "--num_subjects=1000"], "--num_subjects=1000"),
        (["--output=new", "--seed=-1"], "--seed=-1"),
        (["--ouptut=new"], "ouptut"),
        (["--picture=file/below.png", "--num_subjects=1"], "Cannot write"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    result = running.run("phantom", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result), result.stderr
    assert message in result.stderr
    assert not (tmp_path / "new").exists()


def test_writes_a_cohort_and_a_picture_then_nothing_more(tmp_path):
    flags = ["--output=raw", "--num_subjects=2", "--seed=4", "--picture=docs/p.png"]
    result = running.run("phantom", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "raw")) == ["phantom.json", "training"]
    assert sorted(os.listdir(tmp_path / "raw" / "training")) == [
        "patient001",
        "patient002",
    ]
    picture = matplotlib.image.imread(tmp_path / "docs" / "p.png")
    assert picture.ndim == 3 and picture.std() > 0.05  # Not blank.
    again = running.run("phantom", *flags[:3], cwd=tmp_path)
    assert again.returncode == 0
    assert "0 new" in again.stderr
