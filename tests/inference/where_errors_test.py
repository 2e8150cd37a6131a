"""benchmarks/where_errors.py on an evaluation whose outcome is known."""

from tests.bin import running


def test_shares_sizes_and_the_lowest_volumes(evaluation, cohort_folder, tmp_path):
    words = f"--evaluations={evaluation}", f"--prepared={cohort_folder}"
    pictures = tmp_path / "pictures"
    done = running.benchmark("where_errors", *words, f"--pictures={pictures}")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| low ")]
    # All of p1 is found and half of p2, which is called background.
    assert rows[0].split("|")[2:5] == [" 25% ", " 75% ", " 0% "]
    assert "Lowest: p2 0.333, p1 1.000." in done.stdout
    drawn = {path.name for path in pictures.iterdir()}
    assert drawn == {"lowest.png", "middle.png", "highest.png", "extremes.png"}
