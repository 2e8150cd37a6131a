"""The wheel: what `pip install .` would put on a user's machine."""

import configparser
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Folders, and the packages that they are installed as.
PACKAGES = {"dscl_tf": "dscl_tf", "flags": "dscl_flags", "bin": "dscl_bin"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since building leaves files among the sources."""
    source = tmp_path_factory.mktemp("source") / "project"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    made = source.parent / "wheel"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", f"--wheel-dir={made}", "."]
    done = subprocess.run(
        command, cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = made.glob("*.whl")
    with zipfile.ZipFile(path) as content:
        yield content


def test_it_has_every_file_of_the_packages(wheel):
    names = set(wheel.namelist())
    expected = [
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyo")
    ]
    assert len(expected) > 200
    assert [name for name in expected if name not in names] == []


def test_it_puts_every_binary_on_the_path(wheel):
    (name,) = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(name).decode("utf-8"))
    found = dict(parser["console_scripts"])
    binaries = {p.stem for p in (ROOT / "bin").glob("*.py")} - {"__init__", "demo"}
    assert found == {f"dscl-{name}": f"dscl_bin.{name}:cli" for name in binaries}
