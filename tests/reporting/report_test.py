import dataclasses
import html.parser
import json

import numpy as np
import pytest

from dscl_tf import errors, stages
from dscl_tf.inference import evaluate, predictor
from dscl_tf.reporting import charts, curves, embeddings, page, report

VOID = {"meta", "link", "br", "img"}


class Checker(html.parser.HTMLParser):
    """Gathers text and attributes; every element must be closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text())
    assert not checker.open
    return checker


def test_report_of_an_experiment_says_what_is_there(experiment):
    path = report.write(str(experiment()))
    found = read(path)
    words = " ".join(found.words)
    assert "12 of 13 cells are done" in words
    assert "Experiment trial <b>" in words and "b" not in found.tags
    # G^D is 0.1 above random in each of three draws, with one labelled volume.
    assert "G^D & more with" in words and "+0.100 [+0.100, +0.100] over 3" in words
    assert "0.691" in words and "paper, its data" in words
    assert "1 cells without a result" in words
    assert "not (any more) at /no/such/cohort" in words
    assert found.tags.count("svg") == 1 + 2 + 1  # By size, structures, one loss.
    # Self-contained: nothing is fetched; text from outside is not run.
    assert all(link.startswith("data:") for link in found.links)
    assert found.tags.count("script") == 1


def test_an_experiment_without_any_cell_done(experiment):
    content = json.loads((experiment() / "results.json").read_text())
    cells = [
        {**cell, "state": "missing", "dice": None, "error": None}
        for cell in content["cells"]
    ]
    words = " ".join(read(report.write(str(experiment(cells=cells, table=[])))).words)
    assert "0 of 13 cells are done" in words and "No cell is done yet." in words


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"format": 9}, "format 9, expected 1"),
        ({"cells": [{}]}, "is not what dscl-experiment writes"),
        ({"table": 3}, "is not what dscl-experiment writes"),
    ],
)
def test_damaged_results_are_said(experiment, changes, said):
    folder = experiment(**changes)
    with pytest.raises(errors.UserError, match=said):
        report.write(str(folder))
    assert not (folder / report.NAME).exists()


def test_damaged_evaluation_of_a_run_is_said(make_stage, tmp_path):
    stages.run([make_stage("finetune", tmp_path / "run" / "finetune", 1)])
    summary = tmp_path / "run" / "test" / "summary.json"
    summary.parent.mkdir()
    summary.write_text('{"label_names": {}, "mean": {"1": {}}}')
    with pytest.raises(errors.UserError, match="not what dscl-evaluate writes"):
        report.write(str(tmp_path / "run"))


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(errors.UserError, match="there is no such folder"):
        report.write(str(tmp_path / "no"))
    with pytest.raises(errors.UserError, match=r"no results\.json of an"):
        report.write(str(tmp_path))


def test_report_of_a_run(make_stage, tmp_path, tiny_folder):
    encoder = make_stage("encoder", tmp_path / "run" / "encoder")
    finetune = make_stage("finetune", tmp_path / "run" / "finetune")
    finetune = dataclasses.replace(finetune, init=encoder.workdir)
    stages.run([encoder, finetune])
    settings = evaluate.EvaluationConfig(
        str(tiny_folder), str(tmp_path / "run" / "test"), pictures=False
    )
    evaluate.evaluate(predictor.open_predictor(finetune.workdir), settings)
    output = tmp_path / "elsewhere.html"
    found = read(report.write(str(tmp_path / "run"), str(output)))
    words = " ".join(found.words)
    assert "encoder (encoder): 3 steps" in words
    assert "best validation Dice" in words
    assert "before, by partition" in words and "after, by volume" in words
    assert "Evaluation test" in words and "Best: p" in words
    pictures = [link for link in found.links if link.startswith("data:image/jpeg")]
    assert len(pictures) == 3
    assert output.stat().st_size < 1_000_000


def test_sorting_values_of_a_table():
    text = page.table(["a", "b"], [["x<", ("1.0", 1.0)], ["y", ("", None)]], marked=1)
    assert '<td>x&lt;</td><td class="paper" data-value="1">1.0</td>' in text
    assert '<td class="paper" data-value=""></td>' in text
    text = page.table(["a"], [[("all", float("inf"))]])
    assert 'data-value="Infinity">all' in text  # As JavaScript reads it.


def test_more_series_than_colours_differ_in_more_than_colour():
    names = [str(number) for number in range(charts.NUM_COLORS + 1)]
    looks = [charts._look(number) for number in range(len(names))]
    assert len(set(looks)) == len(names)


def test_ticks_are_round_and_within():
    assert charts._ticks(0.0, 1.0) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert charts._ticks(-0.03, 0.07) == [-0.02, 0, 0.02, 0.04, 0.06]
    # Equal values have an axis, too.
    assert "<svg" in charts.boxes("t", {"a": [0.5, 0.5]}, "Dice")


def test_a_curve_of_many_steps_is_thinned(tmp_path):
    rows = [f"{k},train/loss,{k}" for k in range(1000)] + ["1,other,5"]
    (tmp_path / "metrics.csv").write_text("step,name,value\n" + "\n".join(rows))
    found = curves.read(tmp_path, "train/loss")
    assert 400 <= len(found) <= 501
    assert found[-1] == (999, 999)
    (tmp_path / "metrics.csv").write_text("1,a,nan\n2,a,inf\n3,a,0.5\n")
    assert curves.read(tmp_path, "a") == [(3, 0.5)]
    assert curves.read(tmp_path / "none", "train/loss") == []


def test_principal_plane_keeps_distances_of_a_plane():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 2)) * [5, 1]
    basis, _ = np.linalg.qr(rng.normal(size=(7, 2)))
    plane = embeddings.principal_plane(flat @ basis.T)
    expected = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    actual = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    np.testing.assert_allclose(actual, expected, atol=1e-9)
    assert plane[:, 0].var() > plane[:, 1].var()


def test_format_is_the_experiments():
    from dscl_tf.experiments import results
    from dscl_tf.reporting import experiment_report

    assert experiment_report.FORMAT == results.FORMAT
