"""dscl-report as its user meets it."""

import pytest

from tests.bin import running
from tests.reporting import making


def test_help_shows_its_own_flags():
    result = running.run("report", "--help")
    assert result.returncode == 0
    for flag in ("--input=", "--output="):
        assert f"  {flag}" in result.stdout
    assert "  --model" not in result.stdout


@pytest.mark.parametrize(
    "flags, message",
    [([], "--input is needed"), (["--input=nothing"], "there is no such folder")],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    result = running.run("report", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert message in result.stderr


def test_writes_beside_the_results(tmp_path):
    making.experiment(tmp_path)
    result = running.run("report", f"--input={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "report.html" in result.stderr


@pytest.mark.parametrize("name", ["jinja2", "plotly"])
def test_what_is_not_installed_is_said_in_one_sentence(tmp_path, monkeypatch, name):
    making.experiment(tmp_path)
    (tmp_path / f"{name}.py").write_text(
        f"raise ModuleNotFoundError('No module named {name}', name='{name}')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = running.run("report", f"--input={tmp_path}")
    assert running.is_one_sentence(result)
    assert f"needs {name}" in result.stderr
    assert "pip install '.[report]'" in result.stderr
    assert not (tmp_path / "report.html").exists()
