"""The pages of results show what the committed results say."""

import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import pooled_figure
from dscl_tf.experiments import results
from tests.bin import running
from tests.rounding import rounded

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = [page.read_text("utf-8") for page in (DOCS / "results").glob("*.md")]
COMMITTED = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for pattern in ("*_phantom*.json", "*_acdc.json")
    for path in sorted((DOCS / "results").glob(pattern))
}


@pytest.mark.parametrize("name", COMMITTED)
def test_tables_are_those_of_the_cells(name):
    content = COMMITTED[name]
    names = [each["name"] for each in content["grid"]["methods"]]
    of_paper = results.of_paper(content["cohort"]["paper_dataset"])
    rows = results.table_rows(content["cells"], names, of_paper)
    assert rounded(rows) == rounded(content["table"])
    assert any(results.as_markdown(content) in page for page in PAGES)


def pool(*words):
    return running.benchmark("pooled", *words)


def test_cohorts_together_are_those_of_the_cells():
    files = [
        DOCS / "results" / f"{name}_phantom.json" for name in ("table1", "cohort1")
    ]
    done = pool(f"--input={files[0]},{files[1]}", "--size=1")
    assert done.returncode == 0, done.stderr
    text = (DOCS / "results" / "phantom.md").read_text("utf-8")
    lines = [line for line in done.stdout.splitlines() if line]
    assert len(lines) == 6 + 2 + 12  # Four methods, twelve draws, two heads.
    assert [line for line in lines if line not in text] == []
    random = [
        cell["dice"]
        for name in ("table1_phantom.json", "cohort1_phantom.json")
        for cell in COMMITTED[name]["cells"]
        if (cell["method"], cell["size"]) == ("random", 1)
    ]
    assert f"| 1 | Random init. | 12 | {sum(random) / 12:.3f} ±" in done.stdout


def test_cohorts_together_are_drawn(tmp_path):
    files = [
        DOCS / "results" / f"{name}_phantom.json" for name in ("table1", "cohort1")
    ]
    drawn = tmp_path / "gains.png"
    done = pool(f"--input={files[0]},{files[1]}", f"--figure={drawn}")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with Image.open(drawn) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] == round(150 * (1 + 3 * 2.7))  # A panel for each size.
    for method in pooled_figure.COLORS[:3]:  # G^R, G^D, G^D + L^R.
        color = [int(method[k : k + 2], 16) for k in (1, 3, 5)]
        assert (pixels == color).all(axis=-1).sum() > 100


@pytest.mark.parametrize(
    "names, said",
    [
        ([], "--input=FILE[,FILE...] is needed"),
        (["table1_phantom", "phantom"], "phantom.json: format None, expected 1"),
        (["table1_phantom", "table2_phantom"], "of the same cohort and seed"),
        (["table1_phantom", "steps800_phantom"], "finetune.optimizer.num_steps is"),
    ],
)
def test_cohorts_that_cannot_be_put_together_are_one_sentence(names, said):
    files = [str(DOCS / "results" / f"{name}.json") for name in names]
    done = pool(f"--input={','.join(files)}")
    assert running.is_one_sentence(done), done.stderr
    assert said in done.stderr


def test_one_experiment_shows_the_methods_that_were_asked_for():
    file = DOCS / "results" / "table1_phantom.json"
    done = pool(f"--input={file}", "--methods=gd+lr")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| 1 |")]
    assert len(rows) == 2  # Random weights, G^D + L^R.
    page = (DOCS / "results" / "phantom.md").read_text("utf-8")
    # The page has one column more, against G^R, which was not asked for here.
    assert all(row.removesuffix("|").rstrip() in page for row in rows)
    assert "| random | gd+lr |" in done.stdout


def test_a_method_that_no_experiment_has_is_named():
    file = DOCS / "results" / "table1_phantom.json"
    done = pool(f"--input={file}", "--methods=gd+lr,mixup")
    assert running.is_one_sentence(done), done.stderr
    assert "--methods has mixup, expected" in done.stderr


