import dataclasses
import json

import pytest

from dscl_tf import config, config_json, errors


def stage():
    return config.StageConfig(
        stage="encoder",
        prepared="cohort",
        workdir="run",
        seed=7,
        network=config.NetworkConfig(filters=(4, 8)),
        global_=config.GlobalConfig(strategy=config.GlobalStrategy.GD_MINUS),
        split=config.SplitConfig(file="split.json"),
    )


def test_round_trip_through_text():
    content = json.loads(json.dumps(config_json.to_json(stage())))
    assert content["global_"]["strategy"] == "gd_minus"
    assert content["network"]["filters"] == [4, 8]
    assert content["init"] is None
    found = config_json.from_json(config.StageConfig, content)
    assert found == stage()
    assert found.global_.strategy is config.GlobalStrategy.GD_MINUS


def test_whole_numbers_become_floats():
    content = config_json.to_json(config.PreprocessingConfig())
    content["spacing_mm"] = 2
    found = config_json.from_json(config.PreprocessingConfig, content)
    assert found.spacing_mm == 2 and isinstance(found.spacing_mm, float)


def test_unknown_and_missing_keys_are_named():
    content = config_json.to_json(stage())
    content["network"]["filter"] = content["network"].pop("filters")
    message = r"x\.network: unknown keys \['filter'\], missing keys \['filters'\]"
    with pytest.raises(errors.UserError, match=message):
        config_json.from_json(config.StageConfig, content, "x")


def test_settings_of_earlier_versions_have_the_defaults_of_new_fields():
    content = config_json.to_json(stage())
    del content["network"]["sync_batch_norm"]
    del content["runtime"]["distribution"]
    assert config_json.from_json(config.StageConfig, content) == stage()


@pytest.mark.parametrize(
    ("cls", "name", "before"),
    [
        (config.LocalConfig, "views", config.LocalViews.INTENSITY),
        (config.PreprocessingConfig, "on_voxels", False),
    ],
)
def test_settings_of_earlier_versions_do_as_these_did(cls, name, before):
    content = config_json.to_json(cls())
    del content[name]
    found = config_json.from_json(cls, content)
    assert found == dataclasses.replace(cls(), **{name: before}) != cls()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seed",), "7", r'c\.seed: found "7", expected int'),
        (("seed",), True, r"c\.seed: found true, expected int"),
        (("seed",), 1.5, r"c\.seed: found 1.5, expected int"),
        (("views", "brightness"), True, r"brightness: found true, expected float"),
        (("stage",), None, r"c\.stage: found null, expected str"),
        (("init",), 3, r"c\.init: found 3, expected str"),
        (("network",), [1], r"c\.network: found \[1\], expected an object"),
        (("network", "filters"), 16, r"filters: found 16, expected a list"),
        (("network", "filters"), [16, "x"], r'filters\[1\]: found "x", expected int'),
        (("views", "clip"), [1.0], r"clip: found \[1.0\], expected a list of 2"),
        (("global_", "strategy"), "best", r"strategy: found 'best', expected \['none'"),
        (("global_", "strategy"), [1], r"strategy: found \[1\]"),
        (("optimizer", "cosine"), 1, r"cosine: found 1, expected bool"),
    ],
)
def test_wrong_types_are_named(path, value, message):
    content = config_json.to_json(stage())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(errors.UserError, match=message):
        config_json.from_json(config.StageConfig, content, "c")


def test_values_are_checked_as_in_the_code():
    content = config_json.to_json(config.SplitConfig())
    content["num_train"] = -1
    with pytest.raises(errors.UserError, match="num_train must be at least 0"):
        config_json.from_json(config.SplitConfig, content)


def test_other_dataclasses_with_variable_tuples():
    @dataclasses.dataclass(frozen=True)
    class Pair:
        names: tuple[str, ...]
        size: tuple[int, int]

    content = config_json.to_json(Pair((), (1, 2)))
    assert content == {"names": [], "size": [1, 2]}
    assert config_json.from_json(Pair, content) == Pair((), (1, 2))
