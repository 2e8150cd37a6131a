from dscl_tf import config_differences


def test_only_what_differs_is_listed():
    first = {"a": {"b": 1, "c": [1, 2]}, "workdir": "x", "name": "n"}
    second = {"a": {"b": 2, "c": [1, 2]}, "workdir": "y", "name": "n", "new": True}
    assert config_differences.between({"one": first, "two": second}) == {
        "one": {"a.b": "1", "new": "–"},
        "two": {"a.b": "2", "new": "true"},
    }


def test_settings_that_a_stage_does_not_use_do_not_count():
    encoder = {"stage": "encoder", "local": {"strategy": "lr"}}
    decoder = {"stage": "decoder", "local": {"strategy": "ld"}}
    assert config_differences.between({"one": encoder, "two": decoder}) == {
        "one": {"local.strategy": "–", "stage": "encoder"},
        "two": {"local.strategy": "ld", "stage": "decoder"},
    }


def test_a_start_is_named_by_its_last_folders():
    found = config_differences.between({"one": {"init": "/a/b/gd/encoder"}, "two": {}})
    assert found["one"] == {"init": "gd/encoder"}


def test_equal_settings_have_no_differences():
    found = config_differences.between({"one": {"a": 1, "seed": 1}, "two": {"a": 1}})
    assert found == {"one": {}, "two": {}}
    assert config_differences.between({}) == {}
