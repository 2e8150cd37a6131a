"""Runs every command of docs/datasets.md, in its order, on miniature datasets."""

import json
import pathlib
import re

import pytest

from tests import miniatures
from tests.bin import running

DOC = pathlib.Path(__file__).parents[1] / "docs" / "datasets.md"
PROSTATE = [0, 1, 2, 4, 6, 7, 10, 13, 14, 16, 17, 18, 20, 21, 24, 25, 28, 29, 31, 32]
PROSTATE += [34, 35, *range(37, 45), 46, 47]
# The whole dataset where the preset names the paper's subjects.
DATASETS = {
    "ACDC": lambda root: miniatures.acdc(root, range(1, 101), (101,)),
    "Decathlon": lambda root: miniatures.decathlon(root, PROSTATE, (3,)),
    "MM-WHS, MR": lambda root: miniatures.mmwhs(root, "mr", range(1001, 1021)),
    "MM-WHS, CT": lambda root: miniatures.mmwhs(root, "ct", range(1001, 1021)),
    "nnU-Net": miniatures.nnunet,
    "DICOM": miniatures.dicom,
    "Several channels": miniatures.channels,
    "A folder": lambda root: miniatures.folder(root, 4, 3),
    "Three labelled": lambda root: miniatures.folder(root, 6, 3),
    "Labels of some slices": miniatures.few_slices,
    "Labels with an ignore": miniatures.nnunet_ignore,
}
# What makes a run of hours one of seconds; everything else is as in the document.
SMALLER = {
    "prepare": ["--size_px=32", "--num_workers=2", "--bias_iterations=1"],
    "train": ["--encoder_steps=2", "--decoder_steps=2", "--finetune_steps=2"]
    + ["--filters=4,6,8", "--num_blocks=1", "--region_size=1"]
    + ["--finetune_batch_size=4", "--validate_every=2"],
    "evaluate": [],
    "predict": [],
    "export": [],
}


def commands():
    """Title of a section and the dscl- commands in it."""
    text = DOC.read_text(encoding="utf-8").replace("\\\n", " ")  # One line each.
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    return [
        (text.splitlines()[0], re.findall(r"^dscl-(\w+) (.*)$", text, flags=re.M))
        for text in sections
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "lines"), commands(), ids=[title for title, _ in commands()]
)
def test_the_commands_of_the_document(tmp_path, title, lines):
    (make,) = [make for start, make in DATASETS.items() if title.startswith(start)]
    make(tmp_path)
    assert lines
    for name, flags in lines:
        done = running.run(name, *flags.split(), *SMALLER[name], cwd=tmp_path)
        assert done.returncode == 0, f"dscl-{name} {flags}\n{done.stderr[-2000:]}"
    summaries = list(tmp_path.glob("runs/*/test/summary.json"))
    assert len(summaries) == sum(name == "evaluate" for name, _ in lines)
    assert all(json.loads(summary.read_text()) for summary in summaries)


def test_every_dataset_has_its_commands():
    titles = [title for title, _ in commands()]
    assert len(titles) == len(DATASETS)
    for start in DATASETS:
        assert sum(title.startswith(start) for title in titles) == 1


def test_the_tests_that_the_document_names_exist():
    """Names in the table of traps, some of which end in an asterisk."""
    tests = pathlib.Path(__file__).parent
    defined = re.findall(
        r"^def (test_\w+)",
        "\n".join(path.read_text() for path in tests.rglob("*_test.py")),
        flags=re.M,
    )
    text = DOC.read_text(encoding="utf-8")
    table = text[text.index("# Traps") :]
    named = re.findall(r"\b(test_[a-z0-9_]+\*?[a-z0-9_]*)", table)
    assert len(named) > 30
    for name in named:
        pattern = name.replace("*", r"\w*")
        assert any(re.fullmatch(pattern, each) for each in defined), name