# Of the paper's tables on ACDC, what is set against what.
PAIRS = {
    "table1_acdc.json": (
        ("gd", "gd_minus"),
        ("gd+lr", "gd"),
        ("gr+lr", "gr"),
        ("gd+lr", "gr+lr"),
    ),
    "table2_acdc.json": (
        ("gd+lr", "rotation"),
        ("gd+lr", "inpainting"),
        ("gd+lr", "context_restoration"),
        ("gd+lr", "self_training"),
        ("gd+lr+self_training", "gd+lr"),
        ("gd+lr+mixup", "gd+lr"),
        ("gd+lr+self_training", "self_training"),
        ("gd+lr+mixup", "mixup"),
    ),
}


@pytest.mark.parametrize(
    "name, method, other", [(name, *pair) for name in PAIRS for pair in PAIRS[name]]
)
def test_paired_differences_are_those_of_the_cells(name, method, other):
    content = COMMITTED[name]
    titles = {each["name"]: each["title"] for each in content["grid"]["methods"]}
    page = (DOCS / "results" / "paper-tables.md").read_text("utf-8")
    for size in content["grid"]["sizes"]:
        own, others = (
            results.by_draw(content["cells"], size, name) for name in (method, other)
        )
        said = results.interval(results.paired(own, others))
        assert f"| {size} | {titles[method]} | {titles[other]} | {said} |" in page


def test_there_are_some():
    assert {"table1_phantom.json", "table2_phantom.json"} <= COMMITTED.keys()


# What docs/results.md and the README show.
SHOWN = ("random", "gd+lr_crops", "gd+lr_crops+consistency")
# With as many steps as with consistency.
LONGER = "random@optimizer.num_steps=5200"
ROWS = (SHOWN[0], LONGER, *SHOWN[1:])
COLUMNS = (*SHOWN[:2], LONGER, SHOWN[2])
SHOWN_OF = COMMITTED["recipe_test_acdc.json"]
TODAY = {
    row["size"]: row
    for row in COMMITTED["today_test_acdc.json"]["table"]
    if row["method"] == "gd+lr_crops+consistency@finetune.consistency.steps_factor=24"
}
SHOWN_SIZES = [1, 2, 8]
# G^D + L^R + mixup, the paper's best row.
BEST_OF_PAPER = results.of_paper("acdc")["gd+lr+mixup"]


