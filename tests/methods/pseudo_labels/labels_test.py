import json
import logging

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.methods.pseudo_labels import labels as pseudo_labels
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.training import run_folder

NAMES = ("p0", "p1")


class Teacher:
    """Says class 1 of bright pixels, surely of very bright and of dark ones."""

    input_shape = (None, 16, 16, 1)

    def __call__(self, images, training):
        assert not training
        return tf.concat([tf.zeros_like(images), 5.0 * (images - 0.5)], axis=-1)


@pytest.fixture()
def teacher(tmp_path, monkeypatch):
    """A finished run in name; its weights are a file."""
    folder = tmp_path / "teacher"
    (folder / "best").mkdir(parents=True)
    (folder / "best" / "ckpt-1.index").write_bytes(b"weights")
    (folder / "result.json").write_text('{"checkpoint": "best/ckpt-1"}')
    segmenter = run_folder.Segmenter(Teacher(), None, ())
    monkeypatch.setattr(run_folder, "load_segmenter", lambda path: segmenter)
    return folder


def settings_of(teacher, confidence=0.9):
    return PseudoLabelConfig(str(teacher), confidence)


@pytest.fixture()
def labels(tiny_cohort, tmp_path):
    return pseudo_labels.PseudoLabels(tmp_path / "run", tiny_cohort)


def expected_labels(image, confidence):
    """2 (unknown) where neither class reaches the confidence."""
    first = 1 / (1 + np.exp(-5 * (np.asarray(image, np.float64) - 0.5)))
    known = np.maximum(first, 1 - first) >= confidence
    return np.where(known, first > 0.5, 2)


@pytest.mark.parametrize("confidence", [0.0, 0.9])
def test_labels_and_unknown_pixels(labels, teacher, tiny_cohort, confidence):
    pseudo_labels.make(labels, NAMES, settings_of(teacher, confidence))
    for name in NAMES:
        found = labels.of(name)
        expected = expected_labels(tiny_cohort.image(name), confidence)
        assert found.dtype == np.uint8 and isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, expected)
        assert (2 in found) == (confidence == 0.9)


def test_of_each_class_the_surest_share_is_known(labels, teacher, tiny_cohort):
    settings = PseudoLabelConfig(str(teacher), 0.9, keep_fraction=0.25)
    pseudo_labels.make(labels, NAMES, settings)
    images = [np.asarray(tiny_cohort.image(name), np.float64) for name in NAMES]
    first = [1 / (1 + np.exp(-5 * (image - 0.5))) for image in images]
    found = [labels.of(name) for name in NAMES]
    for label in (0, 1):
        said = [np.where(p > 0.5, 1, 0) == label for p in first]
        sure = [np.maximum(p, 1 - p) for p in first]
        known = np.concatenate([(f == label).ravel() for f in found])
        of_class = np.concatenate([s.ravel() for s in said])
        share = known.sum() / of_class.sum()
        assert 0.25 <= share < 0.3
        # None that is left out is surer than one that is known, but for a bin.
        probability = np.concatenate([p.ravel() for p in sure])
        left_out = of_class & ~known
        unsure = 1 - probability
        assert unsure[left_out].min() >= unsure[known].max() / 10**0.011
    summary = json.loads(labels.summary_file.read_text())
    assert summary["keep_fraction"] == 0.25


def test_summary_counts_pixels(labels, teacher, caplog):
    with caplog.at_level(logging.INFO):
        pseudo_labels.make(labels, NAMES[:1], settings_of(teacher))
    summary = json.loads(labels.summary_file.read_text())
    predicted, known = summary["volumes"]["p0"]
    found = labels.of("p0")
    assert known == [int((found == label).sum()) for label in (0, 1)]
    assert sum(predicted) == found.size
    assert f"background {known[0] / predicted[0]:.2f}" in caplog.text
    assert "No pixel" not in caplog.text


def test_only_what_is_missing_or_damaged_is_made_again(labels, teacher, monkeypatch):
    pseudo_labels.make(labels, NAMES, settings_of(teacher))
    before = np.array(labels.of("p1"))
    (labels.run / "pseudo_labels" / "p1.npy").write_bytes(b"cut")
    with pytest.raises(errors.UserError, match=r"p1\.npy"):
        labels.of("p1")
    written = []
    write = pseudo_labels.PseudoLabels.write

    def note(self, name, array):
        written.append(name)
        write(self, name, array)

    monkeypatch.setattr(pseudo_labels.PseudoLabels, "write", note)
    pseudo_labels.make(labels, NAMES, settings_of(teacher))
    assert written == ["p1"]
    np.testing.assert_array_equal(labels.of("p1"), before)


def test_another_teacher_or_confidence_makes_all_again(labels, teacher, caplog):
    pseudo_labels.make(labels, NAMES, settings_of(teacher))
    pseudo_labels.make(labels, NAMES, settings_of(teacher, 0.0))
    assert 2 not in labels.of("p0")
    assert "of another teacher" in caplog.text
    caplog.clear()
    pseudo_labels.make(labels, NAMES, settings_of(teacher, 0.0))
    assert "of another teacher" not in caplog.text
    (teacher / "best" / "ckpt-1.index").write_bytes(b"other weights")
    pseudo_labels.make(labels, NAMES, settings_of(teacher, 0.0))
    assert "of another teacher" in caplog.text


def test_confidence_is_not_asked_where_a_fraction_decides(labels, teacher, caplog):
    for confidence in (0.9, 0.5):
        settings = PseudoLabelConfig(str(teacher), confidence, keep_fraction=0.25)
        pseudo_labels.make(labels, NAMES, settings)
    assert "made again" not in caplog.text
    pseudo_labels.make(labels, NAMES, settings_of(teacher, 0.5))
    assert "made again" in caplog.text


def test_class_that_is_never_known_is_warned_of(labels, teacher, caplog, monkeypatch):
    monkeypatch.setattr(
        Teacher, "__call__", lambda self, images, training: images * [[5.0, 0.0]]
    )
    pseudo_labels.make(labels, NAMES, settings_of(teacher))
    assert "No pixel has a known pseudo-label of disc" in caplog.text
    assert "of background" not in caplog.text
