import sys

import numpy as np
import pytest

from benchmarks.speed_parts import pythons
from dscl_tf import errors


def python_with(folder, name, version):
    """A stand-in that answers with a version, whatever it is asked."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


def test_version_of_this_python_s_numpy():
    assert pythons.version_of("x", sys.executable, "numpy") == np.__version__


def test_each_is_named_by_its_version(tmp_path):
    paths = [python_with(tmp_path, v, f"{v}+cpu") for v in ("2.13.0", "2.15.0")]
    found = pythons.by_version("torch_python", paths, "torch")
    assert found == {"2.13.0": paths[0], "2.15.0": paths[1]}


def test_two_of_one_version_are_refused(tmp_path):
    paths = [python_with(tmp_path, name, "2.13.0") for name in ("one", "other")]
    with pytest.raises(errors.UserError, match=r"one and .* both have torch 2\.13"):
        pythons.by_version("torch_python", paths, "torch")


def test_one_without_the_package_is_named():
    said = f"--torch_python: {sys.executable} has no no_such_package: install it"
    with pytest.raises(errors.UserError, match=said):
        pythons.version_of("torch_python", sys.executable, "no_such_package")


def test_one_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.UserError, match=r"does not start \(No such file"):
        pythons.version_of("later_python", str(tmp_path / "python"), "tensorflow")
