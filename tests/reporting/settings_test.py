from dscl_tf.reporting import settings


def differences(configs):
    return settings.differences("T", configs)


def test_only_what_differs_is_listed():
    first = {"a": {"b": 1, "c": [1, 2]}, "workdir": "x", "name": "n"}
    second = {"a": {"b": 2, "c": [1, 2]}, "workdir": "y", "name": "n", "new": True}
    found = differences({"one": first, "two": second})
    assert found.heads == ["Run", "a.b", "new"]
    assert found.rows == [["one", "1", "–"], ["two", "2", "true"]]


def test_many_settings_of_few_runs_go_down():
    runs = {name: dict.fromkeys("abc", k) for k, name in enumerate(("one", "two"))}
    found = differences(runs)
    assert found.heads == ["Setting", "one", "two"]
    assert found.rows == [["a", "0", "1"], ["b", "0", "1"], ["c", "0", "1"]]


def test_settings_that_a_stage_does_not_use_do_not_count():
    encoder = {"stage": "encoder", "local": {"strategy": "lr"}}
    decoder = {"stage": "decoder", "local": {"strategy": "ld"}}
    found = differences({"one": encoder, "two": decoder})
    assert found.rows == [["one", "–", "encoder"], ["two", "ld", "decoder"]]


def test_a_start_is_named_by_its_last_folders():
    found = differences({"one": {"init": "/a/b/gd/encoder"}, "two": {}})
    assert found.rows[0] == ["one", "gd/encoder"]


def test_equal_settings_have_no_rows():
    assert differences({"one": {"a": 1, "seed": 1}, "two": {"a": 1}}).rows == []


def test_definitions_are_texts():
    found = settings.definitions({"a": [1, 2], "b": "", "c": None, "d": True, "e": "x"})
    assert found == [("a", "1, 2"), ("d", "true"), ("e", "x")]


def test_commands_are_quoted_and_shown_once():
    trained = {"runtime": {"command": "dscl-train --workdir=run"}}
    found = settings.made_by([trained, trained, {"runtime": {}}, {}], "a b")
    assert found == ["dscl-train --workdir=run", "dscl-report '--input=a b'"]
