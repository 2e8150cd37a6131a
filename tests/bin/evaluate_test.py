"""dscl-evaluate as its user meets it."""

import json

import pytest

from tests.bin import running


def test_help_shows_its_own_flags():
    result = running.run("evaluate", "--help")
    assert result.returncode == 0
    for flag in ("--model", "--prepared", "--output", "--subset=test|validation"):
        assert f"  {flag}" in result.stdout
    assert "(mm)" in result.stdout
    assert "  --input" not in result.stdout


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--model=m", "--output=o"], "--prepared is needed"),
        (["--subset=everything"], "subset"),
        (["--nsd_tolerance_mm=-1"], "nsd_tolerance_mm"),
        (["--nsd_tolerance_mm=inf"], "--nsd_tolerance_mm must be a finite number"),
        (["--split_name=tr1_c1"], "--split_name goes with --split"),
        (["--split=s.json", "--subset=all"], "leave --split out"),
        (["--beside=."], "--beside: . has no summary.json"),
        ([], "No model folder at m"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    needed = ["--model=m", "--output=o", "--prepared=p"]
    flags = flags if "--model=m" in flags else [*needed, *flags]
    result = running.run("evaluate", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert message in result.stderr


def test_evaluates_an_export(export_folder, cohort_folder, tmp_path):
    result = running.run(
        "evaluate",
        f"--model={export_folder}",
        f"--prepared={cohort_folder}",
        "--output=out",
        "--subset=all",
        "--nsd_tolerance_mm=2.5",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["metric_per_case"][0]["metrics"]["1"]["Dice"] == 1
    assert "Means of 2 cases" in result.stderr
    assert content["metric_per_case"][0]["metrics"]["1"]["NSD"] == 1
    assert "NSD at 2.5 mm." in result.stderr and "bias ml" in result.stderr
    assert "out/contact_sheet.png" in result.stderr
    again = [f"--model={export_folder}", f"--prepared={cohort_folder}", "--output=out"]
    again += ["--subset=all", "--nsd_tolerance_mm=2.5"]
    result = running.run("evaluate", *again, "--beside=out/", cwd=tmp_path)
    assert running.is_one_sentence(result) and "are both out" in result.stderr
    (tmp_path / "out").rename(tmp_path / "other")
    result = running.run("evaluate", *again, "--beside=other", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Side by side: out/beside.png" in result.stderr
    assert (tmp_path / "out" / "beside.png").is_file()
