"""benchmarks/where_errors.py on an evaluation whose outcome is known."""

import pathlib
import subprocess
import sys

from dscl_tf.inference import evaluate, predictor

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "where_errors.py"


def test_shares_sizes_and_the_lowest_volumes(export_folder, cohort_folder, tmp_path):
    model = predictor.open_predictor(export_folder)
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(tmp_path / "test"), "all", pictures=False
    )
    evaluate.evaluate(model, settings)
    command = [sys.executable, str(SCRIPT), f"--evaluations={tmp_path / 'test'}"]
    command += [f"--prepared={cohort_folder}", f"--pictures={tmp_path / 'pictures'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| low ")]
    # All of p1 is found and half of p2, which is called background.
    assert rows[0].split("|")[2:5] == [" 25% ", " 75% ", " 0% "]
    assert "Lowest: p2 0.333, p1 1.000." in done.stdout
    drawn = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert drawn == {"lowest.png", "middle.png", "highest.png", "extremes.png"}
