"""The flags of evaluate, predict and export reach their settings."""

import pytest
from absl import flags
from absl.testing import flagsaver
from dscl_flags import evaluation, inference, prediction

from dscl_tf import config, errors
from dscl_tf.config import masks

FLAGS = flags.FLAGS


@pytest.fixture
def parse(monkeypatch):
    """Types and parses a command line, and forgets it after the test."""
    saved = flagsaver.save_flag_values()

    def typed(*arguments, by_preset=()):
        monkeypatch.setattr("sys.argv", ["binary", *arguments])
        FLAGS(["binary", *by_preset, *arguments])

    yield typed
    flagsaver.restore_flag_values(saved)
    FLAGS.unparse_flags()


def test_values_arrive(parse):
    parse("--model=m", "--output=o", "--input=i", "--prepared=p", "--overwrite")
    assert (inference.model(), inference.output()) == ("m", "o")
    assert inference.overwrite() is True
    assert prediction.source() == "i"
    assert (evaluation.prepared(), evaluation.subset()) == ("p", "test")
    assert evaluation.split() is None


def test_mask_format(parse):
    parse()
    assert prediction.mask_format() == "input"
    parse("--mask_format=seg_nrrd")
    assert prediction.mask_format() == "seg_nrrd"
    assert FLAGS["mask_format"].parser.enum_values == list(masks.MASK_FORMATS)


def test_split(parse):
    parse("--split=paper:acdc", "--split_name=tr1_c1", "--subset=validation")
    assert evaluation.subset() == "validation"
    assert evaluation.split() == config.SplitConfig(file="paper:acdc", name="tr1_c1")


def test_a_presets_split_is_not_taken_unless_a_draw_of_it_is_named(parse):
    by_preset = ("--split=paper:acdc", "--split_name=tr1_c1")
    parse("--subset=all", by_preset=by_preset)
    assert evaluation.split() is None
    parse("--split_name=tr1_c2", "--subset=test", by_preset=by_preset)
    assert evaluation.split() == config.SplitConfig(file="paper:acdc", name="tr1_c2")


def test_tolerance_of_surface_dice(parse):
    parse()
    assert evaluation.nsd_tolerance_mm() is None
    parse("--nsd_tolerance_mm=2")
    assert evaluation.nsd_tolerance_mm() == 2.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--split_name=tr1_c1"], "goes with --split"),
        (["--split=s.json", "--subset=all"], "leave --split out"),
    ],
)
def test_contradictions(parse, arguments, message):
    parse(*arguments)
    with pytest.raises(errors.UserError, match=message):
        evaluation.split()


def test_needed_flags(parse):
    parse()
    for value in (inference.model, inference.output, prediction.source):
        with pytest.raises(errors.UserError, match="is needed"):
            value()
