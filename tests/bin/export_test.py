"""dscl-export as its user meets it."""

from tests.bin import running


def test_help_shows_its_own_flags():
    result = running.run("export", "--help")
    assert result.returncode == 0
    assert "  --model" in result.stdout and "  --output" in result.stdout
    assert "  --input" not in result.stdout and "  --prepared" not in result.stdout


def test_mistakes_are_one_sentence(export_folder, tmp_path):
    result = running.run("export", cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert "--model is needed" in result.stderr
    # An export is no run: there is nothing to export from it.
    flags = [f"--model={export_folder}", "--output=out"]
    result = running.run("export", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert "config.json of a fine-tuning run" in result.stderr


def test_exports_a_run_once(mixed_run, tmp_path):
    flags = [f"--model={mixed_run[0].parent}", "--output=out"]
    result = running.run("export", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Wrote the SavedModel out" in result.stderr
    assert (tmp_path / "out" / "saved_model.pb").is_file()
    result = running.run("export", *flags, cwd=tmp_path)
    assert result.returncode == 0
    assert "out already holds this export" in result.stderr