def rows_of(text, first_cell):
    """Cells of the lines of tables that start so, without emphasis."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {first_cell} |")]
    return [
        [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]
        for line in lines
    ]


def mean_of(row):
    return f"{row['mean']:.3f} ± {row['std']:.3f}"


def figures_of(size, methods):
    by_method = {row["method"]: row for row in SHOWN_OF["table"] if row["size"] == size}
    return [by_method[method] for method in methods]


@pytest.mark.parametrize("size", SHOWN_SIZES)
def test_the_short_page_says_what_the_cells_say(size):
    *shown, today = rows_of((DOCS / "results.md").read_text("utf-8"), size)
    found = figures_of(size, ROWS)
    assert len(shown) == len(found) == len(ROWS)
    row = TODAY[size]
    assert f"today's preset, {row['n']} of " in today[1]
    assert today[2:] == [mean_of(row), ""]
    for (_, _, dice, gain), row in zip(shown, found):
        assert dice == mean_of(row)
        versus = row["versus_random"]
        expected = versus and (
            f"{versus['mean']:+.3f} [{versus['low']:+.3f}, {versus['high']:+.3f}], "
            f"{versus['num_above']} of {versus['n']}"
        )
        assert gain.removesuffix(" draws") == (expected or "")


@pytest.mark.parametrize("size", SHOWN_SIZES)
def test_the_readme_says_what_the_cells_say(size):
    text = (DOCS.parent / "README.md").read_text("utf-8")
    (shown,) = rows_of(text, size)
    found = [*figures_of(size, COLUMNS), TODAY[size]]
    expected = [mean_of(row) for row in found]
    assert shown[1:] == [*expected, f"{BEST_OF_PAPER[str(size)]:.3f}"]


def test_the_draws_are_counted_as_they_are():
    counts = {row["size"]: row["n"] for row in SHOWN_OF["table"]}
    assert counts == {1: 5, 2: 5, 8: 3, "all": 1}
    text = " ".join((DOCS / "results.md").read_text("utf-8").split())
    assert "all of their draws: five of one and two volumes, three of eight." in text


def test_all_labelled_volumes_are_shown_by_their_steps():
    means = {row["method"]: f"{row['mean']:.3f}" for row in SHOWN_OF["table"]}
    same, more = (means[f"benchmark@optimizer.num_steps={n}"] for n in (5200, 20800))
    shown = rows_of((DOCS / "results.md").read_text("utf-8"), 77)
    assert [dice for _, _, dice, _ in shown] == [same, more]
    readme = " ".join((DOCS.parent / "README.md").read_text("utf-8").split())
    assert f"{same} with 5200 steps and {more} with 20 800" in readme


def test_todays_recipe_is_told_as_its_cells_say():
    assert list(TODAY) == SHOWN_SIZES
    counts = "[{}, {} and {} draws]".format(*(it["n"] for it in TODAY.values()))
    readme = " ".join((DOCS.parent / "README.md").read_text("utf-8").split())
    assert f"{counts}(docs/results/test-patients.md" in readme
    dice = {size: [] for size in TODAY}
    for cell in COMMITTED["today_test_acdc.json"]["cells"]:
        if cell["method"] == TODAY[1]["method"]:
            dice[cell["size"]].append(f"{cell['dice']:.3f}")
    one, two, eight = (
        " and ".join([", ".join(it[:-1]), it[-1]]) for it in dice.values()
    )
    for page in ("results.md", "results/test-patients.md"):
        text = " ".join((DOCS / page).read_text("utf-8").split())
        for told in (one, two, eight):
            assert told in text, (page, told)


@pytest.mark.parametrize(
    "page, methods",
    [
        ("README.md", SHOWN[2:]),
        ("docs/results.md", SHOWN[2:]),
        ("docs/results/semi-supervised.md", (SHOWN[2], LONGER)),
    ],
)
def test_the_other_split_is_told_as_its_cells_say(page, methods):
    table = COMMITTED["semi_supervised_acdc.json"]["table"]
    text = " ".join((DOCS.parent / page).read_text("utf-8").split())
    for method in methods:
        dice = {row["size"]: row["mean"] for row in table if row["method"] == method}
        assert list(dice) == [1, 3, 7]
        assert "{:.3f}, {:.3f} and {:.3f}".format(*dice.values()) in text


def test_full_size_is_told_as_its_cells_say():
    columns = [
        {
            (cell["draw"], cell["method"]): f"{cell['dice']:.3f}"
            for cell in COMMITTED[name]["cells"]
            if cell["size"] == 1 and cell["dice"] is not None
        }
        for name in (
            "recipe_test_acdc.json",
            "today_test_acdc.json",
            "full_size_acdc.json",
        )
    ]
    methods = {
        "Random init.": "random",
        "Random init., 5200 steps": "random@optimizer.num_steps=5200",
        "G^D + L^R (crops)": "gd+lr_crops",
        "G^D + L^R (crops) + Consistency": "gd+lr_crops+consistency",
    }
    page = (DOCS / "results" / "full-size.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in re.findall(r"^\| \d \|.*$", page, re.MULTILINE)
    ]
    rows = [row for row in rows if len(row) == 5]
    cells = {(int(draw), methods[title]): found for draw, title, *found in rows}
    assert cells.keys() == columns[-1].keys()
    for key, found in cells.items():
        assert found == [column.get(key, "") for column in columns]
    recipe = [f for (_, method), f in cells.items() if method.endswith("consistency")]
    assert len(recipe) == 2
    for told in ("README.md", "docs/results.md"):
        text = (DOCS.parent / told).read_text("utf-8")
        assert " and ".join(found[-1] for found in recipe) in text


def test_the_pages_are_short_enough_to_be_read():
    for page, most in ((DOCS / "results.md", 150), (DOCS.parent / "README.md", 90)):
        assert len(page.read_text("utf-8").splitlines()) <= most
