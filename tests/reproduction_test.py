"""The committed tables, in part made again (docs/results/phantom.md)."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.bin import running

ROOT = pathlib.Path(__file__).parents[1]
COMMITTED = ROOT / "docs" / "results"


def reproduced(new, old):
    return running.benchmark("reproduced", f"--input={new}", f"--reference={old}")


def shifted(path, source, by):
    """A copy of results whose cells lie higher."""
    content = json.loads(source.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["dice"] += by
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_rows_within_the_stated_spread(tmp_path):
    source = COMMITTED / "table1_phantom.json"
    done = reproduced(shifted(tmp_path / "new.json", source, 0.01), source)
    assert done.returncode == 0, done.stderr
    assert "| 1 | G^D | 6 | 0.571 ± 0.058 | 0.581 | 0.010, 0.010 | yes |" in done.stdout
    assert done.stdout.count("| yes |") == 21
    assert "cohorts differ" not in done.stdout


def test_a_row_outside_is_named(tmp_path):
    # More than the spreads of G^D- and G^D + L^R with eight volumes, less than others'.
    source = COMMITTED / "table1_phantom.json"
    done = reproduced(shifted(tmp_path / "new.json", source, 0.0191), source)
    assert done.returncode == 1
    assert "Error: Not within the stated spread: gd_minus with 8" in done.stderr
    assert "gr with 8" not in done.stderr
    assert "Traceback" not in done.stderr


def test_another_method_of_the_same_name_is_refused(tmp_path):
    source = COMMITTED / "table1_phantom.json"
    content = json.loads(source.read_text(encoding="utf-8"))
    content["grid"]["methods"][-1]["settings"]["local.strategy"] = "ld"
    other = tmp_path / "new.json"
    other.write_text(json.dumps(content), encoding="utf-8")
    done = reproduced(other, source)
    assert done.returncode == 1 and "gd+lr is {" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_row_of_one_draw_has_no_spread(tmp_path):
    source = COMMITTED / "recipe_test_acdc.json"
    done = reproduced(shifted(tmp_path / "new.json", source, 0.0001), source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| 0.000, 0.000 | – |") == 3
    assert "| no |" not in done.stdout


@pytest.mark.parametrize(
    "names, said",
    [
        (("table1_phantom", "no_such"), "no_such.json"),
        (("table1_phantom", "phantom"), "phantom.json: format None, expected 1"),
        (("table2_n2_phantom", "table2_n8_phantom"), "no finished cell in common"),
        (
            ("steps800_phantom", "cohort1_phantom"),
            "other settings: finetune.optimizer.num_steps is 800 and 400",
        ),
    ],
)
def test_nothing_to_compare_is_one_sentence(names, said):
    done = reproduced(*(COMMITTED / f"{name}.json" for name in names))
    assert running.is_one_sentence(done), done.stderr
    assert said in done.stderr


def test_a_reader_that_goes_away_is_no_defect():
    source = COMMITTED / "table1_phantom.json"
    script = ROOT / "benchmarks" / "reproduced.py"
    command = [sys.executable, str(script), f"--input={source}"]
    process = subprocess.Popen(
        [*command, f"--reference={source}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset, methods, size",
    [("table1_phantom", "random,gd", 8), ("table2_phantom", "random,self_training", 2)],
)
def test_presets_give_the_committed_cells(tmp_path_factory, preset, methods, size):
    """Two draws of two rows; about five minutes each on two cores."""
    prepared = prepared_phantom(tmp_path_factory)
    workdir = tmp_path_factory.mktemp(preset)
    flags = [f"--preset={preset}", f"--prepared={prepared}"]
    flags += [f"--workdir={workdir}", f"--methods={methods}", f"--sizes={size}"]
    bin_run("experiment", *flags, "--draws=2", "--jobs=2")
    name = "table2_n2_phantom" if preset == "table2_phantom" else preset
    done = reproduced(workdir / "results.json", COMMITTED / f"{name}.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| yes |") == 2


def prepared_phantom(tmp_path_factory):
    """The cohort of docs/results/phantom.md, made once."""
    root = tmp_path_factory.getbasetemp() / "phantom_of_results"
    if not root.exists():
        bin_run("phantom", f"--output={root / 'raw'}", "--num_subjects=48", "--seed=0")
        source = f"--source={root / 'raw'}"
        bin_run("prepare", "--preset=phantom", source, f"--output={root / 'prepared'}")
    return root / "prepared"


def bin_run(name, *flags):
    done = running.run(name, *flags, timeout=3600)
    assert done.returncode == 0, done.stderr
