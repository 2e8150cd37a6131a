import dataclasses

import pytest
from absl import flags
from absl.testing import flagsaver
from dscl_flags import prepare

from dscl_tf import config, errors


@pytest.fixture(autouse=True)
def parsed():
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])


def build(**values):
    with flagsaver.flagsaver(**values):
        return prepare.preparation_config()


def test_defaults_are_those_of_the_config():
    found = build(source="a", output="b")
    assert found.settings == config.PreprocessingConfig()
    assert (found.source, found.output, found.label_names) == ("a", "b", None)


def test_every_setting_has_a_flag():
    values = {
        "size_px": ["24", "32"],
        "spacing_mm": 2.5,
        "percentiles": ["2", "98"],
        "window": ["-200", "600"],
        "bias_correction": False,
        "bias_shrink": 3,
        "bias_levels": 2,
        "bias_iterations": 7,
        "bias_convergence": 0.01,
    }
    fields = {field.name for field in dataclasses.fields(config.PreprocessingConfig)}
    # Those are found in the dataset, by what is asked for; the last one is for cohorts
    # of earlier versions alone.
    assert set(values) == fields - {"orientation", "channels", "on_voxels"}
    assert build(source="a", output="b", **values).settings == (
        config.PreprocessingConfig(
            (24, 32), 2.5, (2.0, 98.0), (-200.0, 600.0), False, 3, 2, 7, 0.01
        )
    )


def test_a_cohort_is_replaced_on_demand_only():
    assert build(source="a", output="b").overwrite is False
    assert build(source="a", output="b", overwrite=True).overwrite is True


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(None, None), (["T2"], ("T2",)), (["0", " 1"], ("0", "1"))],
)
def test_channels_are_numbers_or_names(texts, expected):
    assert build(source="a", output="b", channels=texts).channels == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"channels": ["T2", "ADC"], "channel": 0},
            "--channel=0 and --channels=T2,ADC",
        ),
        ({"channels": ["T2", ""]}, "numbers or names separated by commas"),
        ({"channels": []}, "numbers or names separated by commas"),
    ],
)
def test_channels_that_are_no_list_or_said_twice_are_refused(values, said):
    with pytest.raises(errors.UserError, match=said):
        build(source="a", output="b", **values)


@pytest.mark.parametrize(
    ("typed", "values", "said"),
    [
        ("--percentiles=1,98", {"window": ["-200", "600"]}, "no effect with --window"),
        ("--bias_levels=2", {"bias_correction": False}, "without --bias_correction"),
        ("--bias_shrink=2", {"bias_correction": False}, "without --bias_correction"),
    ],
)
def test_typed_flags_without_effect_are_refused(monkeypatch, typed, values, said):
    build(source="a", output="b", **values)
    monkeypatch.setattr("sys.argv", ["dscl-prepare", typed])
    build(source="a", output="b")
    with pytest.raises(errors.UserError, match=said):
        build(source="a", output="b", **values)


def test_one_number_stands_for_two():
    found = build(source="a", output="b", size_px=["32"], percentiles=["2", "98.5"])
    assert found.settings.size_px == (32, 32)
    assert found.settings.percentiles == (2.0, 98.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": None}, "--source=DIR is needed"),
        ({"output": None}, "--output=DIR is needed"),
        ({"size_px": ["1", "2", "3"]}, "--size_px must be .* found '1,2,3'"),
        ({"size_px": ["1.5"]}, "--size_px must be .* found '1.5'"),
        ({"size_px": ["0"]}, "size_px must be at least 1"),
        ({"percentiles": ["99", "1"]}, "percentiles must be two increasing"),
        ({"percentiles": ["nan", "99"]}, "percentiles must be two increasing"),
        ({"percentiles": []}, "--percentiles must be"),
        ({"window": ["600", "-200"]}, "window must be two increasing"),
        ({"window": ["-200"]}, "window must be two increasing"),
        ({"window": ["nan", "200"]}, "window must be two increasing"),
        ({"window": ["0", "inf"]}, "window must be two increasing"),
        ({"window": ["1", "2", "3"]}, "--window must be"),
        ({"label_names": ["RV", "RV"]}, "--label_names .*'RV,RV'"),
        ({"label_names": ["RV", "Background"]}, "background must be named first"),
        ({"label_names": ["RV", ""]}, "--label_names .*'RV,'"),
    ],
)
def test_bad_flags_are_named(values, message):
    with pytest.raises(errors.UserError, match=message):
        build(**{"source": "a", "output": "b", **values})


def test_a_report_goes_with_a_check():
    with pytest.raises(
        errors.UserError, match=r"--report=r\.json goes with --check_only"
    ):
        build(source="a", output="b", report="r.json")


def test_output_is_not_needed_for_checking():
    assert build(source="a", output=None, check_only=True).output is None


def test_a_leading_background_is_understood():
    for first in ("background", "Background"):
        found = build(source="a", output="b", label_names=[first, "RV", "MYO"])
        assert found.label_names == ("RV", "MYO")
