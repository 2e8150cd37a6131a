"""Whole reports, of experiments and of runs."""

import html.parser
import json
import re
import shutil

import pytest
from plotly.offline import get_plotlyjs

from dscl_tf import errors, files, stages
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.reporting import report, results
from dscl_tf.training import run_folder
from tests.reporting import making


def write(folder, output=None):
    """The page without Plotly, which is megabytes of strings of all kinds."""
    path = report.write(report.ReportConfig(str(folder), output))
    text = path.read_text(encoding="utf-8")
    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), "")


class _Checker(html.parser.HTMLParser):
    """Finds elements that are not closed, or closed in another order."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def check_html(text):
    checker = _Checker()
    checker.feed(text)
    checker.close()
    assert text.startswith("<!DOCTYPE html>")
    assert not checker.faults
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)


def test_an_experiment_has_its_sections(tmp_path):
    making.experiment(tmp_path)
    text = write(tmp_path)
    check_html(text)
    for anchor in ("dice", "sizes", "structures", "training", "masks", "settings"):
        assert f'<section id="{anchor}">' in text
        assert f'href="#{anchor}"' in text
    assert "0.650 ± 0.100" in text
    assert "+0.150 [−0.050, +0.250], 1 of 2" in text
    assert '<td class="num paper" data-sort="0.614">0.614</td>' in text
    assert "Gᴰ" in text


def test_the_report_loads_nothing(tmp_path):
    making.experiment(tmp_path)
    text = write(tmp_path)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", text)
    assert "@import" not in text
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_same_experiment_gives_the_same_report(tmp_path):
    making.experiment(tmp_path)
    assert write(tmp_path, str(tmp_path / "a.html")) == write(
        tmp_path, str(tmp_path / "b.html")
    )


def test_names_are_harmless(tmp_path):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    content = making.experiment(tmp_path, name=evil)
    content["grid"]["methods"][1]["title"] = evil
    content["cohort"]["label_names"][1] = "low</style>"
    content["cells"][0] |= {"state": "failed", "error": evil}
    content["grid"]["flags"] = {evil: evil}
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    check_html(text)
    assert text.count("<script") == 2
    assert "<img" not in text
    assert text.count("</style>") == 1


def test_halves_of_characters_are_no_defect(tmp_path):
    making.experiment(tmp_path, name="half \ud800")
    assert "half ?" in write(tmp_path)


def test_the_summary_is_made_of_figures(tmp_path):
    content = making.experiment(tmp_path)
    # The first draw of both methods, so that they have the same ones still.
    states = iter(("failed", "missing"))
    for cell in content["cells"]:
        if (cell["size"], cell["draw"]) == (1, 0):
            cell["state"] = next(states)
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert making.summary(write(tmp_path)) == [
        "6 of 8 cells have finished, 1 failed, 1 not yet run.",
        "With 1 labelled volume, Gᴰ has the highest mean Dice: 0.650 ± 0.100 (n = 2); "
        "against Random initialisation over the same draws +0.150 [−0.050, +0.250].",
        "With 2 labelled volumes, Gᴰ has the highest mean Dice: 0.700 ± 0.100 "
        "(n = 2); against Random initialisation over the same draws +0.150 "
        "[−0.050, +0.250].",
    ]


def test_unequal_counts_have_no_winner(tmp_path):
    content = making.experiment(tmp_path)
    assert 'class="num best"' in write(tmp_path)
    for row in content["table"]:
        row["n"] = 1 if row["method"] == "gd" else 2
    for cell in content["cells"]:
        if (cell["method"], cell["draw"]) == ("gd", 1):
            cell["state"] = "missing"
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    assert 'class="num best"' not in text
    assert "compare them by Δ alone" in text
    assert "methods have finished cells of other draws or seeds" in text


def test_one_draw_has_no_winner(tmp_path):
    content = making.experiment(tmp_path)
    for row in content["table"]:
        row["n"] = 1
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    assert 'class="num best"' not in text
    assert "one cell of each method: too few to tell which is the best." in text


def test_the_median_cell_is_of_the_smallest_size(tmp_path):
    making.experiment(tmp_path)
    found = results.read(tmp_path)
    assert found.median_cell("gd").dice == 0.6
    assert found.median_cell("gd").size == 1
    assert found.median_cell("none") is None


def test_all_methods_are_shown_at_one_draw(tmp_path):
    content = making.experiment(tmp_path)
    # The lower one of the first method's two draws is its second here.
    found = [cell for cell in content["cells"] if cell["size"] == 1]
    found[0]["dice"], found[1]["dice"] = 0.6, 0.4
    (tmp_path / "results.json").write_text(json.dumps(content))
    read = results.read(tmp_path)
    shown = read.shown_cells()
    assert (shown["random"].size, shown["random"].draw) == (1, 1)
    assert shown["gd"].dice == 0.7
    # A method without that draw has its own median one.
    found[3].update(state="missing", dice=None)
    (tmp_path / "results.json").write_text(json.dumps(content))
    read = results.read(tmp_path)
    assert read.shown_cells()["gd"].dice == 0.6


def test_volumes_are_counted(tmp_path):
    content = making.experiment(tmp_path)
    split = {
        "pretrain": [*"abcd"],
        "train": ["a"],
        "validation": ["b"],
        "test": [*"xyz"],
    }
    for cell in content["cells"]:
        path = tmp_path / cell["run"] / "config.json"
        written = {**json.loads(path.read_text()), "split": split}
        path.write_text(json.dumps(written))
    text = write(tmp_path)
    for words, count in (
        ("Pre-training volumes", 4),
        ("Labelled volumes that choose the weights", 1),
        ("Test volumes", 3),
    ):
        assert f"<dt>{words}</dt><dd>{count}</dd>" in text


def test_an_experiment_that_has_only_begun_says_so(tmp_path):
    content = making.experiment(tmp_path, table=[])
    for cell in content["cells"]:
        cell |= {"state": "missing", "dice": None}
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    check_html(text)
    assert "0 of 8 cells have finished, 8 not yet run." in text
    assert "No cell has finished yet, so there is no table." in text
    assert "No run has logged anything yet." in text


def test_a_cell_whose_files_are_gone_is_left_out(tmp_path):
    content = making.experiment(tmp_path)
    for cell in content["cells"]:
        (tmp_path / cell["evaluation"] / "cases.csv").unlink()
        (tmp_path / cell["run"] / "metrics.csv").unlink()
    text = write(tmp_path)
    assert "No finished cell has a cases.csv" in text
    assert "No run has logged anything yet." in text


def test_a_missing_cohort_is_said(tmp_path):
    making.experiment(tmp_path)
    text = write(tmp_path)
    assert text.count("This needs the prepared cohort, which cannot be read") == 2
    assert "no_cohort" in text


def test_boxes_are_of_volumes_averaged_over_draws(tmp_path):
    making.experiment(tmp_path)
    # gd, one volume: p1 (0.6 + 0.7) / 2 and p2 half of it; median of 0.65 and 0.325.
    assert "Gᴰ: median 0.487, quartiles 0.406 and 0.569, n = 2" in write(tmp_path)


def test_pictures_are_of_the_median_cell(tmp_path, evaluation, evaluated_cohort):
    content = making.experiment(tmp_path)
    content["cohort"]["prepared"] = str(evaluated_cohort.folder)
    content["cohort"]["id"] = evaluated_cohort.content_id
    for cell in content["cells"]:
        if (cell["method"], cell["size"]) == ("gd", 1):
            cell["evaluation"] = str(evaluation)
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    check_html(text)
    assert text.count("<img") == 2
    assert "Gᴰ, 1 labelled volume, draw 0: Dice 0.600" in text
    assert "random/test has no summary.json" in text


def test_many_methods_get_a_chart_for_each_group(tmp_path):
    content = making.experiment(tmp_path)
    methods = content["grid"]["methods"]
    for number in range(12):
        name = f"m{number}"
        group = "Pretext" if number < 4 else "Other"
        methods.append({"name": name, "title": name, "group": group})
        content["table"].append({**making.row("gd", 1), "method": name})
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write(tmp_path)
    captions = re.findall("<figcaption>(.*?)</figcaption>", text)
    assert captions[:4] == ["Methods", "Pretext", "Other (1 of 2)", "Other (2 of 2)"]


@pytest.fixture(scope="module")
def work(make_stage, tmp_path_factory):
    """A workdir with an encoder and a fine-tuning."""
    folder = tmp_path_factory.mktemp("work")
    encoder = make_stage("encoder", folder / "encoder", num_steps=2)
    tuned = make_stage("finetune", folder / "finetune", init=str(folder / "encoder"))
    stages.run([encoder, tuned])
    return folder


def test_a_run_has_its_stages(work):
    text = write(work, str(work / "out" / "run.html"))
    check_html(text)
    assert "encoder has finished 2 steps." in text
    assert re.search(
        r"finetune has finished 3 steps; its best validation Dice, 0\.", text
    )
    assert "<figcaption>encoder: loss</figcaption>" in text
    assert "<figcaption>finetune: validation Dice</figcaption>" in text
    assert "There is no evaluation" in text
    assert text.index("Settings of encoder") < text.index("Settings of finetune")


def test_a_run_begins_where_its_log_does(work, tmp_path):
    """Not when a file of it was written: it may be a copy, or have had more steps."""
    folder = shutil.copytree(work, tmp_path / "work")
    log = folder / "encoder" / "log.txt"
    log.write_text("2001-02-03 04:05:06,789 Stage encoder.\n" + log.read_text())
    assert "· begun 03 February 2001, 04:05 ·" in write(folder)
    for text in ("", "No time\n2001-02-03 04:05:06,789 Stage.\n"):
        log.write_text(text)
        assert "begun" not in write(folder).split("<h2")[0]
    log.write_bytes(b"\xff")
    assert "begun" not in write(folder).split("<h2")[0]
    log.unlink()
    assert re.search(r" mm · dscl_tf \d", write(folder))


def test_one_stage_is_a_run(work):
    text = write(work / "encoder", str(work / "out" / "encoder.html"))
    assert "<h1>Run encoder</h1>" in text
    assert list(run_folder.runs_in(work / "encoder")) == ["encoder"]


def test_a_run_shows_its_evaluation(work, evaluation, tmp_path):
    (tmp_path / "finetune").symlink_to(work / "finetune")
    (tmp_path / "test").symlink_to(evaluation)
    text = write(tmp_path)
    assert "<h3>test</h3>" in text
    assert "2 volumes of the subset all." in text
    # Which is of another model, as is said with its figures and with its pictures.
    assert text.count('class="remark">This is not of the weights that') == 2
    # p1 is right, p2 has 48 voxels of 96 in "low": Dice 1 and 2/3.
    assert 'data-sort="0.8333333333">0.833</td>' in text


def test_summaries_of_pseudo_labels_are_no_evaluations(work, tmp_path):
    shutil.copytree(work / "finetune", tmp_path / "finetune")
    summary = pseudo_labels.PseudoLabels(tmp_path / "finetune", None).summary_file
    files.write_json(summary, {"teacher": "somewhere", "known": {}})
    assert "There is no evaluation" in write(tmp_path)


@pytest.mark.parametrize(
    "prepare, message",
    [
        (lambda folder: folder.rmdir(), "there is no such folder"),
        (lambda folder: None, "holds neither an experiment"),
        (lambda folder: (folder / "results.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json"),
    ],
)
def test_mistakes_are_named(tmp_path, prepare, message):
    folder = tmp_path / "input"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(errors.UserError, match=message) as caught:
        write(folder)
    assert str(folder) in str(caught.value)
    assert not (folder / "report.html").exists()


def test_a_damaged_metrics_file_is_named(tmp_path):
    content = making.experiment(tmp_path)
    path = tmp_path / content["cells"][0]["run"] / "metrics.csv"
    path.write_text("step,name,value\n1,train/loss,much\n")
    with pytest.raises(errors.UserError, match=str(path)):
        write(tmp_path)


def test_a_damaged_record_is_named(tmp_path):
    content = making.experiment(tmp_path)
    path = tmp_path / content["cells"][0]["run"] / "config.json"
    path.write_text('{"config": []}')
    with pytest.raises(errors.UserError, match=r"config: found list, expected dict"):
        write(tmp_path)


def test_a_folder_is_no_file(tmp_path):
    making.experiment(tmp_path)
    with pytest.raises(errors.UserError, match="is a folder"):
        write(tmp_path, str(tmp_path))


def test_a_report_below_a_file_is_said_before_it_is_made(tmp_path, monkeypatch):
    making.experiment(tmp_path)
    monkeypatch.setattr(report, "_document", None)  # It would be called.
    with pytest.raises(errors.UserError, match=r"Cannot write .*Not a directory"):
        write(tmp_path, str(tmp_path / "results.json" / "report.html"))


@pytest.mark.parametrize("name", ["results.json", "report", "report.pdf"])
def test_a_report_is_called_html(tmp_path, name):
    making.experiment(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    message = rf"--output=.*{name}: .* expected \.html or \.htm: name it \w+\.html"
    with pytest.raises(errors.UserError, match=message):
        write(tmp_path, str(tmp_path / name))
    assert (tmp_path / "results.json").read_bytes() == before


def test_a_file_that_is_no_page_is_not_replaced(tmp_path):
    making.experiment(tmp_path)
    path = tmp_path / "report.html"
    path.write_text("my notes")
    with pytest.raises(errors.UserError, match=r"report\.html exists and does not"):
        write(tmp_path)
    assert path.read_text() == "my notes"
    path.unlink()
    for _ in range(2):  # The second one replaces the first.
        write(tmp_path)
